"""Frame: one image of a video, a camera or a folder in order, with its time; its class map."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .image import Image
from .labels import LabelMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One image of a stream.

    `key` names its outputs, `index` counts the frames of the source from 0, `time_s` is the
    time since the first frame in seconds: that of the file, of a camera that of the arrival.
    """

    key: str
    index: int
    time_s: float
    image_HWC: Image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledFrame:
    """A frame and its class map, of the same size.

    `dropped` counts the frames between it and the one before that were not labelled.
    """

    frame: Frame
    labels_HW: LabelMap
    dropped: int = 0


class StreamObserver(Protocol):
    """Sees the labelled frames of a stream in order, and writes files of its own.

    `num_events` counts what it found so far. The methods are called in the order of this list.
    """

    num_events: int

    @abstractmethod
    def open(self, folder: Path, *, source: str) -> None:
        """Begin the files in the folder of results; `source` is the name of the stream."""

    @abstractmethod
    def write(self, one: LabelledFrame) -> None:
        """See the next frame.

        Raises:
            DataError: The frame does not fit what is asked.
        """

    @abstractmethod
    def close(self) -> None:
        """Write what is left after the last frame."""

    @abstractmethod
    def describe(self) -> list[str]:
        """Lines on what was found, after the last frame."""
