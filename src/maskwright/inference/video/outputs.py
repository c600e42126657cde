"""The files of one stream in the folder of results.

labelled.mp4           the frames with the colours of their classes (.webm, .mkv by the codec)
classes/<key>.png      palette PNG of every frame, with dataset.yaml, as of images
rle.ndjson             one line per frame: {"frame", "time_s", "size", "classes"}, each class by
                       name as the compressed run lengths of COCO
coverage.csv           frame, time_s, class, pixels, percent: one line per frame and class
coverage.svg           the same as a plot over time
legend.png             colours, indices and names of the classes
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.atomic import write_text
from ...core.codec import LabelCodec
from ...core.errors import ConfigError, UnknownNameError
from ...core.labels import IGNORE, LabelSpec
from ...core.stream import LabelledFrame
from ...data.classes.codec import write_dataset_file
from ...data.classes.dataset_yaml import FILE_NAME, DatasetFile
from ...data.opening.stratify import count_pixels
from ...data.shapes.raster import Crop
from ...data.shapes.runs import encode_coco_text, encode_columns
from ...pages.chart import ChartLine, draw_chart_file
from ...pages.csvfile import write_rows
from ...pages.display import Display
from ...pages.pictures import RgbImage, draw_overlay, encode_indexed_png
from .encoder import Codec, VideoWriter

VIDEO, CLASSES, RLE, COVERAGE = "video", "classes", "rle", "coverage"
OVERLAY, SIDE = "overlay", "side"
LAYOUTS = (OVERLAY, SIDE)
COLUMNS = ("frame", "time_s", "class", "pixels", "percent")
_MOST_POINTS = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTarget:
    """Where the outputs of a stream go, and how its video looks."""

    folder: Path
    labels: LabelSpec
    display: Display
    codec: Codec
    layout: str
    fps: float | None


class StreamWriter(Protocol):
    """Writes one kind of output, frame by frame."""

    @abstractmethod
    def write(self, one: LabelledFrame) -> None:
        """Write what belongs to one frame."""

    def close(self) -> None:
        """Write what is left after the last frame."""


class LabelledVideo(StreamWriter):
    """Writes `labelled.*`."""

    def __init__(self, to: StreamTarget) -> None:
        self._to = to
        path = to.folder / f"labelled{to.codec.suffix}"
        self._video = VideoWriter(path, to.codec, to.fps)

    def write(self, one: LabelledFrame) -> None:
        """Add the frame: the overlay, or beside the picture as it is."""
        picture_HW3 = draw_frame(one, self._to.labels, self._to.display)
        if self._to.layout == SIDE:
            picture_HW3 = np.concatenate(
                [self._to.display.draw(one.frame.image_HWC), picture_HW3], axis=1
            )
        self._video.write(picture_HW3, one.frame.time_s)

    def close(self) -> None:
        """End the file."""
        self._video.close()


class FrameMaps(StreamWriter):
    """Writes `classes/`."""

    def __init__(self, to: StreamTarget) -> None:
        self._folder, self._palette = to.folder / CLASSES, to.labels.palette
        write_dataset_file(
            self._folder / FILE_NAME, DatasetFile(), LabelCodec.identity(to.labels)
        )

    def write(self, one: LabelledFrame) -> None:
        """Write the class map of the frame."""
        path = self._folder / f"{one.frame.key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_indexed_png(one.labels_HW, self._palette))


class RunLengths(StreamWriter):
    """Writes `rle.ndjson`."""

    def __init__(self, to: StreamTarget) -> None:
        self._names = to.labels.names
        self._file = (to.folder / "rle.ndjson").open("w", encoding="utf-8")

    def write(self, one: LabelledFrame) -> None:
        """Write the line of the frame."""
        size_HW = one.labels_HW.shape
        document = {
            "frame": one.frame.key,
            "time_s": round(one.frame.time_s, 4),
            "size": list(size_HW),
            "classes": {
                self._names[index]: encode_coco_text(
                    encode_columns(Crop(0, 0, one.labels_HW == index), size_HW)
                )
                for index in np.unique(one.labels_HW).tolist()
                if index != IGNORE
            },
        }
        self._file.write(json.dumps(document) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CoverageOverTime(StreamWriter):
    """Writes `coverage.csv` and `coverage.svg`.

    The plot keeps at most 800 points: means of neighbouring frames.
    """

    def __init__(self, to: StreamTarget) -> None:
        self._to = to
        self._file = (to.folder / "coverage.csv").open("w", newline="", encoding="utf-8")
        self._write_row = write_rows(self._file)
        self._write_row(COLUMNS)
        self._points: list[tuple[float, NDArray[np.float64]]] = []
        self._frames_per_point = 1
        self._open: list[tuple[float, NDArray[np.float64]]] = []

    def write(self, one: LabelledFrame) -> None:
        """Write the lines of the frame."""
        counts_C = count_pixels(one.labels_HW, len(self._to.labels))
        percent_C = 100 * counts_C / max(1, counts_C.sum())
        time_s = one.frame.time_s
        for name, count, percent in zip(
            self._to.labels.names, counts_C.tolist(), percent_C.tolist(), strict=True
        ):
            self._write_row((one.frame.key, f"{time_s:.3f}", name, count, f"{percent:.4f}"))
        self._open.append((time_s, percent_C))
        if len(self._open) == self._frames_per_point:
            self._points.append(_average(self._open))
            self._open = []
        if len(self._points) == _MOST_POINTS:  # then every point stands for twice the frames
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_average(pair) for pair in pairs]
            self._frames_per_point *= 2

    def close(self) -> None:
        """Draw the plot."""
        self._file.close()
        points = [*self._points, *([_average(self._open)] if self._open else [])]
        if not points:
            return
        percent_NC = np.stack([percent_C for _, percent_C in points])
        lines = [
            ChartLine(name=entry.name, color=entry.color, percent_N=percent_NC[:, index])
            for index, entry in enumerate(self._to.labels)
        ]
        keys = [f"{time_s:.1f} s" for time_s, _ in points]
        write_text(self._to.folder / "coverage.svg", draw_chart_file(keys, lines))


STREAM_WRITERS: Mapping[str, Callable[[StreamTarget], StreamWriter]] = {
    VIDEO: LabelledVideo,
    CLASSES: FrameMaps,
    RLE: RunLengths,
    COVERAGE: CoverageOverTime,
}
DEFAULT_KINDS = (VIDEO, COVERAGE)


def require_kinds(write: Sequence[str]) -> None:
    """Refuse names that are not in `STREAM_WRITERS`, or none at all.

    Raises:
        ConfigError: As said.
    """
    if not write:
        known = ", ".join(STREAM_WRITERS)
        raise ConfigError(f"no kind of file to write is given; choose from {known}")
    for name in write:
        if name not in STREAM_WRITERS:
            raise UnknownNameError("output", name, tuple(STREAM_WRITERS))


def draw_frame(one: LabelledFrame, labels: LabelSpec, display: Display) -> RgbImage:
    """The frame with the colours of its classes over it, H x W x 3."""
    rgb_HW3 = display.draw(one.frame.image_HWC, one.labels_HW != IGNORE)
    return draw_overlay(rgb_HW3, one.labels_HW, labels.palette)


def _average(
    points: Sequence[tuple[float, NDArray[np.float64]]],
) -> tuple[float, NDArray[np.float64]]:
    """The time of the first point, and the mean of the percents."""
    return points[0][0], np.mean([percent_C for _, percent_C in points], axis=0)
