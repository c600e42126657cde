"""A slice of a volume with its neighbours as channels: a network of 2.5 dimensions.

    num_slices 3:   channels are slice k - 1, slice k, slice k + 1

Slices are in the order of the pages of the file: for volumes that is the frame of the body
(from feet to head, from back to front, from left to right), however they are stored. The
channels of one slice stay side by side. At both ends of a volume the last slice is repeated,
and where a neighbour holds no data, the slice itself is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.image import PixelData
from ..georef.geotags import Tag
from ..georef.patient import PatientFrame
from ..georef.placement import Placement
from .imagefile import Assumption, ImageFile, ImageKind, Window
from .imageref import ImageRef


@dataclass(frozen=True)
class SliceStack(ImageFile):
    """A page of a file and its neighbours, `ref.num_slices` in all; it lies as the page does.

    Raises DataError where the image is not a page of a file.
    """

    ref: ImageRef
    open_page: Callable[[ImageRef], ImageFile]

    def __post_init__(self) -> None:
        if self.ref.page is None:
            raise DataError(
                f"{self.ref}: is a single image, and each slice is read with its neighbours "
                f"(input.slices is {self.ref.num_slices}); give the volume it is a slice of"
            )

    @cached_property
    def _middle(self) -> ImageFile:
        return self.open_page(replace(self.ref, num_slices=1))

    def _list_pages(self) -> list[int]:
        """The pages of the channels; the first and the last of the file are repeated."""
        half, last = self.ref.num_slices // 2, self.num_pages - 1
        page = self.ref.page or 0
        return [min(max(0, index), last) for index in range(page - half, page + half + 1)]

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of a page."""
        return self._middle.size_HW

    @property
    def num_pages(self) -> int:
        """How many pages the file holds, or how many slices the series has."""
        series = self.ref.series
        return self._middle.num_pages if series is None else len(series.files)

    @property
    def kind(self) -> ImageKind:
        """That of a page, with the channels of all."""
        kind = self._middle.kind
        return kind._replace(channels=kind.channels * self.ref.num_slices)

    def read_data(self, window: Window | None = None) -> PixelData:
        """The pages as channels, (H, W, num_slices x C).

        A pixel is valid where it is in the page itself.
        """
        pages = {page: self._read_page(page, window) for page in {*self._list_pages()}}
        middle = pages[self.ref.page or 0]
        planes = [_fill(pages[page], middle) for page in self._list_pages()]
        # one type for all: a slice of whole numbers may have a neighbour of fractions
        dtype = np.result_type(*planes)
        image_HWC: Any = np.concatenate([p.astype(dtype) for p in planes], axis=2)
        return PixelData(image_HWC, middle.valid_HW)

    def _read_page(self, page: int, window: Window | None) -> PixelData:
        return self.open_page(replace(self.ref.with_page(page), num_slices=1)).read_data(window)

    def read_stored(self) -> NDArray[Any]:
        """As the page itself."""
        return self._middle.read_stored()

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """That of the page."""
        return self._middle.spacing_mm_HW

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """That of the file."""
        return self._middle.spacing_mm_DHW

    @property
    def orientation(self) -> int:
        """That of the page."""
        return self._middle.orientation

    @property
    def placement(self) -> Placement | None:
        """That of the page."""
        return self._middle.placement

    @property
    def patient_frame(self) -> PatientFrame | None:
        """That of the file."""
        return self._middle.patient_frame

    @property
    def modality(self) -> str | None:
        """That of the file."""
        return self._middle.modality

    @property
    def geotags(self) -> tuple[Tag, ...]:
        """Those of the page."""
        return self._middle.geotags

    @property
    def bands(self) -> tuple[str, ...]:
        """Those of the page."""
        return self._middle.bands

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Those on the file."""
        return self._middle.assumptions

    @property
    def unpacked_bytes(self) -> Mapping[Path, int]:
        """Those of the file."""
        return self._middle.unpacked_bytes

    @property
    def may_lack_data(self) -> bool:
        """Whether the page may."""
        return self._middle.may_lack_data


def _fill(data: PixelData, middle: PixelData) -> NDArray[Any]:
    """The pixels of a neighbour, with those of the slice itself where it holds no data."""
    if data.valid_HW is None or data is middle:
        return data.image_HWC
    return np.where(data.valid_HW[..., None], data.image_HWC, middle.image_HWC)
