"""Frames by PyAV: the pictures of an opened container, upright, as RGB.

Files are opened with a list of container formats and with the protocol `file` alone: a playlist
would make FFmpeg open other files and addresses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import DataError
from ...core.image import Image

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FORMATS = (
    "asf,avi,flv,gif,h264,hevc,av1,ivf,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,"
    "ogg,webm,yuv4mpegpipe"
)
"""The containers that files may be."""

_MAX_PIXELS = 1 << 27
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraInput:
    """What FFmpeg opens as a stream: an address, or a device of a driver, with options.

    `name` is for messages: an address may hold a password.
    """

    address: str
    driver: str | None = None
    name: str
    options: Mapping[str, str] = field(default_factory=dict)


def read_images(source: CameraInput) -> Iterator[Image]:
    """Open a stream or a device and yield its pictures until it ends.

    Raises:
        DataError: It cannot be opened, holds no video, or breaks off.
    """
    import av

    try:
        with av.open(
            source.address,
            format=source.driver,
            options=_list_options(source),
            timeout=_TIMEOUT_S,
        ) as container:
            stream = find_stream(container, source.name)
            for frame in container.decode(stream):
                yield to_image(frame)
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{source.name}: {describe(error)}") from error


def find_stream(container: "InputContainer", where: str) -> "VideoStream":
    """The first video stream, decoded by several threads.

    Raises:
        DataError: There is none, or its pictures are too large.
    """
    stream = next(iter(container.streams.video), None)
    if stream is None or stream.codec_context is None:
        raise DataError(f"{where}: holds no video that can be decoded; convert it to MP4")
    if stream.width * stream.height > _MAX_PIXELS:
        raise DataError(
            f"{where}: pictures of {stream.height} x {stream.width} (H x W); at most "
            f"{_MAX_PIXELS:,} pixels are read"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
    return stream


def to_image(frame: "VideoFrame") -> Image:
    """The picture as RGB, H x W x 3, turned upright as its display matrix says."""
    rgb_HW3 = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return np.ascontiguousarray(np.rot90(rgb_HW3, frame.rotation // 90 % 4))


def describe(error: Any) -> str:
    """What FFmpeg says, without the name of the file."""
    return str(getattr(error, "strerror", None) or error)


def _list_options(source: CameraInput) -> dict[str, str]:
    """RTSP over TCP, where packets are not lost, unless the options say otherwise."""
    of_rtsp = {"rtsp_transport": "tcp"} if source.address.lower().startswith("rtsp") else {}
    return of_rtsp | dict(source.options)
