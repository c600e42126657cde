"""Frame: one image of a video, a camera or a folder in order, with its time; its class map."""

from dataclasses import dataclass

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
