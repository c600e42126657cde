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
    """A frame and its class map, of the same size."""

    frame: Frame
    labels_HW: LabelMap


class Observer(Protocol):
    """Sees every labelled frame of a stream in order, and writes what it finds."""

    @abstractmethod
    def begin(self, folder: Path) -> None:
        """Take the folder of results, before the first frame."""

    @abstractmethod
    def observe(self, one: LabelledFrame) -> None:
        """See one frame."""

    @abstractmethod
    def finish(self) -> None:
        """Write what is left, after the last frame."""

    @abstractmethod
    def list_findings(self) -> list[str]:
        """The lines for people, after `finish`."""
