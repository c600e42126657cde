"""What NIfTI and DICOM share: pages of one volume, and values in the unit of the modality."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.image import PixelData
from ..georef.patient import PatientFrame
from .faults import MAX_PIXELS, explain_faults, no_warnings, several_images, too_large
from .imagefile import Assumption, ImageFile, ImageKind, Window, read_kind, to_image
from .imageref import ImageRef
from .validity import mark_valid

_KIND_OF_FILE: dict[tuple[Path, int, int], ImageKind] = {}
"""Kinds by file, size and time of change: a volume may hold thousands of pages."""

ReadPage = Callable[[int], NDArray[Any]]
"""Page index, from 0 -> H x W or H x W x C values; a signed type where they may be below 0, by
the header alone, and floats where they are fractions."""


class Header(Protocol):
    """What a medical file states about its pages."""

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of a page."""

    @property
    def num_pages(self) -> int:
        """How many pages there are."""

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """Height and width of a pixel in mm; None where it is not stated."""

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """Distance of pages, height and width of a pixel in mm; None where it is not stated."""

    @property
    def frame(self) -> PatientFrame | None:
        """Where the pages lie in the patient, None where it is not known."""

    @property
    def modality(self) -> str:
        """DICOM's code of the modality; "" where it is not stated."""

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What is assumed of unit, orientation and frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicalImage(ImageFile):
    """An image of which the header is read; `read_shown` inverts MONOCHROME1, others do not.

    Values within `padding`, as `read_values` gives them, are pixels without data.
    """

    ref: ImageRef
    header: Header
    read_shown: ReadPage
    read_values: ReadPage
    padding: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        height, width = self.header.size_HW
        if height * width > MAX_PIXELS:
            raise too_large(ImageRef(self.ref.file), height * width)

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of a page."""
        return self.header.size_HW

    @property
    def num_pages(self) -> int:
        """How many slices or frames the file holds."""
        return self.header.num_pages

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """Height and width of a pixel in mm; None where the header does not state them."""
        return self.header.spacing_mm_HW

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """Distance of slices, height and width of a pixel in mm."""
        return self.header.spacing_mm_DHW

    @property
    def patient_frame(self) -> PatientFrame | None:
        """Where the slices of the file lie in the patient."""
        return self.header.frame

    @property
    def modality(self) -> str:
        """DICOM's code of the modality; "" where the header does not state it."""
        return self.header.modality

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Those of the header."""
        return self.header.assumptions

    @property
    def kind(self) -> ImageKind:
        """That of the first page: all pages of a volume have one type."""
        file = self.ref.file if self.ref.series is None else self.ref.series.files[0]
        status = file.stat()
        version = (file, status.st_size, status.st_mtime_ns)
        if version not in _KIND_OF_FILE:
            _KIND_OF_FILE[version] = read_kind(self)
        return _KIND_OF_FILE[version]

    @property
    def may_lack_data(self) -> bool:
        """Whether the header declares a value of padding."""
        return self.padding is not None

    def read_data(self, window: Window | None = None) -> PixelData:
        """As values are shown; float32 where they may be below 0 or are fractions.

        Pixels of padding, and values that are not finite, hold no data.
        """
        image_HWC = to_image(self._read(self.read_shown), self.ref, window)
        if self.padding is None:
            return mark_valid(image_HWC)
        low, high = self.padding
        values = image_HWC
        if self.read_values is not self.read_shown:
            values = to_image(self._read(self.read_values), self.ref, window)
        measured_HW = np.asarray(((values < low) | (values > high)).any(axis=2))
        return mark_valid(image_HWC, mask_HW=measured_HW)

    def read_stored(self) -> NDArray[Any]:
        """Values of the modality, H x W or H x W x C."""
        return self._read(self.read_values)

    def _read(self, read_page: ReadPage) -> NDArray[Any]:
        if self.ref.page is None and self.num_pages > 1:
            raise several_images(self.ref, self.num_pages)
        with explain_faults(self.ref), no_warnings:
            return read_page(self.ref.page or 0)
