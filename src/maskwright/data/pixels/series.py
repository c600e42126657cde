"""The slices of a DICOM series as one volume: its files in order, its place, its values.

A series is the files of one SeriesInstanceUID that state where they lie in the patient. Slices
are ordered by their position along the normal of ImageOrientationPatient, never by the name of
the file or InstanceNumber: from feet to head, from back to front, from left to right. Rows and
columns stay as they are stored, which is as viewers show them. What is not one volume is
refused: images at one position, missing slices, several orientations or sizes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...pages.text import format_count, list_names
from ..georef.patient import (
    PatientFrame,
    SlicePlane,
    are_even,
    frame_slices,
    measure_steps,
    order_planes,
)
from ..georef.slicing import NOT_ON_A_LINE, describe_gaps, find_twins, number_orientations
from .dicom import Frames, find_value_type, open_frames
from .dicom_head import DicomHead, read_head
from .imagefile import Assumption
from .imageref import ImageRef, Series

_MOST_OF_SCOUT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """What the files of a series state together; each slice is rescaled by its own slope."""

    slices: tuple[Frames, ...]
    frame: PatientFrame | None
    spacing_mm_DHW: tuple[float, float, float] | None
    value_type: np.dtype[Any]
    assumptions: tuple[Assumption, ...] = ()

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        return self.slices[0].size_HW

    @property
    def num_pages(self) -> int:
        """How many slices there are."""
        return len(self.slices)

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """Height and width of a pixel in mm; None where it is not stated."""
        return self.slices[0].spacing_mm_HW

    @property
    def modality(self) -> str:
        """DICOM's code of the modality."""
        return self.slices[0].modality

    def find_padding(self, index: int) -> tuple[float, float] | None:
        """The values of pixels without data of one slice."""
        return self.slices[index].find_padding(0)

    def read(self, index: int, *, inverted: bool) -> NDArray[Any]:
        """Read one slice; all slices have one type, fractions where any of them has.

        Raises:
            DataError: Damaged, or packed in a way that needs a package.
        """
        values = self.slices[index].read(0, inverted=inverted)
        return values.astype(self.value_type, copy=False)


@dataclass(frozen=True, slots=True)
class SliceReference:
    """How other DICOM objects name an image, and where it lies.

    `frame` is its number in the file, from 1; None where the file holds one image. `instance`
    is the SOPInstanceUID, `series` the SeriesInstanceUID.
    """

    file: Path
    instance: str
    series: str
    frame: int | None
    plane: SlicePlane | None
    spacing_mm_HW: tuple[float, float] | None
    size_HW: tuple[int, int]


def find_reference(image: ImageRef) -> SliceReference | None:
    """How other DICOM objects name an image; None of an image that is not DICOM.

    All slices of its volume are `image.with_page(k)`.

    Raises:
        DataError: The file is damaged or of a kind that is not read.
    """
    if read_head(image.file) is None:
        return None
    frames = open_frames(image.file)
    several = frames.num_pages > 1
    index = frames.order[image.page or 0] if several else 0
    return SliceReference(
        file=image.file,
        instance=frames.instance,
        series=frames.series,
        frame=index + 1 if several else None,
        plane=frames.planes[index] if frames.planes else None,
        spacing_mm_HW=frames.spacing_mm_HW,
        size_HW=frames.size_HW,
    )


def open_series(series: Series) -> SeriesHeader:
    """Read the headers of all slices; kept until the first file changes.

    Raises:
        DataError: A file is damaged or of a kind that is not read.
    """
    status = series.files[0].stat()
    return _open_unchanged(series.files, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1 << 10)
def _open_unchanged(files: tuple[Path, ...], size: int, mtime_ns: int) -> SeriesHeader:  # noqa: ARG001 - cache keys
    slices = tuple(map(open_frames, files))
    planes = [plane for one in slices for plane in one.planes]
    spacing = slices[0].spacing_mm_HW
    known = spacing is not None and len(planes) == len(slices)
    frame = spacing_DHW = None
    if known and spacing is not None:
        frame = frame_slices(planes, spacing, slices[0].depth_mm or 1.0)
        spacing_DHW = (float(measure_steps(planes).mean()), *spacing)
    return SeriesHeader(
        slices=slices,
        frame=frame,
        spacing_mm_DHW=spacing_DHW,
        value_type=find_value_type(slices),
    )


