"""RT Structure Sets (RTSTRUCT): contours of regions of interest; DICOM PS3.3, section C.8.8."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, MissingDependencyError
from ...core.files import keep_unchanged
from ..pixels.dicom_head import damage_errors
from ..pixels.faults import explain_damage, no_warnings

_FAULT = "the structure set is cut short or damaged"
_KINDS = {
    "CLOSED_PLANAR": "",
    "CLOSEDPLANAR_XOR": "",
    "POINT": "points",
    "OPEN_PLANAR": "open contours",
    "OPEN_NONPLANAR": "open contours",
}
"""ContourGeometricType -> what is skipped; closed contours are regions."""


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One contour: its region, its corners (N, 3) in mm, and the image that it is drawn on.

    `skipped` says what it is where it is no region; `instance` is a SOPInstanceUID, "" where
    none is named.
    """

    roi: int
    points_LPS: NDArray[np.float64]
    instance: str
    skipped: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureSet:
    """The contours of a file, and the names of its regions by number.

    `series` are the SeriesInstanceUIDs that it refers to.
    """

    path: Path
    names: dict[int, str]
    contours: tuple[Contour, ...]
    series: frozenset[str]


def open_structures(path: Path) -> StructureSet:
    """Read an RTSTRUCT file; kept until its size or time changes.

    Raises:
        DataError: Damaged, or corners that are not numbers in threes.
        MissingDependencyError: pydicom is not installed.
    """
    with explain_damage(path, _FAULT, damage_errors()), no_warnings:
        return _open(path)


@keep_unchanged(32)
def _open(path: Path) -> StructureSet:
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise MissingDependencyError("pydicom", "medical") from error
    head = pydicom.dcmread(path)
    names = {
        number: str(item.get("ROIName") or "").strip() or f"ROI {number}"
        for item in head.get("StructureSetROISequence") or ()
        for number in [int(item.ROINumber)]
    }
    contours = tuple(
        _to_contour(path, number, item)
        for roi in head.get("ROIContourSequence") or ()
        for number in [int(roi.ReferencedROINumber)]
        for item in roi.get("ContourSequence") or ()
    )
    unnamed = {contour.roi for contour in contours} - names.keys()
    return StructureSet(
        path=path,
        names=names | {number: f"ROI {number}" for number in unnamed},
        contours=contours,
        series=frozenset(_list_series(head)),
    )


def _to_contour(path: Path, roi: int, item: Any) -> Contour:
    numbers: NDArray[np.float64] = np.array(
        [float(number) for number in item.get("ContourData") or ()], np.float64
    )
    if numbers.size % 3 or not np.isfinite(numbers).all():
        raise DataError(
            f"{path}: a contour of ROI {roi} has {numbers.size} coordinates, expected x, y and "
            f"z of each corner; export it again"
        )
    images: Any = item.get("ContourImageSequence") or ()
    kind = str(item.get("ContourGeometricType") or "")
    return Contour(
        roi=roi,
        points_LPS=np.reshape(numbers, (-1, 3)),  # (N * 3,) -> (N, 3)
        instance=str(images[0].ReferencedSOPInstanceUID) if len(images) == 1 else "",
        skipped=_KINDS.get(kind, "contours of another type"),
    )


def _list_series(head: Any) -> Iterator[str]:
    for frame in head.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            for series in study.get("RTReferencedSeriesSequence") or ():
                yield str(series.SeriesInstanceUID)
