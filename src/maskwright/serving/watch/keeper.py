"""Keeper: a folder with the images of which a model is least sure, within a quota.

An image is kept where its uncertainty is among the largest of the last ones, so that about the
share asked for is kept. The quota is never passed: the least uncertain images leave first.

<uncertainty>-<milliseconds>-<random>.<ending>   the image file as it came
<uncertainty>-<milliseconds>-<random>.map.png    its predicted class map
<uncertainty>-<milliseconds>-<random>.view.jpg   a small picture of both
"""

import bisect
import math
import secrets
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ...core.atomic import write_bytes
from ...core.errors import OutputError
from ...core.files import find_state_folder

MAP, VIEW = ".map.png", ".view.jpg"
_NUM_LAST, _NUM_FIRST = 500, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOptions:
    """`share` of the images is kept, 0 to 1, in a folder of at most `quota_bytes`."""

    folder: Path
    share: float
    quota_bytes: int


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """The file of an image with its ending, the PNG of its class map, and a small JPEG."""

    image: bytes
    suffix: str
    class_map: bytes
    view: bytes

    @property
    def num_bytes(self) -> int:
        """Of all three."""
        return len(self.image) + len(self.class_map) + len(self.view)


class Keeper:
    """The kept images of one server; several threads may use it."""

    def __init__(self, options: KeepOptions) -> None:
        self._options = options
        self._last: deque[float] = deque(maxlen=_NUM_LAST)
        self._names: list[str] = []
        self._sizes: dict[str, int] = {}
        self._changing = threading.Lock()
        self.above = 0.0 if options.share >= 1 else math.inf

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._options.folder

    @property
    def num_bytes(self) -> int:
        """The bytes of all files."""
        return sum(self._sizes.values())

    def open(self) -> None:
        """Make the folder, or find what is in it.

        Raises:
            OutputError: It cannot be made or read.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.folder.iterdir()):
                if not path.name.endswith((MAP, VIEW)) and path.is_file():
                    self._add(path.name, sum(map(_count_bytes, _list_files(path))))
        except OSError as error:
            raise OutputError(
                f"{self.folder}: cannot keep images here: {error.strerror}"
            ) from error

    def note(self, uncertainty: float) -> None:
        """Learn how uncertain images are now."""
        self._last.append(uncertainty)
        if self._options.share < 1 and len(self._last) >= _NUM_FIRST:
            ranked = sorted(self._last)
            self.above = ranked[
                min(len(ranked) - 1, math.floor(len(ranked) * (1 - self._options.share)))
            ]

    def save(self, uncertainty: float, at: float, files: KeptFiles) -> tuple[str, list[str]]:
        """Save an image; returns its name and the names of those that had to leave.

        The name is "" where it is less uncertain than all others and does not fit.

        Raises:
            OutputError: The files cannot be written.
        """
        name = f"{uncertainty:.4f}-{round(1000 * at)}-{secrets.token_hex(4)}{files.suffix}"
        num_bytes, path = files.num_bytes, self.folder / name
        left: list[str] = []
        with self._changing:
            while self.num_bytes + num_bytes > self._options.quota_bytes:
                if not self._names or self._names[0] > name:
                    return "", left
                left.append(self._names[0])
                self._remove(self._names[0])
            contents = (files.image, files.class_map, files.view)
            for part, content in zip(_list_files(path), contents, strict=True):
                write_bytes(part, content)
            self._add(name, num_bytes)
        return name, left

    def remove(self, name: str) -> None:
        """Remove the files of an image."""
        with self._changing:
            self._remove(name)

    def _remove(self, name: str) -> None:
        if self._sizes.pop(name, None) is not None:
            self._names.remove(name)
            for path in _list_files(self.folder / name):
                path.unlink(missing_ok=True)

    def _add(self, name: str, num_bytes: int) -> None:
        bisect.insort(self._names, name)
        self._sizes[name] = num_bytes


def find_kept_folder() -> Path:
    """The folder of kept images in the user's state folder."""
    return find_state_folder() / "kept"


def to_map(path: Path) -> Path:
    """The class map of a kept image."""
    return path.with_name(path.stem + MAP)


def to_view(path: Path) -> Path:
    """The small picture of a kept image."""
    return path.with_name(path.stem + VIEW)


def _list_files(path: Path) -> tuple[Path, ...]:
    return path, to_map(path), to_view(path)


def _count_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
