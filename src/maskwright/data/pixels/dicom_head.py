"""The few tags of a DICOM file by which files are sorted before one is opened as an image.

Heads are kept for as long as a file keeps its size and time: a folder of slices is listed many
times.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...core.errors import DataError
from ...core.files import keep_unchanged, open_file
from ..georef.patient import SlicePlane
from .faults import no_warnings

SUFFIXES = (".dcm", ".dicom")
_MAGIC, _MAGIC_AT = b"DICM", 128
START_BYTES = _MAGIC_AT + len(_MAGIC)
_BARE_SUFFIXES = ("", ".ima")
_MOST_BYTES = 64 << 30

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage; PS3.4, annex B.5."""
_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
_MARKS = (
    *("EchoNumbers", "EchoTime", "TemporalPositionIdentifier", "DiffusionBValue"),
    *("AcquisitionNumber", "TriggerTime", "ImageType"),
)
"""Tags in which images at one position of a series differ."""
_TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns"),
    *("NumberOfFrames", "PhotometricInterpretation", "ImagePositionPatient"),
    *("ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", *_MARKS),
)

_DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, zlib.error),
    *(AttributeError, RuntimeError, AssertionError, struct.error),
)

DicomKind = Literal["image", "segmentation", "structures", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomHead:
    """What a DICOM file is. UIDs are "" where the file has none.

    `plane` is where its one slice lies, None where it is not stated or there are many frames.
    `rescale` is slope and intercept. `marks` are the tags in which images at one position of a
    series differ, as text.
    """

    path: Path
    kind: DicomKind
    instance: str
    series: str
    modality: str
    size_HW: tuple[int, int]
    num_frames: int
    colors: str
    plane: SlicePlane | None
    is_localizer: bool
    rescale: tuple[float, float]
    marks: tuple[tuple[str, str], ...]


def may_be_dicom(name: str) -> bool:
    """Whether a file of this name is DICOM, or may be: by its suffix, or without one.

    Scanners write `IM0001` and the UID of the image, whose suffix are digits.
    """
    suffix = Path(name).suffix.lower()
    return suffix in (*SUFFIXES, *_BARE_SUFFIXES) or suffix[1:].isdecimal()


def is_dicom(start: bytes) -> bool:
    """Whether a file that begins so is DICOM; PS3.10, section 7.1."""
    return start[_MAGIC_AT:START_BYTES] == _MAGIC


def has_dicom_start(file: Path) -> bool:
    """Whether a file holds the signature of DICOM; False where it cannot be read."""
    try:
        with open_file(file, most_bytes=_MOST_BYTES) as content:
            return is_dicom(content.read(START_BYTES))
    except DataError:
        return False


def read_head(file: Path) -> DicomHead | None:
    """Read what a file is; None where it is not DICOM, is damaged, or pydicom is missing.

    What is wrong with it is said when it is opened as an image.
    """
    try:
        return _read(file)
    except OSError:
        return None


@keep_unchanged(1 << 17)
def _read(file: Path) -> DicomHead | None:
    if not has_dicom_start(file):
        return None
    try:
        import pydicom
    except ModuleNotFoundError:
        return None
    try:
        with no_warnings:
            head = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*_TAGS])
            return _to_head(file, head)
    except damage_errors():
        return None


def _to_head(file: Path, head: Any) -> DicomHead:
    meta = head.file_meta.get("MediaStorageSOPClassUID")
    sop_class = str(head.get("SOPClassUID") or meta or "")
    frames = int(head.get("NumberOfFrames") or 1)
    return DicomHead(
        path=file,
        kind=_find_kind(sop_class, head),
        instance=str(head.get("SOPInstanceUID") or ""),
        series=str(head.get("SeriesInstanceUID") or ""),
        modality=str(head.get("Modality") or ""),
        size_HW=(int(head.get("Rows") or 0), int(head.get("Columns") or 0)),
        num_frames=frames,
        colors=str(head.get("PhotometricInterpretation") or ""),
        plane=None if frames > 1 else find_plane(head, head),
        is_localizer="LOCALIZER" in (head.get("ImageType") or ()),
        rescale=(
            float(_one_of(head.get("RescaleSlope"), 1)),
            float(_one_of(head.get("RescaleIntercept"), 0)),
        ),
        marks=tuple((name, str(head.get(name, ""))) for name in _MARKS),
    )


def _find_kind(sop_class: str, head: Any) -> DicomKind:
    if sop_class in _SEGMENTATIONS:
        return "segmentation"
    if sop_class == _STRUCTURES:
        return "structures"
    return "image" if "Rows" in head and "PhotometricInterpretation" in head else "other"


def _one_of(value: Any, default: float) -> Any:
    return default if value is None else value


def damage_errors() -> tuple[type[Exception], ...]:
    """What pydicom raises on damaged files."""
    try:
        from pydicom.errors import BytesLengthException, InvalidDicomError
    except ModuleNotFoundError:
        return _DAMAGED
    return (*_DAMAGED, BytesLengthException, InvalidDicomError)


def find_plane(position: Any, orientation: Any) -> SlicePlane | None:
    """The plane that two data sets state: ImagePositionPatient, ImageOrientationPatient.

    None where a value is missing, or the two directions span no plane.
    """
    point = position.get("ImagePositionPatient") or ()
    directions = orientation.get("ImageOrientationPatient") or ()
    if len(point) != 3 or len(directions) != 6:
        return None
    x, y, z = (float(value) for value in point)
    a, b, c, d, e, f = (float(value) for value in directions)
    plane = SlicePlane((x, y, z), (a, b, c), (d, e, f))
    return plane if plane.is_sound else None
