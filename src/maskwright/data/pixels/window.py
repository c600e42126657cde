"""A window of a large image as an image of its own, whose other pixels are never decoded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from ...core.image import PixelData
from .imagefile import ImageFile, ImageKind, Window
from .imageref import ImageRef

WINDOW_PX = 2048
"""Height and width of the windows into which images are cut."""

MOST_PX = 1 << 26
"""Pixels of an image, 8192 x 8192, above which it is cut."""


@dataclass(frozen=True, slots=True)
class WindowImage(ImageFile):
    """`ref.window` of the image that `open_whole` opens; it has no georeference of its own."""

    ref: ImageRef
    open_whole: Callable[[ImageRef], ImageFile]

    @property
    def _whole(self) -> ImageFile:
        return self.open_whole(replace(self.ref, window=None))

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        top, bottom, left, right = self.ref.window or (0, 0, 0, 0)
        return bottom - top, right - left

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """That of the whole image."""
        return self._whole.spacing_mm_HW

    @property
    def placement(self) -> None:
        """None: the georeference of the file is that of the whole image."""
        return

    @property
    def bands(self) -> tuple[str, ...]:
        """Those of the whole image."""
        return self._whole.bands

    @property
    def kind(self) -> ImageKind:
        """That of the whole image."""
        return self._whole.kind

    @property
    def nodata(self) -> float | None:
        """That of the whole image."""
        return self._whole.nodata

    @property
    def may_lack_data(self) -> bool:
        """As of the whole image."""
        return self._whole.may_lack_data

    @property
    def reads_windows(self) -> bool:
        """As the whole image does."""
        return True

    def read_data(self, window: Window | None = None) -> PixelData:
        """Read as `ImageFile.read_data` does."""
        return self._whole.read_data(self._place(window))

    def read_stored(self) -> NDArray[Any]:
        """Values of the window as stored."""
        return self._whole.read_stored_window(self._place(None))

    def read_colors(self) -> NDArray[Any]:
        """As `read_stored`; the colours of a palette are looked up in the whole image."""
        stored = self.read_stored()
        return stored if stored.ndim == 3 else self._whole.read_colors()[self._place(None)]

    def _place(self, window: Window | None) -> Window:
        """A window of the window in the whole image."""
        top, _, left, _ = self.ref.window or (0, 0, 0, 0)
        height, width = self.size_HW
        rows, columns = window or (slice(None), slice(None))
        inside = range(height)[rows], range(width)[columns]
        return (
            slice(top + inside[0].start, top + inside[0].stop, inside[0].step),
            slice(left + inside[1].start, left + inside[1].stop, inside[1].step),
        )


def list_windows(size_HW: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left and right of the windows that cover an image once."""
    height, width = size_HW
    return [
        (top, min(top + WINDOW_PX, height), left, min(left + WINDOW_PX, width))
        for top in range(0, height, WINDOW_PX)
        for left in range(0, width, WINDOW_PX)
    ]
