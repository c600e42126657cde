"""ValueSample: pixel values of a dataset, and what its headers say of their unit.

A plan decides by it how values become network input, and shows its histogram.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.image import Image, ValidMap
from ..core.labels import IGNORE, LabelMap, LabelSpec
from .classes.kinds import BACKGROUND_NAMES

_MOST_PX = 4096
"""Pixels that are taken of one image, and of its foreground."""
_MOST_OF_CLASS_PX = 512
"""Pixels that are taken of each class of one image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueSample:
    """Values of some images: (P, C) float32 in the unit of the files.

    `values_PC` are drawn from all images, `foreground_PC` from their foreground: the labelled
    pixels that are no background, or `values_PC` where there are none. `of_class` has values
    of each class that occurs, the background too. `modalities` counts images by
    `ImageFile.modality`; `num_georeferenced` those that lie on the ground.
    """

    values_PC: NDArray[np.float32]
    foreground_PC: NDArray[np.float32]
    of_class: Mapping[int, NDArray[np.float32]]
    types: frozenset[str]
    modalities: Mapping[str | None, int]
    num_georeferenced: int = 0

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self.values_PC.shape[1])

    def measure_moments(
        self, window_C2: NDArray[np.float64] | None = None, *, foreground: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and std per channel, (C,), of the values clipped to a window; std is above 0."""
        values_PC = (self.foreground_PC if foreground else self.values_PC).astype(np.float64)
        if window_C2 is not None:
            values_PC = values_PC.clip(window_C2[:, 0], window_C2[:, 1])
        std_C = values_PC.std(axis=0)
        return values_PC.mean(axis=0), np.where(std_C > 0, std_C, 1.0)

    def measure_range(self, percent: float, *, foreground: bool = False) -> NDArray[np.float64]:
        """The values between which all but `percent` lie on each side, (C, 2) per channel."""
        values_PC = self.foreground_PC if foreground else self.values_PC
        ends_2C = np.percentile(values_PC, (percent, 100 - percent), axis=0)
        return ends_2C.T.astype(np.float64)


class ValueTally:
    """Collects a ValueSample, image by image."""

    def __init__(self, spec: LabelSpec) -> None:
        names = [name.lower() for name in spec.names]
        self._background = [i for i, name in enumerate(names) if name in BACKGROUND_NAMES]
        self._rng = np.random.default_rng(0)
        self._values: list[NDArray[np.float32]] = []
        self._foreground: list[NDArray[np.float32]] = []
        self._of_class: list[list[NDArray[np.float32]]] = [[] for _ in names]
        self._types: set[str] = set()
        self._modalities: Counter[str | None] = Counter()
        self._num_georeferenced = 0

    def add(
        self,
        image_HWC: Image,
        valid_HW: ValidMap | None,
        labels_HW: LabelMap | None,
        *,
        modality: str | None,
        is_georeferenced: bool,
    ) -> None:
        """Take pixels of one image that hold data."""
        num_px = image_HWC.shape[0] * image_HWC.shape[1]
        valid_P = np.ones(num_px, np.bool_) if valid_HW is None else valid_HW.ravel()
        pixels_PC = image_HWC.reshape(-1, image_HWC.shape[2])  # (H, W, C) -> (P, C)
        self._values.append(self._draw(pixels_PC, valid_P, _MOST_PX))
        if labels_HW is not None:
            labels_P = np.where(valid_P, labels_HW.ravel(), IGNORE)
            drawn_P = ~np.isin(labels_P, [*self._background, IGNORE])
            self._foreground.append(self._draw(pixels_PC, drawn_P, _MOST_PX))
            for index in np.flatnonzero(np.bincount(labels_P)[: len(self._of_class)]).tolist():
                drawn_PC = self._draw(pixels_PC, labels_P == index, _MOST_OF_CLASS_PX)
                self._of_class[index].append(drawn_PC)
        self._types.add(str(image_HWC.dtype))
        self._modalities[modality] += 1
        self._num_georeferenced += is_georeferenced

    def finish(self) -> ValueSample:
        """The sample of all images that were added; at least one pixel of them holds data."""
        values_PC = np.concatenate(self._values)
        foreground_PC = np.concatenate([*self._foreground, values_PC[:0]])
        return ValueSample(
            values_PC=values_PC,
            foreground_PC=foreground_PC if len(foreground_PC) else values_PC,
            of_class={i: np.concatenate(v) for i, v in enumerate(self._of_class) if v},
            types=frozenset(self._types),
            modalities=dict(self._modalities),
            num_georeferenced=self._num_georeferenced,
        )

    def _draw(
        self, pixels_PC: Image, chosen_P: NDArray[np.bool_], most: int
    ) -> NDArray[np.float32]:
        """All chosen pixels, or `most` drawn from them."""
        indices = np.flatnonzero(chosen_P)
        if len(indices) > most:
            indices = indices[self._rng.integers(len(indices), size=most)]
        return np.asarray(pixels_PC[indices], np.float32)
