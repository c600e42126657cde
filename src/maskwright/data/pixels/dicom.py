"""Frames of DICOM images, one in memory at a time; DICOM PS3.3, section C.7.6.

* Values are those of the modality: stored values by rescale slope and intercept. Windows are
  a matter of display and not applied.
* MONOCHROME1, where low values are white, is inverted within the range of its bits, so that an
  image is what a viewer shows. A mask keeps its stored values (`inverted=False`).
* Colours are read as RGB, from YBR too; PALETTE COLOR is refused.
* Spacing is PixelSpacing. That of the detector (ImagerPixelSpacing) is larger than the body's
  and not taken.
"""

import logging
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConfigError, DataError, MissingDependencyError, nearest
from ..georef.patient import PatientFrame
from .faults import explain_damage

_DEFLATED = "1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
_RLE_RATIO = 64
"""PackBits, PS3.5 annex G: two bytes give 128 at most."""

_KINDS = ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_TAGS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation", "PixelSpacing"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("Modality", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_FAULT = "the DICOM file is cut short, damaged or of a kind that is not read"
_DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, zlib.error),
    *(AttributeError, RuntimeError, AssertionError, struct.error),
)

logging.getLogger("pydicom").addHandler(logging.NullHandler())  # our errors quote its messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The header of a DICOM image, checked against the size of the file."""

    path: Path
    size_HW: tuple[int, int]
    num_pages: int
    samples: int
    kind: str
    bits: int
    stores_signed: bool
    slope: float
    intercept: float
    spacing_mm_HW: tuple[float, float] | None
    modality: str = ""
    padding_stored: tuple[int, int] | None = None

    @property
    def padding(self) -> tuple[float, float] | None:
        """The least and the largest value of pixels without data, rescaled; PS3.3, C.7.5.1."""
        if self.padding_stored is None:
            return None
        ends = [self.slope * value + self.intercept for value in self.padding_stored]
        return min(ends), max(ends)

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """None: the frames of a file need not be the slices of a volume."""
        return None

    @property
    def frame(self) -> PatientFrame | None:
        """None: the position of frames in the patient is not read."""
        return None

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value that the bits can hold, rescaled."""
        low = -(2.0 ** (self.bits - 1)) if self.stores_signed else 0.0
        ends = [self.slope * v + self.intercept for v in (low, low + 2.0**self.bits - 1)]
        return min(ends), max(ends)

    @property
    def is_signed(self) -> bool:
        """Whether values below 0 are possible: by the header alone, equal for all frames."""
        return self.range[0] < 0

    def read(self, index: int, *, inverted: bool) -> NDArray[Any]:
        """Read one frame: H x W, or H x W x 3; int64 where values may be below 0.

        Fractions are float64.

        Raises:
            DataError: Damaged, no such frame, or packed in a way that needs a package.
        """
        from pydicom.pixels.utils import pixel_array

        if not 0 <= index < self.num_pages:
            raise DataError(f"{self.path}: has {self.num_pages} frames, no frame {index}")
        with explain_damage(self.path, _FAULT, damage_errors()):
            stored: NDArray[Any] = pixel_array(self.path, index=index)
        if stored.shape[:2] != self.size_HW or stored.dtype.kind not in "iu":
            raise DataError(f"{self.path}: frame {index} is {stored.shape} {stored.dtype}")
        values = stored
        if (self.slope, self.intercept) != (1, 0):
            values = stored * np.float64(self.slope) + np.float64(self.intercept)
        if inverted and self.kind == "MONOCHROME1":
            values = sum(self.range) - values.astype(np.float64)
        if not (self.slope.is_integer() and self.intercept.is_integer()):
            return values
        if self.is_signed or self.range[1] > 65_535:
            return values.astype(np.int64)
        return values.astype(np.uint8 if self.range[1] <= 255 else np.uint16)


def open_frames(path: Path) -> Frames:
    """Read the header of a DICOM file.

    Raises:
        DataError: Damaged, without an image, or of a kind that is not read.
        MissingDependencyError: pydicom is not installed.
    """
    with explain_damage(path, _FAULT, damage_errors()):
        syntax, head = _read_head(path)
        frames = Frames(
            path=path,
            size_HW=(int(head.Rows), int(head.Columns)),
            num_pages=int(head.get("NumberOfFrames") or 1),
            samples=int(head.get("SamplesPerPixel", 1)),
            kind=str(head.PhotometricInterpretation),
            bits=int(head.get("BitsStored") or head.BitsAllocated),
            stores_signed=bool(head.get("PixelRepresentation", 0)),
            slope=_rescale(path, head, "RescaleSlope", 1.0),
            intercept=_rescale(path, head, "RescaleIntercept", 0.0),
            spacing_mm_HW=_spacing(head),
            padding_stored=_find_padding(head),
            modality=str(head.get("Modality") or ""),
        )
        _require_read(frames, head)
        _require_whole(frames, head, syntax)
    return frames


def _read_head(path: Path) -> tuple[Any, Any]:
    """Transfer syntax and data set up to the pixels; nothing deflated is unpacked."""
    try:
        import pydicom
        from pydicom.filereader import read_file_meta_info
    except ModuleNotFoundError as error:
        raise MissingDependencyError("pydicom", "medical") from error
    syntax: Any = read_file_meta_info(path).get("TransferSyntaxUID")
    if syntax is None or syntax == _DEFLATED:
        fault = "no transfer syntax" if syntax is None else "a deflated data set"
        raise DataError(f"{path}: has {fault}; save it as Explicit VR Little Endian")
    head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
    if "Rows" not in head or "PhotometricInterpretation" not in head:
        raise DataError(f"{path}: a DICOM file without an image; remove it from the images")
    return syntax, head


def _find_padding(head: Any) -> tuple[int, int] | None:
    """The stored values that fill what was not measured, from one end to the other."""
    value = head.get("PixelPaddingValue")
    if value is None:
        return None
    other = head.get("PixelPaddingRangeLimit")
    ends = sorted((int(value), int(value if other is None else other)))
    return ends[0], ends[1]


def _group_values(head: Any, sequence: str, name: str) -> list[Any]:
    """The distinct values in the functional groups of an enhanced image."""
    values: list[Any] = []
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in head.get(groups) or ():
            for item in group.get(sequence) or ():
                value = item.get(name)
                if value is not None and value not in values:
                    values.append(value)
    return values


def _rescale(path: Path, head: Any, name: str, default: float) -> float:
    values = _group_values(head, "PixelValueTransformationSequence", name)
    if len(values) > 1:
        raise DataError(
            f"{path}: its frames are rescaled in {len(values)} ways ({name}); "
            f"save each frame as a file of its own"
        )
    value = values[0] if values else head.get(name)
    return default if value is None else float(value)


def _spacing(head: Any) -> tuple[float, float] | None:
    values = _group_values(head, "PixelMeasuresSequence", "PixelSpacing")
    stated = head.get("PixelSpacing") if not values else None
    sides = values[0] if len(values) == 1 else stated
    if not sides or len(sides) != 2:
        return None
    height, width = (float(side) for side in sides)
    return (height, width) if 0 < height < 1e6 and 0 < width < 1e6 else None


def _require_read(frames: Frames, head: Any) -> None:
    path = frames.path
    if frames.kind not in _KINDS or frames.samples not in (1, 3):
        raise DataError(
            f"{path}: {frames.kind} of {frames.samples} samples per pixel is not read; "
            f"save it as MONOCHROME2 or RGB"
        )
    allocated = int(head.BitsAllocated)
    if allocated not in (1, 8, 16) or not 1 <= frames.bits <= allocated:
        raise DataError(
            f"{path}: {frames.bits} of {allocated} bits per value, expected 1, 8 or 16; "
            f"save it with 16 bits"
        )
    rescale = (frames.slope, frames.intercept)
    if not all(map(math.isfinite, rescale)) or frames.slope == 0:
        raise DataError(
            f"{path}: rescale slope {frames.slope:g}, intercept {frames.intercept:g}, expected "
            f"numbers and a slope other than 0; correct the header"
        )
    if head.get("ModalityLUTSequence"):
        raise DataError(
            f"{path}: its values go through a look-up table (ModalityLUTSequence), which is "
            f"not read; save the values of the table"
        )


def _require_whole(frames: Frames, head: Any, syntax: Any) -> None:
    """Refuse what cannot be decoded, or declares more than its file can hold."""
    from pydicom.pixels.decoders.base import get_decoder

    path, size = frames.path, frames.path.stat().st_size
    height, width = frames.size_HW
    samples = 2 if frames.kind == "YBR_FULL_422" else frames.samples  # of four, two are shared
    values = height * width * samples * frames.num_pages
    declared = values * int(head.BitsAllocated) // 8
    most = size * _RLE_RATIO if syntax == _RLE else size
    bounded = syntax == _RLE or not syntax.is_compressed
    if min(height, width, frames.num_pages) < 1 or (bounded and declared > most):
        raise DataError(
            f"{path}: declares {frames.num_pages} frames of {height} x {width}, "
            f"{declared:,} bytes, in a file of {size:,}; it is cut short or damaged; "
            f"copy it again or remove it"
        )
    if not get_decoder(syntax).is_available:
        raise DataError(
            f"{path}: packed as {syntax.name}, which needs another package; run: pip install "
            f"pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg, or save it uncompressed"
        )


def damage_errors() -> tuple[type[Exception], ...]:
    """What pydicom raises for damaged files."""
    try:
        from pydicom.errors import BytesLengthException, InvalidDicomError
    except ModuleNotFoundError:
        return _DAMAGED
    return (*_DAMAGED, BytesLengthException, InvalidDicomError)


def require_keyword(keyword: str) -> None:
    """Require the keyword of a tag, such as PatientID.

    Raises:
        ConfigError: There is no such tag; the nearest one is named.
        MissingDependencyError: pydicom is not installed.
    """
    try:
        from pydicom.datadict import keyword_dict
    except ModuleNotFoundError as error:
        raise MissingDependencyError("pydicom", "medical") from error
    if keyword not in keyword_dict:
        raise ConfigError(
            f"no tag of DICOM is called {keyword!r}{nearest(keyword, keyword_dict)}"
        )


def read_tag(path: Path, keyword: str) -> str | None:
    """Read the text of one tag; None where the file is not DICOM or lacks it.

    What the tag holds is in no message: it may name a patient.
    """
    import pydicom

    try:
        head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[keyword])
        value = head.get(keyword)
    except damage_errors():
        return None
    return None if value is None else str(value)
