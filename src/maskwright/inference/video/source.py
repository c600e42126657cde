"""Where the frames of a stream come from: `open_source` tells the kinds apart by their names.

camera:0, /dev/video0        a webcam
rtsp://..., http://... (URL) a stream; one that drops is opened again
a folder                     its images in order, numbers in names by their value
any other path               a video file
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...core.errors import ConfigError, DataError
from ...core.results import FailedInput
from ...core.stream import Frame
from ...data.pixels.imageref import ImageRef
from ...data.pixels.images import read_data
from ..inputs import find_images
from .container import CameraInput, read_images
from .live import LiveSource
from .videofile import VideoFile

DEFAULT_FPS = 25.0
CAMERA = "camera:"
_URL = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp|srt)://", re.IGNORECASE)
_DEVICES = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


class Source(Protocol):
    """A stream of frames, read once.

    `is_live` says that it has no end of its own and does not wait. `fps` is the nominal number
    of frames per second and `num_frames` that of all frames, None where it is not known.
    `failed` lists what could not be read, `notes` are for people; both grow while it is read.
    """

    name: str
    is_live: bool
    fps: float | None
    num_frames: int | None
    failed: list[FailedInput]
    notes: list[str]

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            DataError: The source cannot be opened, or holds no video.
        """
        ...


@dataclass(slots=True, kw_only=True)
class ImageSequence(Source):
    """A folder of images in order, as a stream of `fps` frames per second."""

    name: str
    fps: float | None
    images: Mapping[str, ImageRef]
    is_live: bool = False
    failed: list[FailedInput] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def num_frames(self) -> int | None:  # type: ignore[override]
        """The number of images."""
        return len(self.images)

    def frames(self) -> Iterator[Frame]:
        """Yield the images; one that cannot be read is listed in `failed`."""
        for index, (key, image) in enumerate(self.images.items()):
            try:
                image_HWC, _ = read_data(image)
            except DataError as error:
                self.failed.append(FailedInput(str(image), str(error)))
                continue
            time_s = index / (self.fps or DEFAULT_FPS)
            yield Frame(key=key, index=index, time_s=time_s, image_HWC=image_HWC)


def open_source(
    text: str, *, fps: float | None = None, say: Callable[[str], None] = lambda _: None
) -> Source:
    """Open a video file, a folder of images in order, a stream by its URL, or a webcam.

    Args:
        text: See the module.
        fps: Frames per second of a folder of images; 25 unless given.
        say: Called with a line when a stream drops and when it is back.

    Raises:
        DataError: No such file, or a file without video.
        ConfigError: `fps` is given for something else, or is not above 0.
        MissingDependencyError: PyAV is not installed.
    """
    path, name = Path(text), _hide_password(text)
    if fps is not None and not path.is_dir():
        raise ConfigError(
            f"--fps {fps:g}: only for folders of images; {text} has its own times"
        )
    if fps is not None and not 0 < fps < float("inf"):
        raise ConfigError(f"--fps {fps:g}: give a number above 0")
    if _URL.match(text):
        stream = CameraInput(address=text, name=name)
        return LiveSource(name=name, connect=lambda: read_images(stream), say=say)
    if text.startswith(CAMERA) or re.fullmatch(r"/dev/video\d+", text):
        device = _find_device(text.removeprefix(CAMERA))
        return LiveSource(name=text, connect=lambda: read_images(device), say=say)
    if path.is_dir():
        return _open_folder(path, fps or DEFAULT_FPS)
    if not path.exists():
        raise DataError(
            f"{text}: no such file or folder; a stream is named by its URL (rtsp://...), a "
            f"webcam by {CAMERA}0"
        )
    return VideoFile.open(path)


def _hide_password(text: str) -> str:
    """An address without user and password, for messages and results."""
    return re.sub(r"(?<=://)[^/@]*@", "", text) if _URL.match(text) else text


def _open_folder(folder: Path, fps: float) -> ImageSequence:
    found = find_images([folder])
    keys = sorted(found.images, key=_by_numbers)
    images = {key: found.images[key] for key in keys}
    return ImageSequence(name=str(folder), fps=fps, images=images, notes=list(found.notes))


def _by_numbers(key: str) -> list[tuple[int, str]]:
    """Sort key in which frame_2 is before frame_10."""
    parts = re.split(r"(\d+)", key)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _list_devices() -> list[Path]:
    return sorted(Path("/dev").glob("video[0-9]*"), key=lambda path: _by_numbers(path.name))


def _find_device(text: str) -> CameraInput:
    """The input of a webcam by its number or name, as FFmpeg names it on this system."""
    driver, name = _DEVICES.get(sys.platform, "v4l2"), f"{CAMERA}{text}"
    if driver == "v4l2" and text.isdecimal() and not Path(f"/dev/video{text}").exists():
        there = ", ".join(f"{CAMERA}{path.name[5:]}" for path in _list_devices())
        raise DataError(
            f"{name}: no such camera; {f'there is {there}' if there else 'none is connected'}"
        )
    if text.isdecimal():
        names = {"v4l2": f"/dev/video{text}", "dshow": f"video={text}"}
        text = names.get(driver, text)
    return CameraInput(address=text, driver=driver, name=name)
