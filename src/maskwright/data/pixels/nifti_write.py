"""Write a NIfTI volume on the voxels of another one: its affine, codes, units and orientation.

Fields of the header that are free text (`descrip`, `aux_file`, `db_name`) and extensions may
name a patient, and are not copied.
"""

import gzip
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.atomic import new_file
from .nifti import Volume, open_volume, read_header

SUFFIXES = (".nii", ".nii.gz")

_PLACING = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
"""Spacing (pixdim[0] is the handedness of the qform), unit, and both affines."""


def is_nifti(path: Path) -> bool:
    """Whether a file is called like a NIfTI volume."""
    return path.name.lower().endswith(SUFFIXES)


def write_like(
    source: Path,
    target: Path,
    slices: Iterable[tuple[int, NDArray[np.uint8]]],
    *,
    empty: int,
    slope: float = 1.0,
) -> None:
    """Write slices as a volume of uint8 that lies voxel by voxel where `source` lies.

    Args:
        source: The volume of which the slices are; its version of NIfTI is written.
        target: A new file; packed where its name ends in .gz, and the same bytes each time.
        slices: Index and values of each slice, H x W, as `read_image` lays slices of `source`.
        empty: The value of slices that are not given.
        slope: The factor from stored to true values.

    Raises:
        DataError: `source` is damaged.
        OutputError: `target` cannot be written.
    """
    volume = open_volume(source)
    header = _make_header(volume, slope)
    # on disk, as a volume may be larger than the memory
    with TemporaryFile(dir=target.parent) as scratch:
        stored_XYZ = np.memmap(scratch, np.uint8, "w+", shape=volume.shape, order="F")
        stored_XYZ[:] = empty
        slices_DHW = volume.as_slices(stored_XYZ)
        for index, values_HW in slices:
            slices_DHW[index] = values_HW
        with new_file(target) as file:
            if target.suffix.lower() != ".gz":
                _write(file, header, stored_XYZ)
                return
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                _write(packed, header, stored_XYZ)


def _make_header(volume: Volume, slope: float) -> Any:
    original = read_header(volume.path)
    header = type(original)()
    for name in _PLACING:
        header[name] = original[name]
    header.set_data_shape(volume.shape)
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(slope, 0.0)
    header["vox_offset"] = header.single_vox_offset
    return header


def _write(file: Any, header: Any, stored_XYZ: NDArray[np.uint8]) -> None:
    header.write_to(file)
    for plane_XY in stored_XYZ.T:  # (Z, Y, X), contiguous
        file.write(plane_XY.tobytes())
