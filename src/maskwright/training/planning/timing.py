"""Timing: measured seconds of steps and images, within the time that planning may take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..finish import EXPORT_S, OPEN_S
from ..recipe import Recipe
from .situation import Situation

SOURCE_WORK = 1.0
"""Work on an image outside the network, at source resolution, relative to that of a network at
scale 1: that of the usual one on a CPU lies between 0.4 and 3."""


@dataclass(slots=True)
class Timing:
    """Measures a recipe on the machine of a situation, each part once.

    When `limit_s` have passed on `clock`, nothing more is measured: seconds are then scaled by
    pixels from a measurement of the same kind. `slowness` is that measured last.
    """

    situation: Situation
    limit_s: float
    clock: Callable[[], float] = time.monotonic
    spent_s: float = 0.0
    slowness: float | None = None
    _sample_s: float | None = None
    _steps: dict[str, tuple[float, float]] = field(default_factory=dict)
    _images: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def has_time(self) -> bool:
        """Whether another measurement may begin."""
        return self.spent_s < self.limit_s

    def step_seconds(self, recipe: Recipe) -> float:
        """Seconds of a step on one batch."""
        pixels = recipe.data.batch_size * recipe.data.crop_px[0] * recipe.data.crop_px[1]
        key = f"{recipe.model.graph} {recipe.optim.precision} {pixels}"
        return self._measure(self._steps, key, pixels, self.situation.step_seconds, recipe)

    def image_seconds(self, recipe: Recipe) -> float:
        """Seconds of reading, predicting and counting one image."""
        pixels = SOURCE_WORK + recipe.input.scale_ratio**2
        key = f"{recipe.model.graph} {recipe.optim.precision} {pixels}"
        return self._measure(self._images, key, pixels, self.situation.image_seconds, recipe)

    def sample_seconds(self, recipe: Recipe) -> float:
        """Seconds of reading and augmenting one image; as measured before once time is over."""
        if self._sample_s is None or self.has_time:
            started_s = self.clock()
            self._sample_s = self.situation.sample_seconds(recipe)
            self.spent_s += self.clock() - started_s
        return self._sample_s

    def export_seconds(self) -> float:
        """Seconds of finishing the run, but for those of its images."""
        if self.slowness is None or self.has_time:
            self.slowness = self.situation.slowness()
        return (EXPORT_S + OPEN_S) * self.slowness

    def _measure(
        self,
        known: dict[str, tuple[float, float]],
        key: str,
        pixels: float,
        measure: Callable[[Recipe, float], float],
        recipe: Recipe,
    ) -> float:
        if key not in known:
            if known and not self.has_time:
                seconds, measured = next(reversed(known.values()))
                return seconds * pixels / measured
            started_s = self.clock()
            # each of the first measurements leaves time for the others
            seconds = measure(recipe, max(0.0, self.limit_s - self.spent_s) / 3)
            self.spent_s += self.clock() - started_s
            known[key] = (seconds, pixels)
        return known[key][0]
