"""Frames of DICOM images, one in memory at a time; DICOM PS3.3, section C.7.6.

* Values are those of the modality: stored values by rescale slope and intercept, which frames
  of one file may each have for themselves (Philips MR). Windows are a matter of display and not
  applied. Float Pixel Data are read as they are.
* All frames give one type of values: floats where a slope of any of them has a fraction.
* MONOCHROME1, where low values are white, is inverted within the range of its bits, so that an
  image is what a viewer shows. A mask keeps its stored values (`inverted=False`).
* Colours are read as RGB, from YBR too; PALETTE COLOR is refused.
* Spacing is PixelSpacing. That of the detector (ImagerPixelSpacing) is larger than the body's
  and not taken.
* Frames are slices of a volume where they are parallel, on one line and at equal distances.
  Their order is that of the file where it runs along the line, else by position.
"""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConfigError, DataError, MissingDependencyError, nearest
from ...core.files import keep_unchanged
from ..georef.patient import (
    PatientFrame,
    SlicePlane,
    are_even,
    frame_slices,
    measure_steps,
    order_planes,
)
from ..georef.slicing import describe_frames
from .bits import read_bits
from .dicom_groups import (
    find_depth,
    find_padding,
    find_planes,
    find_rescales,
    find_spacing,
)
from .dicom_head import damage_errors
from .faults import explain_damage
from .imagefile import Assumption

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
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SOPInstanceUID"),
    "SeriesInstanceUID",
)
_FAULT = "the DICOM file is cut short, damaged or of a kind that is not read"
_PACKAGES = {
    "JPEG-LS": "pyjpegls",
    "JPEG 2000": "pylibjpeg pylibjpeg-openjpeg",
    "High-Throughput": "pylibjpeg pylibjpeg-openjpeg",
    "JPEG": "pylibjpeg pylibjpeg-libjpeg",
}
"""The start of the name of a transfer syntax -> the packages that unpack it."""
_EXTENDED_JPEG = "1.2.840.10008.1.2.4.51"
_FLOATS = {32: "float32", 64: "float64"}

logging.getLogger("pydicom").addHandler(logging.NullHandler())  # our errors quote its messages


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The header of a DICOM image, checked against the size of the file.

    `rescales` are slope and intercept of each frame, or one for all of them. `planes` are the
    planes of the frames in the order of the file; none where one of them is not stated.
    `float_type` is the type of Float Pixel Data, "" of integers; with `is_packed`, a byte holds
    eight pixels. `instance` and `series` are UIDs.
    """

    path: Path
    size_HW: tuple[int, int]
    num_pages: int
    samples: int
    kind: str
    bits: int
    stores_signed: bool
    rescales: tuple[tuple[float, float], ...]
    spacing_mm_HW: tuple[float, float] | None
    modality: str = ""
    padding_stored: tuple[int, int] | None = None
    planes: tuple[SlicePlane, ...] = field(default=(), repr=False)
    depth_mm: float | None = None
    float_type: str = ""
    is_packed: bool = False
    instance: str = ""
    series: str = ""

    def rescale_of(self, index: int) -> tuple[float, float]:
        """Slope and intercept of a page."""
        return self.rescales[self.order[index] if len(self.rescales) > 1 else 0]

    def find_padding(self, index: int) -> tuple[float, float] | None:
        """The least and the largest value of pixels without data, rescaled; PS3.3, C.7.5.1."""
        if self.padding_stored is None:
            return None
        slope, intercept = self.rescale_of(index)
        ends = [slope * value + intercept for value in self.padding_stored]
        return min(ends), max(ends)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The index in the file of each page."""
        stored = tuple(range(self.num_pages))
        if self.num_pages < 2 or not self._are_parallel or are_even(self.planes):
            return stored
        ordered = tuple(order_planes(self.planes))
        return ordered if are_even([self.planes[index] for index in ordered]) else stored

    @cached_property
    def _are_parallel(self) -> bool:
        planes = self.planes
        return bool(planes) and all(plane.is_parallel(planes[0]) for plane in planes)

    @cached_property
    def frame(self) -> PatientFrame | None:
        """Where the frames lie in the patient; None where they are not slices of a volume."""
        planes = [self.planes[index] for index in self.order] if self._are_parallel else []
        if not planes or self.spacing_mm_HW is None:
            return None
        if len(planes) > 1 and not are_even(planes):
            return None
        return frame_slices(planes, self.spacing_mm_HW, self.depth_mm or 1.0)

    @cached_property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Frames that state where they lie and are not one volume are images of their own."""
        if self.num_pages < 2 or not self.planes or self.spacing_mm_HW is None:
            return ()
        fault = describe_frames(self.planes)
        return (Assumption("frames", f"{fault}: no volume"),) if fault else ()

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """Distance of slices, height and width of a pixel in mm; None of a lone slice."""
        if self.frame is None or self.spacing_mm_HW is None or self.num_pages < 2:
            return None
        steps = measure_steps([self.planes[index] for index in self.order])
        return float(np.abs(steps).mean()), *self.spacing_mm_HW

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value that the bits can hold, rescaled."""
        ends = [end for rescale in self.rescales for end in self._find_range(rescale)]
        return min(ends), max(ends)

    def _find_range(self, rescale: tuple[float, float]) -> tuple[float, float]:
        slope, intercept = rescale
        low = -(2.0 ** (self.bits - 1)) if self.stores_signed else 0.0
        ends = [slope * v + intercept for v in (low, low + 2.0**self.bits - 1)]
        return min(ends), max(ends)

    @property
    def has_fractions(self) -> bool:
        """Whether values may be fractions: by the header alone, equal for all frames."""
        numbers = [number for rescale in self.rescales for number in rescale]
        return bool(self.float_type) or not all(number.is_integer() for number in numbers)

    def read(self, index: int, *, inverted: bool) -> NDArray[Any]:
        """Read one page: H x W, or H x W x 3, of the type that `find_value_type` gives.

        Raises:
            DataError: Damaged, no such frame, or packed in a way that needs a package.
        """
        from pydicom.pixels.utils import pixel_array

        if not 0 <= index < self.num_pages:
            raise DataError(f"{self.path}: has {self.num_pages} frames, no frame {index}")
        with explain_damage(self.path, _FAULT, damage_errors()):
            place = self.order[index]
            stored: NDArray[Any] = (
                read_bits(self.path, place, self.size_HW)
                if self.is_packed
                else pixel_array(self.path, index=place)
            )
        if stored.shape[:2] != self.size_HW or stored.dtype.kind not in "iuf":
            raise DataError(f"{self.path}: frame {index} is {stored.shape} {stored.dtype}")
        slope, intercept = rescale = self.rescale_of(index)
        values = stored
        if rescale != (1, 0):
            values = stored * np.float64(slope) + np.float64(intercept)
        if inverted and self.kind == "MONOCHROME1":
            values = sum(self._find_range(rescale)) - values.astype(np.float64)
        return values.astype(find_value_type([self]), copy=False)


