"""Budget and pace: the time that a run may take, and the times that its parts take."""

import time
from collections.abc import Callable
from dataclasses import dataclass

MIN_STEPS = 10
"""Steps below which a budget is refused, after all that saves time, and no run is shortened."""

MAX_VALIDATIONS = 10
VALIDATION_RATIO = 0.1
"""Largest share of a budget that validations take."""

PLANNED_RATIO = 0.88
"""Share of the time to train that is planned; the rest absorbs what the timing did not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Seconds of a whole run, counted from `started_s` on `clock`."""

    total_s: float
    started_s: float
    clock: Callable[[], float] = time.monotonic

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started_s

    @property
    def remaining_s(self) -> float:
        """Seconds to the end; negative when it has passed."""
        return self.total_s - self.spent_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds of a step, of an image to validate, and of the export, measured on this machine.

    `samples` are the images of a step, `num_val` those of a validation. Finishing the run takes
    the export and as long as `finish_images` images to validate.
    """

    step_s: float
    image_s: float
    export_s: float
    samples: int
    num_val: int
    finish_images: float

    @property
    def validation_s(self) -> float:
        """Seconds of a validation."""
        return self.image_s * self.num_val

    @property
    def finish_s(self) -> float:
        """Seconds of finishing the run: calibration, report and export."""
        return self.export_s + self.image_s * self.finish_images

    def count_train_seconds(self, left_s: float) -> float:
        """Seconds of `left_s` to train in, validations included; 0 where none are left."""
        return max(0.0, left_s - self.finish_s)

    def count_validations(self, train_s: float) -> int:
        """Validations in `train_s`: a tenth of the time at most, but one or more."""
        fitting = int(VALIDATION_RATIO * train_s / self.validation_s)
        return min(MAX_VALIDATIONS, max(1, fitting))

    def count_steps(self, left_s: float) -> int:
        """Steps that fit in `left_s`, next to validations and the end of the run."""
        train_s = self.count_train_seconds(left_s)
        validations_s = self.count_validations(train_s) * self.validation_s
        return max(0, int((train_s * PLANNED_RATIO - validations_s) / self.step_s))

    def count_more_steps(self, left_s: float, every: int) -> int:
        """Steps that fit in `left_s`, with a validation after `every` so many and after all."""
        train_s = self.count_train_seconds(left_s) * PLANNED_RATIO - self.validation_s
        return max(0, int(train_s / (self.step_s + self.validation_s / every)))
