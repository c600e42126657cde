"""Pictures: what is shown of an image, cut into tiles at several scales.

Level 0 has the pixels of the image, as PNG; each further level has half the rows and columns,
as JPEG. Which channels and values are shown, `values` says. The coarse levels of a JPEG are
there before all of it is decoded.
"""

import threading
from collections import OrderedDict
from contextlib import suppress

import cv2
import numpy as np

from ..core.errors import DataError
from ..data.pixels.reduced import HALVINGS, read_eighth
from ..pages.pictures import RgbImage, encode_jpeg
from .errors import StudioError
from .kept import Kept
from .project import Project
from .values import AS_IS, ShownValues

PICTURE_PX = 512
_MOST_BYTES = 64 << 20
"""Of decoded pictures that are kept: two of 3840 x 2160; one is always kept."""

_Name = tuple[str, ShownValues]
"""The key of an image, and what of it is shown."""

_FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


class Pictures:
    """The pictures of a project; the last ones stay decoded."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._kept: OrderedDict[_Name, list[RgbImage]] = OrderedDict()
        self._lock = threading.Lock()
        self._decoding: dict[_Name, threading.Lock] = {}
        self._may_prepare = threading.Lock()
        self._coarse: Kept[_Name, list[RgbImage]] = Kept(self._make_coarse)

    def read_tile(
        self, key: str, level: int, column: int, row: int, values: ShownValues = AS_IS
    ) -> tuple[bytes, str]:
        """One tile as a file, and its media type.

        Raises:
            StudioError: 404, there is no such tile.
            DataError: The image cannot be read.
        """
        picture = self._find_level((key, values), level)
        if picture is None or column < 0 or row < 0:
            raise StudioError(404, f"{key}: no level {level} of its picture")
        top, left = row * PICTURE_PX, column * PICTURE_PX
        part = picture[top : top + PICTURE_PX, left : left + PICTURE_PX]
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
        return self._read_levels((key, AS_IS))[0]

    def measure(self, key: str) -> tuple[int, int]:
        """Rows and columns of an image, from its header.

        Raises:
            DataError: The image cannot be read.
        """
        data = self._project.data
        return data.dataset.size_HW(data.find(key))

    def _prepare(self, name: _Name) -> None:
        """Decode a picture of which a page has a coarse level, unless another one is."""
        if self._may_prepare.acquire(blocking=False):
            threading.Thread(target=self._decode, args=(name,), daemon=True).start()

    def _decode(self, name: _Name) -> None:
        try:
            with suppress(DataError):  # who asks for the picture is told
                self._read_levels(name)
        finally:
            self._may_prepare.release()

    def _find_level(self, name: _Name, level: int) -> RgbImage | None:
        """One level of a picture; a coarse one while the whole picture is still decoded."""
        if level >= HALVINGS and name not in self._kept:
            coarse = self._coarse.get(name)
            self._prepare(name)
            if coarse:
                return coarse[level - HALVINGS] if level - HALVINGS < len(coarse) else None
        levels = self._read_levels(name)
        return levels[level] if 0 <= level < len(levels) else None

    def _make_coarse(self, name: _Name) -> list[RgbImage]:
        """The levels from the third on, where the image has these alone; else none."""
        (key, values), data = name, self._project.data
        eighth_HWC = read_eighth(data.dataset.entries[data.find(key)].image)
        if eighth_HWC is None:
            return []
        return _halve(values.make_display(data.dataset.bands).draw(eighth_HWC))

    def _read_levels(self, name: _Name) -> list[RgbImage]:
        with self._lock:
            decoding = self._decoding.setdefault(name, threading.Lock())
        with decoding:  # two requests for one image decode it once; other images do not wait
            levels = self._kept.get(name) or self._make_levels(name)
        with self._lock:
            self._decoding.pop(name, None)
            self._kept[name] = levels
            self._kept.move_to_end(name)
            while len(self._kept) > 1 and self._count_bytes() > _MOST_BYTES:
                self._kept.popitem(last=False)
        return levels

    def _make_levels(self, name: _Name) -> list[RgbImage]:
        (key, values), data = name, self._project.data
        image_HWC, valid_HW = data.dataset.data(data.find(key))
        return _halve(values.make_display(data.dataset.bands).draw(image_HWC, valid_HW))

    def _count_bytes(self) -> int:
        return sum(level.nbytes for levels in self._kept.values() for level in levels)


def _halve(picture_HW3: RgbImage) -> list[RgbImage]:
    """A picture and its levels, of which the last fits into one tile."""
    levels = [picture_HW3]
    for _ in range(count_levels(picture_HW3.shape[:2]) - 1):
        height, width = levels[-1].shape[:2]
        size = max(1, -(-width // 2)), max(1, -(-height // 2))
        smaller = cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(smaller, np.uint8))
    return levels


def count_levels(size_HW: tuple[int, ...]) -> int:
    """The number of levels, of which the last fits into one tile."""
    longest, levels = max(size_HW), 1
    while longest > PICTURE_PX:
        longest, levels = -(-longest // 2), levels + 1
    return levels
