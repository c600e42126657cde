"""Write a NIfTI volume: on the voxels of another one, or where an affine places it.

Affine, codes, units and orientation are those of the other volume. Fields of its header that
are free text (`descrip`, `aux_file`, `db_name`) and extensions may name a patient, and are not
copied.
"""

import gzip
from collections.abc import Callable, Iterable
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
    _write_volume(target, _make_header(volume, slope), slices, volume.as_slices, empty)


def write_placed(
    target: Path,
    affine_44: NDArray[np.float64],
    slices: Iterable[tuple[int, NDArray[Any]]],
    *,
    shape_DHW: tuple[int, int, int],
    dtype: np.dtype[Any],
    empty: int,
) -> None:
    """Write slices as a volume whose voxels (x, y, slice) an affine places in the patient.

    Args:
        target: A new file; packed where its name ends in .gz, and the same bytes each time.
        affine_44: From (x, y, slice, 1) to (R, A, S, 1) in mm.
        slices: Index and values of each slice, H x W.
        shape_DHW: Number of slices, rows and columns.
        dtype: The type of the voxels.
        empty: The value of slices that are not given.

    Raises:
        OutputError: `target` cannot be written.
    """
    import nibabel as nib

    header: Any = nib.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_shape(shape_DHW[::-1])
    header.set_data_dtype(dtype)
    header.set_xyzt_units("mm")
    header.set_qform(affine_44, code="scanner")  # without shears, which it cannot hold
    header.set_sform(affine_44, code="scanner")
    header["vox_offset"] = header.single_vox_offset
    _write_volume(target, header, slices, lambda stored_XYZ: stored_XYZ.T, empty)


def _write_volume(
    target: Path,
    header: Any,
    slices: Iterable[tuple[int, NDArray[Any]]],
    as_slices: Callable[[NDArray[Any]], NDArray[Any]],
    empty: int,
) -> None:
    """Write the slices of an array of the shape and type of a header."""
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    # on disk, as a volume may be larger than the memory
    with TemporaryFile(dir=target.parent) as scratch:
        stored_XYZ = np.memmap(scratch, dtype, "w+", shape=shape, order="F")
        stored_XYZ[:] = empty
        slices_DHW = as_slices(stored_XYZ)
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


def _write(file: Any, header: Any, stored_XYZ: NDArray[Any]) -> None:
    header.write_to(file)
    for plane_XY in stored_XYZ.T:  # (Z, Y, X), contiguous
        file.write(plane_XY.tobytes())