def find_value_type(images: Iterable[Frames]) -> np.dtype[Any]:
    """The type of the values of all frames of some images, which are read alike.

    float64 where there are fractions, else int64 where values may be below 0 or need more than
    16 bits, else uint16, or uint8 where that holds them.
    """
    images = list(images)
    low = min(image.range[0] for image in images)
    high = max(image.range[1] for image in images)
    if any(image.has_fractions for image in images):
        return np.dtype(np.float64)
    if low < 0 or high > 65_535:
        return np.dtype(np.int64)
    return np.dtype(np.uint8 if high <= 255 else np.uint16)


def open_frames(path: Path) -> Frames:
    """Read the header of a DICOM file; kept until its size or time changes.

    Raises:
        DataError: Damaged, without an image, or of a kind that is not read.
        MissingDependencyError: pydicom is not installed.
    """
    with explain_damage(path, _FAULT, damage_errors()):
        return _open(path)


@keep_unchanged(1 << 14)
def _open(path: Path) -> Frames:
    syntax, head = _read_head(path)
    frames = Frames(
        path=path,
        size_HW=(int(head.Rows), int(head.Columns)),
        num_pages=int(head.get("NumberOfFrames") or 1),
        samples=int(head.get("SamplesPerPixel", 1)),
        kind=str(head.PhotometricInterpretation),
        bits=int(head.get("BitsStored") or head.BitsAllocated),
        stores_signed=bool(head.get("PixelRepresentation", 0)),
        rescales=find_rescales(head),
        spacing_mm_HW=find_spacing(head),
        padding_stored=find_padding(head),
        modality=str(head.get("Modality") or ""),
        planes=find_planes(head),
        depth_mm=find_depth(head),
        float_type="" if "BitsStored" in head else _FLOATS.get(int(head.BitsAllocated), ""),
        is_packed=int(head.BitsAllocated) == 1,
        instance=str(head.get("SOPInstanceUID") or ""),
        series=str(head.get("SeriesInstanceUID") or ""),
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


def _require_read(frames: Frames, head: Any) -> None:
    path = frames.path
    if frames.kind not in _KINDS or frames.samples not in (1, 3):
        raise DataError(
            f"{path}: {frames.kind} of {frames.samples} samples per pixel is not read; "
            f"save it as MONOCHROME2 or RGB"
        )
    allocated = int(head.BitsAllocated)
    if not frames.float_type and (
        allocated not in (1, 8, 16) or not 1 <= frames.bits <= allocated
    ):
        raise DataError(
            f"{path}: {frames.bits} of {allocated} bits per value, expected 1, 8 or 16; "
            f"save it with 16 bits"
        )
    for slope, intercept in frames.rescales:
        if not all(map(math.isfinite, (slope, intercept))) or slope == 0:
            raise DataError(
                f"{path}: rescale slope {slope:g}, intercept {intercept:g}, expected "
                f"numbers and a slope other than 0; correct the header"
            )
    if len(frames.rescales) not in (1, frames.num_pages):
        raise DataError(
            f"{path}: states rescale slopes of {len(frames.rescales)} frames and has "
            f"{frames.num_pages}; export it again"
        )
    if head.get("ModalityLUTSequence"):
        raise DataError(
            f"{path}: its values go through a look-up table (ModalityLUTSequence), which is "
            f"not read; save the values of the table"
        )


def _require_whole(frames: Frames, head: Any, syntax: Any) -> None:
    """Refuse what cannot be decoded, or declares more than its file can hold."""
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
    _require_decoder(frames, syntax)


def _require_decoder(frames: Frames, syntax: Any) -> None:
    """Require a package that unpacks the image; Pillow unpacks JPEG of 8 bits alone."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        available = get_decoder(syntax).available_plugins
    except NotImplementedError as error:
        raise DataError(
            f"{frames.path}: packed as {syntax.name}, which is not read; save its frames "
            f"uncompressed"
        ) from error
    if not syntax.is_encapsulated:
        return
    too_wide = syntax == _EXTENDED_JPEG and frames.bits > 8
    if set(available) - ({"pillow"} if too_wide else set()):
        return
    named = (names for start, names in _PACKAGES.items() if syntax.name.startswith(start))
    packages = next(named, "pylibjpeg")
    bits = f" of {frames.bits} bits" if too_wide else ""
    raise DataError(
        f"{frames.path}: packed as {syntax.name}{bits}, which needs another package; run: pip "
        f"install {packages}, or save it uncompressed"
    )


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
