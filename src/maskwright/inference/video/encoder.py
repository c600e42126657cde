"""Write pictures as a video file, by codecs that bring no GPL code into use.

av1   AV1 by SVT-AV1 in MP4: small, plays in browsers
vp9   VP9 by libvpx in WebM
ffv1  FFV1 in MKV: without loss, large

Every frame keeps its time.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from ...core.errors import ConfigError, OutputError, UnknownNameError
from ...pages.pictures import RgbImage
from .container import describe

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_TICK = Fraction(1, 1000)
_USUAL_FPS = 25
_LEAST_SIDE_PX = 64


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec by its name in FFmpeg, with the ending of its files and its settings."""

    encoder: str
    suffix: str
    pixels: str
    options: Mapping[str, str]


CODECS: Mapping[str, Codec] = {
    "av1": Codec("libsvtav1", ".mp4", "yuv420p", {"preset": "10", "crf": "32"}),
    "vp9": Codec(
        "libvpx-vp9",
        ".webm",
        "yuv420p",
        {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "crf": "32", "b": "0"},
    ),
    "ffv1": Codec("ffv1", ".mkv", "bgr0", {"level": "3", "slicecrc": "1"}),
}


def find_codec(name: str) -> Codec:
    """The codec of this name; raises UnknownNameError."""
    if name not in CODECS:
        raise UnknownNameError("codec", name, tuple(CODECS))
    return CODECS[name]


class VideoWriter:
    """Writes the pictures of one stream; all get the size of the first.

    Raises:
        OutputError: The file cannot be written.
    """

    def __init__(self, path: Path, codec: Codec, fps: float | None) -> None:
        self._path, self._codec = path, codec
        self._fps = Fraction(fps or _USUAL_FPS).limit_denominator(1001)
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._size_HW = (0, 0)
        self._last = -1

    def write(self, rgb_HW3: RgbImage, time_s: float) -> None:
        """Add a picture that is shown from `time_s` on."""
        import av

        try:
            if self._container is None or self._stream is None:
                self._container, self._stream = self._open(rgb_HW3)
            frame = av.VideoFrame.from_ndarray(self._fit(rgb_HW3), format="rgb24")
            # two frames of a stream may arrive within one tick
            self._last = max(self._last + 1, round(time_s / _TICK))
            frame.pts, frame.time_base = self._last, _TICK
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise self._explain(error) from error

    def close(self) -> None:
        """Write what the encoder holds back, and the index of the file."""
        import av

        if self._container is None or self._stream is None:
            return
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
        except (av.error.FFmpegError, OSError) as error:
            raise self._explain(error) from error

    def _open(self, rgb_HW3: RgbImage) -> "tuple[OutputContainer, VideoStream]":
        import av

        self._size_HW = rgb_HW3.shape[:2]
        if min(self._size_HW) < _LEAST_SIDE_PX and self._codec.encoder == "libsvtav1":
            raise ConfigError(
                f"AV1 takes pictures of {_LEAST_SIDE_PX} x {_LEAST_SIDE_PX} or more, these are "
                f"{self._size_HW[0]} x {self._size_HW[1]} (H x W); use --codec ffv1"
            )
        os.environ.setdefault("SVT_LOG", "1")  # errors alone: SVT-AV1 prints all its settings
        container = av.open(str(self._path), "w")
        options = dict(self._codec.options)
        made = container.add_stream(self._codec.encoder, rate=self._fps, options=options)
        stream = cast("VideoStream", made)
        stream.height, stream.width = (self._even(side) for side in self._size_HW)
        stream.pix_fmt = self._codec.pixels
        stream.codec_context.time_base = _TICK
        return container, stream

    def _even(self, side: int) -> int:
        """Codecs that halve the colour planes take even sides."""
        return side + side % 2 if self._codec.pixels == "yuv420p" else side

    def _fit(self, rgb_HW3: RgbImage) -> RgbImage:
        if rgb_HW3.shape[:2] != self._size_HW:
            rgb_HW3 = np.asarray(cv2.resize(rgb_HW3, self._size_HW[::-1]), np.uint8)
        below, right = (self._even(side) - side for side in self._size_HW)
        if below or right:
            return np.pad(rgb_HW3, ((0, below), (0, right), (0, 0)), mode="edge")
        return np.ascontiguousarray(rgb_HW3)

    def _explain(self, error: Exception) -> OutputError:
        return OutputError(f"{self._path}: the video cannot be written ({describe(error)})")
