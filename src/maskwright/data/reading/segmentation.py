"""DICOM Segmentation objects (SEG); DICOM PS3.3, section A.51 and C.8.20.

A binary or fractional file has frames of one segment each, a label map (supplement 243) has
frames whose values are the numbers of segments. A fraction of at least one half belongs to the
segment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, MissingDependencyError
from ...core.files import keep_unchanged
from ..georef.patient import SlicePlane
from ..pixels.bits import read_bits
from ..pixels.dicom_groups import find_planes, find_spacing
from ..pixels.dicom_head import damage_errors
from ..pixels.faults import explain_damage, no_warnings

_FAULT = "the segmentation is cut short, damaged or of a kind that is not read"
_BACKGROUND = 0
"""The number of the background in a label map."""


@dataclass(frozen=True, slots=True)
class SegmentFrame:
    """One frame: its segment (None in a label map), its sources, and where it lies.

    `sources` are SOPInstanceUID and frame number, from 1, of the images that it is made from;
    the number is None for a file of one image.
    """

    segment: int | None
    sources: tuple[tuple[str, int | None], ...]
    plane: SlicePlane | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """The header of a SEG file; `labels` are the names of segments by number.

    `referenced` are the SOPInstanceUIDs of all images that the file names. `most` is the value
    that stands for 1 where frames hold fractions, 0 where they do not.
    """

    path: Path
    size_HW: tuple[int, int]
    labels: Mapping[int, str]
    frames: tuple[SegmentFrame, ...]
    referenced: frozenset[str]
    spacing_mm_HW: tuple[float, float] | None
    most: int
    bits: int

    def read(self, index: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Yield the number of each segment in a frame, and its pixels, H x W.

        Raises:
            DataError: Damaged, or a value that is the number of no segment.
        """
        stored_HW = self._read_stored(index)
        segment = self.frames[index].segment
        if segment is not None:
            inside_HW = stored_HW * 2 >= self.most if self.most else stored_HW > 0
            if inside_HW.any():
                yield segment, inside_HW
            return
        for value in np.unique(stored_HW).tolist():
            if value != _BACKGROUND and value not in self.labels:
                raise DataError(
                    f"{self.path}: frame {index + 1} has the value {value}, which is the "
                    f"number of no segment; export it again"
                )
            if value in self.labels:
                yield value, stored_HW == value

    def _read_stored(self, index: int) -> NDArray[Any]:
        from pydicom.pixels.utils import pixel_array

        with explain_damage(self.path, _FAULT, damage_errors()), no_warnings:
            if self.bits == 1:
                return read_bits(self.path, index, self.size_HW)
            stored: NDArray[Any] = pixel_array(self.path, index=index)
        if stored.shape != self.size_HW:
            raise DataError(
                f"{self.path}: frame {index + 1} is {stored.shape}; export it again"
            )
        return stored.astype(np.uint32)


def open_segmentation(path: Path) -> Segmentation:
    """Read the header of a SEG file; kept until its size or time changes.

    Raises:
        DataError: Damaged, or no segmentation.
        MissingDependencyError: pydicom is not installed.
    """
    with explain_damage(path, _FAULT, damage_errors()), no_warnings:
        return _open(path)


@keep_unchanged(64)
def _open(path: Path) -> Segmentation:
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise MissingDependencyError("pydicom", "medical") from error
    head = pydicom.dcmread(path, stop_before_pixels=True)
    kind = str(head.get("SegmentationType") or "")
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise DataError(
            f"{path}: a segmentation of type {kind!r}, expected BINARY, FRACTIONAL or "
            f"LABELMAP; export it again"
        )
    bits, size_HW = int(head.BitsAllocated), (int(head.Rows), int(head.Columns))
    frames = tuple(_list_frames(head, is_map=kind == "LABELMAP"))
    size = path.stat().st_size
    declared = len(frames) * size_HW[0] * size_HW[1] * bits // 8
    syntax: Any = head.file_meta.TransferSyntaxUID
    if min(size_HW) < 1 or (not syntax.is_compressed and declared > size):
        raise DataError(
            f"{path}: declares {len(frames)} frames of {size_HW[0]} x {size_HW[1]} in a file "
            f"of {size:,} bytes; it is cut short or damaged; copy it again"
        )
    labels = {
        number: str(item.get("SegmentLabel") or "").strip() or f"segment {number}"
        for item in head.SegmentSequence
        if (number := int(item.SegmentNumber)) != _BACKGROUND
    }
    return Segmentation(
        path=path,
        size_HW=size_HW,
        labels=labels,
        frames=frames,
        referenced=frozenset(_list_referenced(head)),
        spacing_mm_HW=find_spacing(head),
        most=int(head.get("MaximumFractionalValue") or 255) if kind == "FRACTIONAL" else 0,
        bits=bits,
    )


def _list_frames(head: Any, *, is_map: bool) -> Iterator[SegmentFrame]:
    groups = head.PerFrameFunctionalGroupsSequence
    planes = find_planes(head) or (None,) * len(groups)
    common = (head.get("SharedFunctionalGroupsSequence") or [{}])[0]
    for group, plane in zip(groups, planes, strict=True):
        segment = None
        if not is_map:
            named = group.get("SegmentIdentificationSequence") or (
                common.get("SegmentIdentificationSequence")
            )
            segment = int(named[0].ReferencedSegmentNumber)
        derivations = group.get("DerivationImageSequence") or (
            common.get("DerivationImageSequence") or ()
        )
        sources = tuple(
            (str(source.ReferencedSOPInstanceUID), _find_number(source))
            for derivation in derivations
            for source in derivation.get("SourceImageSequence") or ()
        )
        yield SegmentFrame(segment, sources, plane)


def _find_number(source: Any) -> int | None:
    """The frame of an enhanced image that is meant, where one is."""
    number = source.get("ReferencedFrameNumber")
    if number is None:
        return None
    return int(number) if isinstance(number, int | str | float) else int(number[0])


def _list_referenced(head: Any) -> Iterator[str]:
    for series in head.get("ReferencedSeriesSequence") or ():
        for item in series.get("ReferencedInstanceSequence") or ():
            yield str(item.ReferencedSOPInstanceUID)
