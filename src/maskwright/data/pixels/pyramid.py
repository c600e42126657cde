"""Levels of a pyramid: copies of an image at smaller sizes in its file, the finest first.

Windows are read from the level of the reference (`ImageRef.level`). Levels of a TIFF file are
SubIFDs or images of NewSubfileType 1, as tifffile lists them; those of slides OpenSlide lists.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConfigError, DataError
from ...core.image import PixelData
from .faults import MAX_PIXELS, explain_faults, too_large
from .imagefile import (
    ImageFile,
    ImageKind,
    Window,
    choose_level_size,
    find_type,
    to_image,
)
from .imageref import ImageRef
from .tiff_file import open_tiff
from .tiff_tags import find_alpha, find_nodata
from .tiff_window import read_page_window
from .validity import cut_alpha, mark_valid

_CENTIMETRE = 3
_SLACK = 1.05
"""A level may be so much coarser than the pixel size that is asked for."""

_SHOWN = ("MINISBLACK", "RGB", "YCBCR")


def choose_level(image: ImageFile, text: str) -> int:
    """The index of a level from its number, or a size of its pixels such as `0.5um`.

    Of a size, the coarsest level whose pixels are not larger.

    Raises:
        ConfigError: Another text.
        DataError: There is no such level, or the file does not state the size of its pixels.
    """
    sizes = image.level_sizes
    listed = ", ".join(f"{n}: {height} x {width}" for n, (height, width) in enumerate(sizes))
    if re.fullmatch(r"\d{1,3}", text, re.ASCII):
        if int(text) < len(sizes):
            return int(text)
        raise DataError(f"{image.ref}: has no level {text}; it has {listed} (H x W)")
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)um", text, re.ASCII)
    if match is None:
        raise ConfigError(f"level is {text!r}; use a number, 0 is the finest, or 0.5um")
    spacing = image.spacing_mm_HW
    if spacing is None:
        raise DataError(f"{image.ref}: states no size of its pixels; give a level: {listed}")
    finest_um = 1000 * spacing[0] * image.size_HW[0] / sizes[0][0]
    fitting = [
        n
        for n, size_HW in enumerate(sizes)
        if finest_um * sizes[0][0] / size_HW[0] <= _SLACK * float(match[1])
    ]
    if not fitting:
        raise DataError(
            f"{image.ref}: its finest level has pixels of {finest_um:.4g} um, {text} is asked "
            f"for; give a larger size"
        )
    return fitting[-1]


@dataclass(frozen=True, slots=True)
class TiffLevel(ImageFile):
    """A level of a TIFF file; has no georeference of its own."""

    ref: ImageRef

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each level."""
        return list_tiff_levels(self.ref)

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of the level."""
        return choose_level_size(self)

    @property
    def kind(self) -> ImageKind:
        """Channels without alpha, and the type of the values."""
        with explain_faults(self.ref), open_tiff(self.ref.file) as file:
            page = _find_page(self.ref, file)
            alpha = find_alpha(page) is not None
            return ImageKind(int(page.samplesperpixel) - alpha, find_type(page.dtype))

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """By the resolution of the finest level, where its unit is the centimetre."""
        finest = read_tiff_spacing(self.ref)
        if finest is None:
            return None
        (height, width), size_HW = self.level_sizes[0], self.size_HW
        return finest[0] * height / size_HW[0], finest[1] * width / size_HW[1]

    @property
    def placement(self) -> None:
        """None: the georeference of the file is that of the finest level."""
        return

    @property
    def geotags(self) -> tuple[()]:
        """None of its own."""
        return ()

    @property
    def reads_windows(self) -> bool:
        """Only the tiles that a window touches are decoded."""
        return True

    def read_data(self, window: Window | None = None) -> PixelData:
        """Read as `ImageFile.read_data` does."""
        with explain_faults(self.ref), open_tiff(self.ref.file) as file:
            page = _find_page(self.ref, file)
            rows, columns = window or (slice(None), slice(None))
            part = read_page_window(self.ref, file, page, (rows, columns))
            whole_HWC = to_image(part, self.ref)
            image_HWC, alpha_HW = cut_alpha(whole_HWC, find_alpha(page))
            return mark_valid(image_HWC, nodata=find_nodata(page), mask_HW=alpha_HW)

    def read_stored(self) -> NDArray[Any]:
        """Values as stored."""
        return self.read()


def list_tiff_levels(ref: ImageRef) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each level of a TIFF file, the finest first."""
    with explain_faults(ref), open_tiff(ref.file) as file:
        pages = [level.keyframe for level in file.series[0].levels]
        return tuple((int(page.imagelength), int(page.imagewidth)) for page in pages)


def read_tiff_spacing(ref: ImageRef) -> tuple[float, float] | None:
    """Height and width of a pixel of the finest level in mm, stated per centimetre."""
    with explain_faults(ref), open_tiff(ref.file) as file:
        tags = file.pages[0].tags
        unit, *resolution = (tags.get(code) for code in (296, 283, 282))
        if unit is None or int(unit.value) != _CENTIMETRE or None in resolution:
            return None
        pairs = [np.asarray(tag.value, np.float64) for tag in resolution if tag is not None]
        height, width = (10 * float(pair[1]) / max(float(pair[0]), 1e-12) for pair in pairs)
        return height, width


def _find_page(ref: ImageRef, file: Any) -> Any:
    page = file.series[0].levels[ref.level].keyframe
    if page.axes not in ("YX", "YXS", "SYX") or page.photometric.name not in _SHOWN:
        raise DataError(
            f"{ref}: level {ref.level} has axes {page.axes} and is {page.photometric.name}; "
            f"levels of grey and colour images are read"
        )
    declared = page.imagelength * page.imagewidth
    if declared > MAX_PIXELS:
        raise too_large(ref, declared)
    return page
