"""Slices of NIfTI volumes (NIfTI-1 and NIfTI-2, plain or gzipped), one in memory at a time.

A gzipped volume is unpacked once and kept while it fits (`gunzip`).

* All volumes are cut in one frame, whatever the order in which their voxels are stored: the
  axes of the body that are nearest to the axes of the volume, by its affine.
* A volume is cut across the axis of its coarsest spacing: where spacings are equal across S
  (axial slices), else A (coronal), else R (sagittal). Slices count from feet to head, from back
  to front, from left to right.
* A slice lies as radiologists view it: columns run from the right of the patient to the left,
  rows from the front to the back (axial) or from head to feet; in sagittal slices columns run
  from the front to the back.
* A volume that states no orientation is taken as stored in the order R, A, S. Of two that
  differ, sform and qform, the sform is taken.
* Values are those that the header's slope and intercept give.
* A spacing without a unit is taken as mm.
* The indices of a fourth axis are channels, where their names are given; see `readers.nifti`.
"""

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, MissingDependencyError
from ..georef.patient import PLANES, PatientFrame, Plane
from .faults import explain_damage
from .gunzip import unpacked_files
from .imagefile import Assumption

MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
"""The header's word for its unit -> millimetres."""

_LARGEST_WHOLE = 1 << 31
_FORM_TOLERANCE = 0.01
"""Share of the smallest voxel by which sform and qform, stored as float32, may differ."""
_HEADER_BYTES = 540
_MAX_HEAD = 1 << 24
_GZIP_RATIO = 1032
"""Deflate packs no tighter; RFC 1951 has 258 bytes in two bits."""

