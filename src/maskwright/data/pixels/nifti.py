"""Slices of NIfTI volumes (NIfTI-1 and NIfTI-2, plain or gzipped), one in memory at a time.

* A volume is cut across the axis of its coarsest spacing, the last of those that are equal.
* A slice lies as it is stored: its rows are the first of the other two axes, its columns the
  second. It is not turned by the affine.
* Values are those that the header's slope and intercept give; fractions are refused.
* The spacing is given only where the header names its unit.
"""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, MissingDependencyError
from .faults import explain_damage

MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
"""The header's word for its unit -> millimetres."""

_HEADER_BYTES = 540
_MAX_HEAD = 1 << 24
_GZIP_RATIO = 1032
"""Deflate packs no tighter; RFC 1951 has 258 bytes in two bits."""

_FAULT = "the volume is cut short or damaged"
_DAMAGED = (OSError, EOFError, ValueError, TypeError, LookupError, OverflowError, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The header of a volume, checked against the size of the file.

    `shape` and `zooms` have three values each; `axis` is cut across; `unit_mm` is the unit of
    the zooms in millimetres, None where it is not stated.
    """

    path: Path
    shape: tuple[int, int, int]
    zooms: tuple[float, float, float]
    unit_mm: float | None
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float

    @property
    def axis(self) -> int:
        """The axis that is cut across."""
        coarsest = max(self.zooms)
        return max(i for i in range(3) if math.isclose(self.zooms[i], coarsest, rel_tol=1e-3))

    @property
    def num_pages(self) -> int:
        """How many slices there are."""
        return self.shape[self.axis]

    @property
    def _plane(self) -> list[int]:
        return [i for i in range(3) if i != self.axis]

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        rows, columns = (self.shape[i] for i in self._plane)
        return rows, columns

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """Height and width of a pixel of a slice in mm; None without a unit in the header."""
        rows, columns = (self.zooms[i] for i in self._plane)
        if self.unit_mm is None or not (rows > 0 and columns > 0):
            return None
        return rows * self.unit_mm, columns * self.unit_mm

    @property
    def is_signed(self) -> bool:
        """Whether values below 0 are possible: by the type alone, equal for all slices."""
        return self.dtype.kind in "if" or self.slope < 0 or self.intercept < 0

    def read(self, index: int) -> NDArray[np.integer]:
        """Read one slice, H x W: unsigned, or int64 where values may be below 0.

        Raises:
            DataError: Damaged, no such slice, or fractions.
        """
        if not 0 <= index < self.num_pages:
            raise DataError(f"{self.path}: has {self.num_pages} slices, no slice {index}")
        with explain_damage(self.path, _FAULT, _damage_errors()):
            stored = self._read_stored(index)
        if self.slope == 1 and self.intercept == 0 and self.dtype.kind == "u":
            return stored.astype(self.dtype.newbyteorder("="))
        values = stored * np.float64(self.slope) + np.float64(self.intercept)
        if not (np.isfinite(values).all() and np.array_equal(values, np.rint(values))):
            raise DataError(
                f"{self.path}: values are fractions ({self.dtype}, slope {self.slope:g}), "
                f"expected whole numbers; rescale the volume and save it as int16 or uint16"
            )
        if np.abs(values).max(initial=0) > 1 << 40:
            raise DataError(f"{self.path}: values up to {np.abs(values).max():g}; use int16")
        return values.astype(np.int64 if self.is_signed else np.uint32)

    def _read_stored(self, index: int) -> NDArray[Any]:
        """Stored values; across another axis than the last, the file is read once."""
        from nibabel.arrayproxy import ArrayProxy

        spec = (self.shape, self.dtype, self.offset)
        proxy: Any = cast(Any, ArrayProxy)(self.path, spec, mmap=False, keep_file_open=True)
        if self.axis == 2:
            return np.ascontiguousarray(proxy[..., index])
        lines = [proxy[..., k].take(index, axis=self.axis) for k in range(self.shape[2])]
        return np.stack(lines, axis=1)


def open_volume(path: Path) -> Volume:
    """Read the header of a .nii or .nii.gz file.

    Raises:
        DataError: Damaged, cut short, of another shape than a volume, or in colours.
        MissingDependencyError: nibabel is not installed.
    """
    with explain_damage(path, _FAULT, _damage_errors()):
        header = _header(path)
        shape, dtype = _shape(path, header), header.get_data_dtype()
        if dtype.kind not in "iuf":
            raise DataError(f"{path}: values are {dtype}, expected numbers; save it as int16")
        slope, intercept = header.get_slope_inter()
        zooms = [float(zoom) for zoom in (*header.get_zooms()[:3], 0.0, 0.0)][:3]
        sound = all(math.isfinite(zoom) and zoom >= 0 for zoom in zooms)
        volume = Volume(
            path=path,
            shape=shape,
            zooms=(zooms[0], zooms[1], zooms[2]) if sound else (0.0, 0.0, 0.0),
            unit_mm=MM.get(header.get_xyzt_units()[0]) if sound else None,
            dtype=dtype,
            offset=int(header["vox_offset"]),
            slope=1.0 if slope is None else float(slope),
            intercept=0.0 if intercept is None else float(intercept),
        )
        _require_whole(volume)
    return volume


def _header(path: Path) -> Any:
    """The header of NIfTI-1 or 2; extensions are not read, as they may declare any size."""
    try:
        from nibabel.nifti1 import Nifti1Header
        from nibabel.nifti2 import Nifti2Header
    except ModuleNotFoundError as error:
        raise MissingDependencyError("nibabel", "medical") from error
    head = _start(path)
    for kind in (Nifti1Header, Nifti2Header):
        size = kind.template_dtype.itemsize
        sizes = {int.from_bytes(head[:4], order) for order in ("little", "big")}
        if len(head) >= size and size in sizes:
            header = cast(Any, kind)(head[:size], check=False)
            if header["magic"].item()[:2] == b"n+":
                return header
    raise DataError(f"{path}: is not a NIfTI volume in one file; copy it again or remove it")


def _start(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as packed:
            return packed.read(_HEADER_BYTES)
    with path.open("rb") as file:
        return file.read(_HEADER_BYTES)


def _shape(path: Path, header: Any) -> tuple[int, int, int]:
    shape = [int(size) for size in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise DataError(
            f"{path}: has the shape {tuple(shape)}, expected three axes; "
            f"save each time or channel as a volume of its own"
        )
    return shape[0], shape[1], shape[2] if len(shape) == 3 else 1


def _require_whole(volume: Volume) -> None:
    declared = volume.offset + math.prod(volume.shape) * volume.dtype.itemsize
    size = volume.path.stat().st_size
    most = size * _GZIP_RATIO if volume.path.suffix.lower() == ".gz" else size
    if declared > most or not 0 <= volume.offset <= _MAX_HEAD:
        raise DataError(
            f"{volume.path}: declares {volume.shape} voxels, {declared:,} bytes, in a file of "
            f"{size:,}; it is cut short or damaged; copy it again or remove it"
        )


def _damage_errors() -> tuple[type[Exception], ...]:
    try:
        from nibabel.spatialimages import HeaderDataError
    except ModuleNotFoundError:
        return _DAMAGED
    return (*_DAMAGED, HeaderDataError)
