"""Pictures: what is shown of an image, cut into tiles at several scales.

Level 0 has the pixels of the image, as PNG; each further level has half the rows and columns,
as JPEG. Images that are wider than 8 bits are shown as `pages.display` shows them.
"""

import threading
from collections import OrderedDict
from contextlib import suppress

import cv2
import numpy as np

from ..core.errors import DataError
from ..pages.display import Display, choose_channels
from ..pages.pictures import RgbImage, encode_jpeg
from .errors import StudioError
from .project import Project

PICTURE_PX = 512
_MOST_BYTES = 400 << 20
"""Of decoded pictures that are kept; one is always kept."""

_FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


class Pictures:
    """The pictures of a project; the last ones stay decoded."""

    def __init__(self, project: Project) -> None:
        self._project = project
        bands = project.data.dataset.bands
        self._display = Display(channels=choose_channels(len(bands), bands) if bands else ())
        self._kept: OrderedDict[str, list[RgbImage]] = OrderedDict()
        self._lock = threading.Lock()
        self._decoding: dict[str, threading.Lock] = {}
        self._may_prepare = threading.Lock()

    def read_tile(self, key: str, level: int, column: int, row: int) -> tuple[bytes, str]:
        """One tile as a file, and its media type.

        Raises:
            StudioError: 404, there is no such tile.
            DataError: The image cannot be read.
        """
        levels = self._read_levels(key)
        if not 0 <= level < len(levels) or column < 0 or row < 0:
            raise StudioError(404, f"{key}: no level {level} of its picture")
        top, left = row * PICTURE_PX, column * PICTURE_PX
        part = levels[level][top : top + PICTURE_PX, left : left + PICTURE_PX]
        if not part.size:
            raise StudioError(404, f"{key}: no tile ({column}, {row}) at level {level}")
        part = np.ascontiguousarray(part)
        if level:
            return encode_jpeg(part), "image/jpeg"
        _, content = cv2.imencode(".png", part[..., ::-1], _FAST_PNG)
        return content.tobytes(), "image/png"

    def read_picture(self, key: str) -> RgbImage:
        """The picture of an image in its own size.

        Raises:
            DataError: The image cannot be read.
        """
        return self._read_levels(key)[0]

    def prepare(self, key: str) -> None:
        """Decode a picture that a page will ask for, while something else is answered.

        Nothing happens while another one is prepared: programs that read all items need none.
        """
        if key not in self._kept and self._may_prepare.acquire(blocking=False):
            threading.Thread(target=self._prepare, args=(key,), daemon=True).start()

    def _prepare(self, key: str) -> None:
        try:
            with suppress(DataError):  # who asks for the picture is told
                self._read_levels(key)
        finally:
            self._may_prepare.release()

    def _read_levels(self, key: str) -> list[RgbImage]:
        with self._lock:
            decoding = self._decoding.setdefault(key, threading.Lock())
        with decoding:  # two requests for one image decode it once; other images do not wait
            levels = self._kept.get(key) or self._make_levels(key)
        with self._lock:
            self._decoding.pop(key, None)
            self._kept[key] = levels
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and self._count_bytes() > _MOST_BYTES:
                self._kept.popitem(last=False)
        return levels

    def _make_levels(self, key: str) -> list[RgbImage]:
        data = self._project.data
        image_HWC, valid_HW = data.dataset.data(data.find(key))
        levels = [self._display.draw(image_HWC, valid_HW)]
        for _ in range(count_levels(levels[0].shape[:2]) - 1):
            height, width = levels[-1].shape[:2]
            size = max(1, -(-width // 2)), max(1, -(-height // 2))
            smaller = cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)
            levels.append(np.asarray(smaller, np.uint8))
        return levels

    def _count_bytes(self) -> int:
        return sum(level.nbytes for levels in self._kept.values() for level in levels)


def count_levels(size_HW: tuple[int, ...]) -> int:
    """The number of levels, of which the last fits into one tile."""
    longest, levels = max(size_HW), 1
    while longest > PICTURE_PX:
        longest, levels = -(-longest // 2), levels + 1
    return levels
