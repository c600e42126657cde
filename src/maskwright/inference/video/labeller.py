"""Labeller: from the frames of a stream, in order, to their class maps."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol

from ...core.labels import LabelMap
from ...core.stream import Frame
from ..predictor import Predictor


class Labeller(Protocol):
    """Labels the frames of one stream in order; may keep what it knows of earlier frames."""

    @abstractmethod
    def label(self, frame: Frame) -> LabelMap:
        """The class map of the next frame, of its size."""

    def describe(self) -> list[str]:
        """Lines on what was done, after the last frame."""
        return []


@dataclass(slots=True)
class EachFrame(Labeller):
    """Labels every frame by itself."""

    model: Predictor

    def label(self, frame: Frame) -> LabelMap:
        """As `Predictor.label`."""
        return self.model.label(frame.image_HWC, where=f"frame {frame.key}")
