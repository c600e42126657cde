"""A video file; one that ends before the time its header states is read up to there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ...core.errors import DataError
from ...core.results import FailedInput
from ...core.stream import Frame
from .container import FORMATS, describe, find_stream, to_image

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_US = 1_000_000
_USUAL_FPS = 25.0
_HEADER_TIME = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(slots=True, kw_only=True)
class VideoFile:
    """The frames of a file, with the times that it gives them."""

    name: str
    path: Path
    fps: float | None
    num_frames: int | None
    duration_s: float | None
    is_live: bool = False
    failed: list[FailedInput] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _damaged: int = 0

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the header.

        Raises:
            DataError: Not a video, or one that ends within its header.
        """
        with _open(path) as container:
            stream = find_stream(container, str(path))
            fps = None if stream.average_rate is None else float(stream.average_rate)
            duration_s = _find_duration(container, stream)
            known = fps is not None and duration_s is not None
            guessed = round(duration_s * fps) if known and fps and duration_s else None
            return cls(
                name=str(path),
                path=path,
                fps=fps,
                num_frames=stream.frames or guessed,
                duration_s=duration_s,
            )

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; `failed` names the file where it ends early or has damaged frames.

        Raises:
            DataError: No frame at all can be decoded.
        """
        first_s, time_s, index, end_s = None, 0.0, -1, 0.0
        for index, picture in enumerate(self._decode()):
            step_s = 1 / (self.fps or _USUAL_FPS)
            if picture.time is None:
                time_s = index * step_s
            else:
                first_s = picture.time if first_s is None else first_s
                time_s = picture.time - first_s
            end_s = max(end_s, (first_s or 0.0) + time_s + step_s)
            image_HWC = to_image(picture)
            yield Frame(key=f"{index:06d}", index=index, time_s=time_s, image_HWC=image_HWC)
        self._note_end(index + 1, end_s)

    def _decode(self) -> Iterator["VideoFrame"]:
        """Yield the pictures that can be decoded."""
        import av

        self._damaged = 0
        with _open(self.path) as container:
            stream = find_stream(container, self.name)
            try:
                for packet in container.demux(stream):
                    yield from self._decode_packet(packet)
            except av.error.FFmpegError:
                self._damaged += 1

    def _decode_packet(self, packet: "Packet[VideoStream]") -> Iterator["VideoFrame"]:
        import av

        try:
            for picture in packet.decode():
                if picture.is_corrupt:
                    self._damaged += 1
                else:
                    yield picture
        except av.error.FFmpegError:
            self._damaged += 1

    def _note_end(self, num_frames: int, end_s: float) -> None:
        """List the file as failed where frames are missing or damaged."""
        if not num_frames:
            raise DataError(f"{self.name}: no frame can be decoded; the video is damaged")
        missing_s = (self.duration_s or 0.0) - end_s
        if missing_s > 0.75 / (self.fps or _USUAL_FPS):
            self._fail(
                f"ends after {end_s:.2f} s of {self.duration_s:.2f} s; the file is truncated, "
                f"{num_frames} frames were read: copy it again"
            )
        elif self._damaged:
            self._fail(f"{self._damaged} damaged frames were left out of {num_frames}")

    def _fail(self, error: str) -> None:
        self.failed.append(FailedInput(self.name, f"{self.name}: {error}"))


def _open(path: Path) -> "InputContainer":
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:
        return av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(
            f"{path}: not a video that can be read ({describe(error)}); it may be truncated or "
            f"of an unknown format: convert it to MP4, WebM or MKV"
        ) from error


def _find_duration(container: "InputContainer", stream: "VideoStream") -> float | None:
    """The seconds that the header states for the video, None where it states none."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    match = _HEADER_TIME.match(stream.metadata.get("DURATION", ""))
    if match is not None:
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    alone = len(container.streams) == 1 and container.duration is not None
    return container.duration / _US if alone and container.duration else None
