"""The schedule: epochs and validations, by usual numbers or measured to fit a budget."""

import math
from dataclasses import dataclass
from typing import Self

from maskwright.core.errors import ConfigError
from maskwright.pages.text import format_count

from ..machine import measure_step_seconds, measure_validation_seconds
from .plan import SLIM, Plan
from .situation import Situation
from .sizes import decide_fewer_pixels

NUM_CROPS = {"cpu": 8_000, "cuda": 60_000}
MIN_EPOCHS, MAX_EPOCHS = 10, 500
TIGHT_CROPS, AMPLE_CROPS = 3_000, 40_000
"""Crops in a budget below which pixels are saved, and above which the model is larger."""

MIN_VALIDATIONS, MAX_VALIDATIONS = 2, 10
VALIDATION_RATIO = 0.1
"""Largest share of a budget that validations take."""

PLANNED_RATIO = 0.88
"""Share of a budget that is planned; the rest absorbs what the timing did not see."""


def decide_full_schedule(plan: Plan, situation: Situation) -> None:
    """Train on the usual number of crops of the device."""
    num_crops, num_train = NUM_CROPS[situation.machine.device], situation.num_train
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(num_crops / num_train)))
    few = ", few, so each is seen often" if situation.has_few_images else ""
    reason = f"{epochs * num_train:,} crops from {format_count(num_train, 'image')}{few}"
    plan.decide("schedule.epochs", epochs, reason)
    _decide_validations(plan, MAX_VALIDATIONS)


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds of a whole run, and those of them that reading the data and finishing take."""

    total_s: float
    reserved_s: float = 0.0

    @property
    def training_s(self) -> float:
        """Seconds that are left to train, validations included."""
        return self.total_s - self.reserved_s


def decide_timed_schedule(plan: Plan, situation: Situation, budget: Budget) -> None:
    """Measure the pace of training and choose the epochs that end within `budget`.

    A tight budget saves pixels; an ample one takes a larger model.

    Raises:
        ConfigError: One epoch does not fit.
    """
    budget_s = budget.training_s
    pace = Pace.measure(plan, situation)
    num_crops = pace.count_epochs(budget_s) * situation.num_train
    if num_crops < TIGHT_CROPS:
        decide_fewer_pixels(plan, situation)
        pace = Pace.measure(plan, situation)
    elif (
        num_crops > AMPLE_CROPS
        and plan.get("model.config") == SLIM
        and not situation.has_few_images
    ):
        plan.decide("model.config", {}, "the budget is ample: the usual widths")
        pace = Pace.measure(plan, situation)
    epochs = pace.count_epochs(budget_s)
    if epochs < 1:
        raise _explain_budget(budget, pace, situation.num_train)
    plan.decide(
        "schedule.epochs",
        epochs,
        f"measured here: {pace.epoch_s:.1f} s per epoch, {pace.validation_s:.1f} s per "
        f"validation; {budget_s / 60:.1f} min to train",
    )
    _decide_validations(plan, pace.count_validations(budget_s))


def _explain_budget(budget: Budget, pace: "Pace", num_train: int) -> ConfigError:
    """Say what the shortest run needs, in whole seconds."""
    shortest_s = (pace.epoch_s + MIN_VALIDATIONS * pace.validation_s) / PLANNED_RATIO
    needed_s = math.ceil(budget.reserved_s + shortest_s)
    return ConfigError(
        f"--budget {budget.total_s:g}s is too short: at least {needed_s} s are needed, "
        f"{budget.reserved_s:.0f} s to read the data and to finish, and {shortest_s:.0f} s for "
        f"one epoch of {format_count(num_train, 'image')} and its validations; give "
        f"--budget {needed_s}s or more"
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of an epoch and of a validation, measured on this machine."""

    epoch_s: float
    validation_s: float

    @classmethod
    def measure(cls, plan: Plan, situation: Situation) -> Self:
        """Measure the pace of the plan as decided so far."""
        recipe, machine = plan.recipe, situation.machine
        num_classes, size_HW = situation.num_classes, situation.facts.median_size_HW
        samples = recipe.data.batch_size * recipe.optim.accumulate
        sample_s = situation.sample_seconds(recipe)
        step_s = measure_step_seconds(recipe, num_classes, machine, num_steps=10)
        step_s = step_s * recipe.optim.accumulate + samples * sample_s
        image_s = measure_validation_seconds(recipe, size_HW, num_classes, machine)
        return cls(
            epoch_s=math.ceil(situation.num_train / samples) * step_s,
            validation_s=(image_s + sample_s) * situation.num_val,
        )

    def count_validations(self, budget_s: float) -> int:
        """Validations in a budget: a tenth of the time at most, but two or more."""
        fitting = int(VALIDATION_RATIO * max(0.0, budget_s) / self.validation_s)
        return min(MAX_VALIDATIONS, max(MIN_VALIDATIONS, fitting))

    def count_epochs(self, budget_s: float) -> int:
        """Whole epochs in a budget, next to the validations."""
        validations_s = self.count_validations(budget_s) * self.validation_s
        return max(0, int((budget_s * PLANNED_RATIO - validations_s) / self.epoch_s))


def _decide_validations(plan: Plan, num_validations: int) -> None:
    epochs = int(plan.get("schedule.epochs"))
    every = max(1, math.ceil(epochs / num_validations))
    plan.decide("schedule.validate_every", every, f"at most {num_validations} validations")
