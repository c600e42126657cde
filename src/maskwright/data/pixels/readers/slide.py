"""Whole-slide images of microscope scanners by OpenSlide (the extra `slides`).

A level is a copy of the slide at a smaller size; windows are read from the level of the
reference (`ImageRef.level`, 0 is the finest). Pixels that the scanner left out hold no data.
Source: openslide.org, the properties openslide.mpp-x and -y are micrometres per pixel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.extras import explain_missing
from ....core.image import PixelData
from ..faults import MAX_PIXELS, damage, too_large
from ..imagefile import ImageFile, ImageKind, Window, choose_level_size, to_image
from ..imageref import ImageRef
from ..validity import cut_last_alpha

PRIORITY = 20
BY_NAME = True
SUFFIXES = (".bif", ".mrxs", ".ndpi", ".scn", ".svs", ".svslide", ".vms", ".vmu")


def takes(start: bytes) -> bool:  # noqa: ARG001 - most formats are TIFF with another name
    """Take files by their name alone."""
    return False


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return _SlideImage(ref)


@dataclass(frozen=True, slots=True)
class _SlideImage(ImageFile):
    ref: ImageRef

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        with self._open() as slide:
            return tuple((int(h), int(w)) for w, h in slide.level_dimensions)

    @property
    def size_HW(self) -> tuple[int, int]:
        return choose_level_size(self)

    @property
    def kind(self) -> ImageKind:
        return ImageKind(3, "uint8")

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        with self._open() as slide:
            texts = [slide.properties.get(f"openslide.mpp-{axis}") for axis in "yx"]
            scale = float(slide.level_downsamples[self.ref.level]) / 1000
        try:
            height, width = (float(text or "nan") * scale for text in texts)
        except ValueError:
            return None
        return (height, width) if height > 0 and width > 0 else None

    @property
    def placement(self) -> None:
        return None

    @property
    def geotags(self) -> tuple[()]:
        return ()

    @property
    def may_lack_data(self) -> bool:
        return True

    @property
    def reads_windows(self) -> bool:
        return True

    def read_data(self, window: Window | None = None) -> PixelData:
        return cut_last_alpha(to_image(self._read_region(window), self.ref))

    def read_stored(self) -> NDArray[Any]:
        return self.read()

    def _read_region(self, window: Window | None) -> NDArray[np.uint8]:
        """A window of the level, (h, w, 4) with alpha."""
        height, width = self.size_HW
        rows, columns = window or (slice(None), slice(None))
        inside = range(height)[rows], range(width)[columns]
        if len(inside[0]) * len(inside[1]) > MAX_PIXELS:
            raise too_large(self.ref, height * width)
        if not inside[0] or not inside[1] or (inside[0].step, inside[1].step) != (1, 1):
            return self._read_region(None)[rows, columns]
        with self._open() as slide:
            scale = slide.level_downsamples[self.ref.level]
            corner = round(inside[1].start * scale), round(inside[0].start * scale)
            size = len(inside[1]), len(inside[0])
            return np.array(slide.read_region(corner, self.ref.level, size), np.uint8)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            import openslide
        except ModuleNotFoundError as error:
            raise explain_missing(error) from error
        try:
            with openslide.OpenSlide(self.ref.file) as slide:
                yield slide
        except (openslide.OpenSlideError, FileNotFoundError) as error:
            raise damage(self.ref, error) from error