def group_series(heads: Iterable[DicomHead]) -> list[list[DicomHead]]:
    """The files of each series of several slices, in the order of the first file.

    Files without a place in the patient are images of their own, as photographs of a series
    are, unless others of their series have one. Localizers belong to no series.
    """
    by_series: dict[str, list[DicomHead]] = defaultdict(list)
    for head in heads:
        if head.kind == "image" and head.series and head.num_frames == 1:
            by_series[head.series].append(head)
    groups = [[h for h in group if not h.is_localizer] for group in by_series.values()]
    return [group for group in groups if sum(head.plane is not None for head in group) > 1]


def is_scout(heads: Iterable[DicomHead]) -> bool:
    """Whether a series is a localizer by its planes: several, with up to three slices each."""
    planes = [head.plane for head in heads if head.plane is not None]
    counts = Counter(number_orientations(planes))
    return len(counts) > 1 and max(counts.values()) <= _MOST_OF_SCOUT


def order_slices(heads: Sequence[DicomHead]) -> list[DicomHead]:
    """The files of a series by their position along the normal of the slices."""
    planes = [head.plane for head in heads if head.plane is not None]
    return [heads[index] for index in order_planes(planes)]


def describe_fault(heads: Sequence[DicomHead]) -> str:
    """Why the files of a series are not one volume, and the fix; "" where they are.

    "2 files lie at one position, a.dcm and b.dcm (1 of 40 positions); keep one of them"
    """
    places = [head.plane for head in heads if head.plane is not None]
    if len(places) < len(heads):
        bare = [head.path.name for head in heads if head.plane is None]
        return (
            f"{format_count(len(bare), 'file')} of {len(heads)} without a position in the "
            f"patient ({list_names(bare)}); move them out of the folder"
        )
    numbers = number_orientations(places)
    for what, kinds in (
        ("orientations", _count_by(heads, [f"orientation {n}" for n in numbers])),
        ("sizes", _count_by(heads, [f"{h.size_HW[0]} x {h.size_HW[1]} px" for h in heads])),
        ("kinds of pixels", _count_by(heads, [head.colors for head in heads])),
    ):
        if len(kinds) > 1:
            return (
                f"{len(kinds)} {what}: {'; '.join(kinds)}; keep those of one, and give the "
                f"others a series or a folder of their own"
            )
    ordered = order_slices(heads)
    return _describe_twins(ordered) or _describe_gaps(ordered)


def _count_by(heads: Sequence[DicomHead], values: Sequence[str]) -> list[str]:
    """The values, each with its number of files and the first of them; the most first."""
    names = {value: heads[values.index(value)].path.name for value in values}
    return [
        f"{value} in {format_count(count, 'file')} such as {names[value]}"
        for value, count in Counter(values).most_common()
    ]


def _describe_twins(ordered: Sequence[DicomHead]) -> str:
    """Files at one position: two copies, or echoes, times and directions of one series."""
    same = find_twins([head.plane for head in ordered if head.plane is not None])
    if not same:
        return ""
    one, other = ordered[same[0]], ordered[same[0] + 1]
    differ = [name for name, value in one.marks if dict(other.marks)[name] != value]
    copies = one.instance and one.instance == other.instance
    if copies:
        fix = "they are copies of one image: keep one of them"
    elif differ:
        fix = f"they differ in {list_names(differ)}: give each value of it a series of its own"
    else:
        fix = "keep one file of each position"
    names = f"{one.path.name} and {other.path.name}"
    at = format_count(len(same), "file")
    return f"{at} at the position of another, the first {names}; {fix}"


def _describe_gaps(ordered: Sequence[DicomHead]) -> str:
    """Missing slices, or slices that are not on one line."""
    planes = [head.plane for head in ordered if head.plane is not None]
    if are_even(planes):
        return ""
    if gaps := describe_gaps(planes, [head.path.name for head in ordered]):
        return f"{gaps}; copy the missing files, or resample the series to equal distances"
    return f"{NOT_ON_A_LINE}; export the series again"
