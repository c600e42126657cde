"""The schedule: epochs and validations, by usual numbers or measured to fit a budget."""

import math

from maskwright.core.errors import ConfigError
from maskwright.pages.text import format_count

from ..finish import count_finish_images
from ..pace import MAX_VALIDATIONS, MIN_STEPS, PLANNED_RATIO, Budget, Pace
from .plan import SLIM, Plan
from .situation import Situation
from .sizes import decide_fewer_pixels, decide_half_scale
from .timing import Timing

NUM_CROPS = {"cpu": 8_000, "cuda": 60_000}
MIN_EPOCHS, MAX_EPOCHS = 10, 500
TIGHT_CROPS, AMPLE_CROPS = 3_000, 40_000
"""Crops in a budget below which pixels are saved, and above which the model is larger."""

ENLARGED_PASSES = 4.0
"""Passes over the pixels of all training images, at their scale, for which images are enlarged;
after 1.5 passes, magnetic tiles were at 41.5 % enlarged twofold, and at 44.3 % as they are, of
as many pixels (benchmarks/recipes.md)."""

BUSY = 3.0
"""Slowness from which a refusal speaks of other programs."""

LEAST_STARTS = 4
"""A run takes at least so many times the time of its start."""

PLANNING_RATIO = 0.1
"""Largest share of a budget that measurements for the plan take."""


def decide_full_schedule(plan: Plan, situation: Situation) -> None:
    """Train on the usual number of crops of the device."""
    num_crops, num_train = NUM_CROPS[situation.machine.planned_as], situation.num_train
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(num_crops / num_train)))
    few = ", few, so each is seen often" if situation.has_few_images else ""
    reason = f"{epochs * num_train:,} crops from {format_count(num_train, 'image')}{few}"
    plan.decide("schedule.epochs", epochs, reason)
    _decide_validations(plan, MAX_VALIDATIONS)


def require_time(budget: Budget) -> None:
    """Refuse a budget that is over before anything is measured.

    Raises:
        ConfigError: It is; the message names what the start took.
    """
    if budget.remaining_s > 0:
        return
    least_s = 5 * math.ceil(LEAST_STARTS * budget.spent_s / 5)
    raise ConfigError(
        f"--budget {budget.total_s:g}s is over before training: {budget.spent_s:.0f} s to "
        f"start and to read the data; give --budget {least_s}s or more, or end other programs"
    )


def decide_timed_schedule(
    plan: Plan, situation: Situation, timing: Timing, budget: Budget
) -> Pace:
    """Measure the pace of training and choose the steps that end within `budget`.

    A tight budget no longer enlarges images, then halves their scale; an ample one takes a
    larger model.

    Raises:
        ConfigError: `MIN_STEPS` steps do not fit.
    """
    read_s = budget.spent_s - timing.spent_s  # what was spent before anything was measured
    pace = _measure_pace(plan, situation, timing)
    num_crops = pace.count_steps(budget.remaining_s) * pace.samples
    passes = _count_passes(plan, situation, num_crops)
    if num_crops < TIGHT_CROPS or _enlarges_for_little(plan, passes):
        decide_fewer_pixels(plan, situation, passes)
        pace = _measure_pace(plan, situation, timing)
    elif (
        num_crops > AMPLE_CROPS
        and situation.initial is None
        and plan.get("model.config") == SLIM
        and not situation.has_few_images
    ):
        plan.decide("model.config", {}, "the budget is ample: the usual widths")
        pace = _measure_pace(plan, situation, timing)
    if pace.count_steps(budget.remaining_s) < MIN_STEPS:
        decide_half_scale(plan, situation)
        pace = _measure_pace(plan, situation, timing)
    steps = pace.count_steps(budget.remaining_s)
    if steps < MIN_STEPS:
        raise _explain_budget(budget, pace, read_s, timing.slowness or 1.0)
    _decide_steps(plan, situation, pace, budget)
    return pace


def _count_passes(plan: Plan, situation: Situation, num_crops: int) -> float:
    """How often so many crops show the pixels of all training images at the planned scale."""
    crop_height, crop_width = plan.get("data.crop_px")
    height, width = situation.facts.median_size_HW
    image_px = plan.get("input.scale_ratio") ** 2 * height * width
    return float(num_crops * crop_height * crop_width / (situation.num_train * image_px))


def _enlarges_for_little(plan: Plan, passes: float) -> bool:
    """Whether images would be enlarged, and then be seen hardly more than once."""
    is_enlarged = plan.get("input.scale_ratio") > 1 and "input.scale_ratio" not in plan.settings
    return is_enlarged and passes < ENLARGED_PASSES


def _decide_steps(plan: Plan, situation: Situation, pace: Pace, budget: Budget) -> None:
    """Whole epochs, or one epoch of fewer steps where not every image can be shown once."""
    steps, train_s = (
        pace.count_steps(budget.remaining_s),
        pace.count_train_seconds(budget.remaining_s),
    )
    whole = math.ceil(situation.num_train / pace.samples)
    epochs, per_epoch = (steps // whole, 0) if steps >= whole else (1, steps)
    plan.decide(
        "schedule.epochs",
        epochs,
        f"measured here: {pace.step_s:.2f} s per step, {pace.validation_s:.1f} s per "
        f"validation; {format_duration(train_s)} to train",
    )
    shown = "every image once" if not per_epoch else "all that the budget allows"
    plan.decide("schedule.steps_per_epoch", per_epoch, shown)
    _decide_validations(plan, pace.count_validations(train_s))


def _explain_budget(budget: Budget, pace: Pace, read_s: float, slowness: float) -> ConfigError:
    """Name the smallest budget that works, as measured, in whole seconds."""
    busy = ""
    if slowness >= BUSY:
        busy = f". Other programs take the machine now: work takes {slowness:.0f} times as long"
    shortest_s = (MIN_STEPS * pace.step_s + pace.validation_s) / PLANNED_RATIO
    fixed_s = read_s + pace.finish_s
    needed_s = 5 * math.ceil(1.05 * (fixed_s + shortest_s) / (1 - PLANNING_RATIO) / 5)
    return ConfigError(
        f"--budget {budget.total_s:g}s is too short: at least {needed_s} s are needed, "
        f"{fixed_s:.0f} s to read the data and to finish, {shortest_s:.0f} s for "
        f"{MIN_STEPS} steps and a validation, and a tenth to measure; give "
        f"--budget {needed_s}s or more{busy}"
    )


def format_duration(seconds: float) -> str:
    """`45 s`, or `2.5 min` from two minutes on; 0 s where `seconds` are negative."""
    seconds = max(0.0, seconds)
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _measure_pace(plan: Plan, situation: Situation, timing: Timing) -> Pace:
    """Measure the pace of the plan as decided so far."""
    recipe = plan.recipe
    samples = recipe.data.batch_size * recipe.optim.accumulate
    sample_s = timing.sample_seconds(recipe)
    step_s = timing.step_seconds(recipe) * recipe.optim.accumulate + samples * sample_s
    return Pace(
        step_s=step_s,
        image_s=timing.image_seconds(recipe),
        export_s=timing.export_seconds(),
        samples=samples,
        num_val=situation.num_val,
        finish_images=count_finish_images(situation.num_val),
    )


def _decide_validations(plan: Plan, num_validations: int) -> None:
    epochs = int(plan.get("schedule.epochs"))
    every = max(1, math.ceil(epochs / num_validations))
    noun = "validation" if num_validations == 1 else "validations"
    plan.decide("schedule.validate_every", every, f"at most {num_validations} {noun}")