_FAULT = "the volume is cut short or damaged"
_DAMAGED = (OSError, EOFError, ValueError, TypeError, LookupError, OverflowError, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """An axis of the slices: the stored axis that it is, and whether it runs against it."""

    stored: int
    reversed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """The header of a volume, checked against the size of the file.

    `shape` and `zooms` have three values each, of the stored axes; `num_channels` is the length
    of a fourth one, and `time_step` describes its step, where the header has one. `unit_mm` is
    the unit of the zooms in millimetres. `affine_44` maps stored indices to R, A and S in the
    unit of the zooms, None where the file states no orientation. `assumptions` says what the
    header leaves open.
    """

    path: Path
    shape: tuple[int, int, int]
    num_channels: int = 1
    time_step: str = ""
    zooms: tuple[float, float, float]
    unit_mm: float
    assumptions: tuple[Assumption, ...] = ()
    affine_44: NDArray[np.float64] | None
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    modality = ""

    @property
    def is_packed(self) -> bool:
        """Whether the file is gzipped."""
        return self.path.suffix.lower() == ".gz"

    @property
    def num_bytes(self) -> int:
        """Bytes of the unpacked file up to its last voxel."""
        return self.offset + math.prod(self.shape) * self.num_channels * self.dtype.itemsize

    @property
    def unpacked_bytes(self) -> Mapping[Path, int]:
        """The file and `num_bytes`, where it is gzipped."""
        return {self.path: self.num_bytes} if self.is_packed else {}

    @cached_property
    def _body_axes(self) -> tuple[tuple[int, bool], ...]:
        """The axis of the body (0, 1, 2: R, A, S) of each stored axis, and whether it grows."""
        if self.affine_44 is None:
            return ((0, True), (1, True), (2, True))
        from nibabel.orientations import io_orientation

        # nibabel has no types
        axes: Any = cast(Any, io_orientation)(self.affine_44)
        return tuple((int(axis), bool(sign > 0)) for axis, sign in axes)

    @cached_property
    def _axes(self) -> tuple[_Axis, _Axis, _Axis]:
        """The axes of slices, rows and columns."""
        stored_of = {axis: stored for stored, (axis, _) in enumerate(self._body_axes)}
        cut = self._cut_axis
        columns, rows = (axis for axis in range(3) if axis != cut)
        wanted = ((cut, True), (rows, False), (columns, False))
        slices, rows_, columns_ = (
            _Axis(
                stored=stored_of[axis],
                reversed=self._body_axes[stored_of[axis]][1] != along,
            )
            for axis, along in wanted
        )
        return slices, rows_, columns_

    @property
    def _cut_axis(self) -> int:
        """The axis of the body that is cut across."""
        if self.shape.count(1) == 1:
            return self._body_axes[self.shape.index(1)][0]
        coarsest = max(self.zooms)
        return max(
            axis
            for zoom, (axis, _) in zip(self.zooms, self._body_axes, strict=True)
            if math.isclose(zoom, coarsest, rel_tol=1e-3)
        )

    @property
    def plane(self) -> Plane:
        """The plane of the slices."""
        return PLANES[self._cut_axis]

    @property
    def num_pages(self) -> int:
        """How many slices there are."""
        return self.shape[self._axes[0].stored]

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        _, rows, columns = self._axes
        return self.shape[rows.stored], self.shape[columns.stored]

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """Distance of slices, height and width of a pixel in mm; None without zooms."""
        depth, height, width = (self.zooms[axis.stored] for axis in self._axes)
        if min(depth, height, width) <= 0:
            return None
        return depth * self.unit_mm, height * self.unit_mm, width * self.unit_mm

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """Height and width of a pixel of a slice in mm; None without zooms in the header."""
        _, rows, columns = self._axes
        height, width = self.zooms[rows.stored], self.zooms[columns.stored]
        if min(height, width) <= 0:
            return None
        return height * self.unit_mm, width * self.unit_mm

    @property
    def frame(self) -> PatientFrame:
        """Where the slices lie in the patient, in mm."""
        affine_44 = self.affine_44
        stated = affine_44 is not None
        if affine_44 is None:
            affine_44 = np.diag([*(zoom or 1.0 for zoom in self.zooms), 1.0])
        to_stored_44 = np.zeros((4, 4))
        to_stored_44[3, 3] = 1.0
        slices, rows, columns = self._axes
        for point, axis in enumerate((columns, rows, slices)):
            half = 0.0 if axis is slices else 0.5  # the middle of the first pixel is at 0.5
            to_stored_44[axis.stored, point] = -1.0 if axis.reversed else 1.0
            last = self.shape[axis.stored] - 1
            to_stored_44[axis.stored, 3] = last + half if axis.reversed else -half
        scale = self.unit_mm
        return PatientFrame(
            affine_44=np.diag([scale, scale, scale, 1.0]) @ affine_44 @ to_stored_44,
            num_slices=self.num_pages,
            plane=self.plane,
            stored="".join("RAS"[a] if along else "LPI"[a] for a, along in self._body_axes),
            stated=stated,
        )

    @property
    def is_signed(self) -> bool:
        """Whether values below 0 are possible: by the type alone, equal for all slices."""
        return self.dtype.kind in "if" or self.slope < 0 or self.intercept < 0

    def read(self, index: int) -> NDArray[Any]:
        """Read one slice: unsigned; int64 where values may be below 0; else float64.

        Returns:
            H x W, or H x W x C where the volume has channels.

        Raises:
            DataError: Damaged, or no such slice.
        """
        if not 0 <= index < self.num_pages:
            raise DataError(f"{self.path}: has {self.num_pages} slices, no slice {index}")
        with explain_damage(self.path, _FAULT, _damage_errors()):
            stored = self._read_stored(index)
        if self.slope == 1 and self.intercept == 0 and self.dtype.kind == "u":
            return stored.astype(self.dtype.newbyteorder("="))
        values = stored * np.float64(self.slope) + np.float64(self.intercept)
        whole = np.isfinite(values).all() and np.array_equal(values, np.rint(values))
        if not whole or np.abs(values).max(initial=0) > _LARGEST_WHOLE:
            return values
        return values.astype(np.int64 if self.is_signed else np.uint32)

    def as_slices(self, stored_XYZ: NDArray[Any]) -> NDArray[Any]:
        """A view of an array of the stored shape as slices, (D, H, W), in their order."""
        axes = self._axes
        slices_DHW = stored_XYZ.transpose([axis.stored for axis in axes])
        return slices_DHW[tuple(np.s_[:: -1 if axis.reversed else 1] for axis in axes)]

    def _read_stored(self, index: int) -> NDArray[Any]:
        """Stored values of a slice, H x W or H x W x C."""
        slices, rows, columns = self._axes
        stored = self.num_pages - 1 - index if slices.reversed else index
        plane = self._read_plane(slices.stored, stored)  # (axis, axis, C)
        if rows.stored > columns.stored:
            plane = plane.swapaxes(0, 1)
        plane = plane[:: -1 if rows.reversed else 1, :: -1 if columns.reversed else 1]
        return np.ascontiguousarray(plane if self.num_channels > 1 else plane[..., 0])

    def _read_plane(self, axis: int, index: int) -> NDArray[Any]:
        """The voxels of one index of a stored axis; off the last axis all are read."""
        shape = (*self.shape, self.num_channels)
        unpacked = None
        if self.is_packed:
            unpacked = unpacked_files.read(self.path, self.num_bytes)
        if unpacked is not None:
            stored: NDArray[Any] = unpacked[self.offset :].view(self.dtype)
            # a view: `take` would copy the whole volume
            return np.asarray(np.moveaxis(stored.reshape(shape, order="F"), axis, 0)[index])
        from nibabel.arrayproxy import ArrayProxy

        spec = (shape, self.dtype, self.offset)
        proxy: Any = cast(Any, ArrayProxy)(self.path, spec, mmap=False, keep_file_open=True)
        if axis == 2:
            return np.asarray(proxy[:, :, index])
        lines = [proxy[:, :, k].take(index, axis=axis) for k in range(self.shape[2])]
        return np.stack(lines, axis=1)


def open_volume(path: Path) -> Volume:
    """Read the header of a .nii or .nii.gz file.

    Raises:
        DataError: Damaged, cut short, of another shape than a volume, or in colours.
        MissingDependencyError: nibabel is not installed.
    """
    with explain_damage(path, _FAULT, _damage_errors()):
        header = read_header(path)
        (*shape, num_channels), dtype = _shape(path, header), header.get_data_dtype()
        if dtype.kind not in "iuf":
            raise DataError(f"{path}: values are {dtype}, expected numbers; save it as int16")
        slope, intercept = header.get_slope_inter()
        zooms = [float(zoom) for zoom in (*header.get_zooms()[:3], 0.0, 0.0)][:3]
        sound = all(math.isfinite(zoom) and zoom >= 0 for zoom in zooms)
        volume = Volume(
            path=path,
            shape=(shape[0], shape[1], shape[2]),
            num_channels=num_channels,
            time_step=_describe_time(header),
            zooms=(zooms[0], zooms[1], zooms[2]) if sound else (0.0, 0.0, 0.0),
            unit_mm=MM.get(header.get_xyzt_units()[0], 1.0),
            assumptions=tuple(_list_assumptions(header)),
            affine_44=_read_affine(header),
            dtype=dtype,
            offset=int(header["vox_offset"]),
            slope=1.0 if slope is None else float(slope),
            intercept=0.0 if intercept is None else float(intercept),
        )
        _require_whole(volume)
    return volume


def _read_affine(header: Any) -> NDArray[np.float64] | None:
    """The sform, else the qform; None where neither is stated, or where it has no volume."""
    if not (int(header["sform_code"]) or int(header["qform_code"])):
        return None
    affine_44 = np.asarray(header.get_best_affine(), np.float64)
    sound = np.isfinite(affine_44).all() and abs(np.linalg.det(affine_44[:3, :3])) > 0
    return affine_44 if sound else None


def _list_assumptions(header: Any) -> Iterator[Assumption]:
    """What is assumed where the header states no unit, or two orientations."""
    if header.get_xyzt_units()[0] not in MM:
        yield Assumption("unit", "no unit of length is stated: taken as mm")
    if not (int(header["sform_code"]) and int(header["qform_code"])):
        return
    sform_44, qform_44 = header.get_sform(), header.get_qform()
    sides = np.linalg.norm(sform_44[:3, :3], axis=0)
    last = [max(1, int(size)) - 1 for size in (*header.get_data_shape(), 1, 1)[:3]]
    corners_48 = np.array([(x, y, z, 1) for x, y, z in product(*((0, end) for end in last))]).T
    off_mm = float(np.abs((sform_44 - qform_44) @ corners_48).max())
    if not off_mm <= _FORM_TOLERANCE * float(sides.min()):
        unit = " mm" if header.get_xyzt_units()[0] in ("mm", "unknown") else " of its unit"
        codes = int(header["sform_code"]), int(header["qform_code"])
        yield Assumption(
            "orientation",
            f"sform (code {codes[0]}) and qform (code {codes[1]}) lie up to {off_mm:.4g}{unit} "
            f"apart: the sform is taken",
        )


def _describe_time(header: Any) -> str:
    """The step of the fourth axis, " in steps of 2 sec"; "" where none is stated."""
    unit, zooms = header.get_xyzt_units()[1], header.get_zooms()
    if unit == "unknown" or len(zooms) < 4 or not zooms[3] > 0:
        return ""
    return f" in steps of {zooms[3]:g} {unit}"


def read_header(path: Path) -> Any:
    """The header of NIfTI-1 or 2; extensions are not read, as they may declare any size.

    Raises:
        DataError: The file is not a NIfTI volume.
        MissingDependencyError: nibabel is not installed.
    """
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


def _shape(path: Path, header: Any) -> tuple[int, int, int, int]:
    """The lengths of three axes, and of a fourth one; 1 for an axis that is not there."""
    shape = [int(size) for size in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) == 5 and shape[3] == 1:  # vectors lie on the fifth axis, by the standard
        del shape[3]
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        raise DataError(
            f"{path}: has the shape {tuple(shape)}, expected three axes, or four of which the "
            f"last are channels; save each time as a volume of its own"
        )
    rows, columns, slices, channels = (*shape, 1, 1)[:4]
    return rows, columns, slices, channels


def _require_whole(volume: Volume) -> None:
    declared = volume.num_bytes
    size = volume.path.stat().st_size
    most = size * _GZIP_RATIO if volume.is_packed else size
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
