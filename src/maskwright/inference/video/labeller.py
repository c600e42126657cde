"""Labeller: from the frames of a stream, in order, to their class maps."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from ...core.image import Image
from ...core.labels import LabelMap
from ...core.logits import Logits
from ...core.stream import Frame
from ..predictor import Predictor
from ..tiling import OFF, Tiling

_OFF = Tiling(tile=OFF)


class Labeller(Protocol):
    """Labels the frames of one stream in order; may keep what it knows of earlier frames."""

    @abstractmethod
    def label(self, frame: Frame) -> LabelMap:
        """The class map of the next frame, of its size."""

    def label_all(
        self,
        frames: Iterator[Frame],
        *,
        may_wait: bool,  # noqa: ARG002 - for labellers that look ahead
    ) -> Iterator[LabelMap]:
        """The class maps of all frames, in order.

        With `may_wait` a labeller may read frames ahead before it gives the class map of one;
        without, each map is given before the next frame is read.
        """
        return map(self.label, frames)

    def describe(self) -> list[str]:
        """Lines on what was done, after the last frame."""
        return []


def label_logits(model: Predictor, logits: Logits, image_HWC: Image, *, where: str) -> LabelMap:
    """The labels that `model` gives an image whose logits are known; see `Predictor.label`."""
    given = replace(model, ensemble=None, tiling=_OFF, strategy=lambda *_, **__: [logits])
    return given.label(image_HWC, where=where)


@dataclass(slots=True)
class EachFrame(Labeller):
    """Labels every frame by itself."""

    model: Predictor

    def label(self, frame: Frame) -> LabelMap:
        """As `Predictor.label`."""
        return self.model.label(frame.image_HWC, where=f"frame {frame.key}")
