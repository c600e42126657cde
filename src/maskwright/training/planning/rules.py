"""Facts -> recipe: every value explicit, each decision with its reason.

The order is that of nnU-Net (Isensee et al. 2021): measure the data and the machine, derive
the values that follow from them by fixed rules, and leave the rest at defaults that were found
to work.
"""

import math

from maskwright.pages.text import format_count

from ..model_options import NONE
from ..pace import Budget
from ..recipe import Settings
from . import few_images
from .flips import decide_flips
from .intensity import decide_intensity
from .minutes import explain_minutes
from .network import decide_network
from .plan import Plan
from .rare_classes import decide_rare_classes
from .rates import decide_rates
from .schedule import (
    PLANNING_RATIO,
    decide_full_schedule,
    decide_timed_schedule,
    require_time,
)
from .situation import Situation
from .sizes import decide_crops, decide_scale
from .timing import Timing

BATCH = {"cpu": 4, "cuda": 16}
MOST_OF_FROZEN_BATCH = 4
"""The batch for which frozen statistics were measured to be better on CT."""


def make_plan(
    situation: Situation,
    settings: Settings,
    *,
    budget: Budget | None = None,
    explain: bool = False,
) -> Plan:
    """Decide every value of a recipe.

    Args:
        situation: Data and machine.
        settings: Values given by the user; they are kept, and the rest is planned around them.
        budget: Seconds in which the run has to end; None for the usual number of crops.
        explain: Measure what the parts of the run take, too.

    Raises:
        ConfigError: A setting is not a key of a recipe or has a wrong value, or the budget is
            too short for a few steps.
    """
    if budget is not None:
        require_time(budget)
    plan = Plan(settings)
    for decide in (
        _decide_splits,
        decide_network,
        decide_intensity,
        decide_scale,
        decide_crops,
        _decide_loading,
        _decide_norm,
        _decide_for_rare_classes,
        decide_flips,
    ):
        decide(plan, situation)
    timing = Timing(situation, math.inf)
    if budget is not None:
        timing = Timing(situation, PLANNING_RATIO * budget.total_s, budget.clock)
    _decide_precision(plan, situation, timing)
    if budget is None:
        decide_full_schedule(plan, situation)
    else:
        plan.pace = decide_timed_schedule(plan, situation, timing, budget)
    decide_rates(plan, situation)
    _decide_for_few_images(plan, situation)
    if explain:
        plan.minutes = explain_minutes(plan.recipe, situation, timing, budget)
    return plan


def _decide_splits(plan: Plan, situation: Situation) -> None:
    train, val = situation.splits
    plan.decide("data.train_split", train, format_count(situation.num_train, "image"))
    plan.decide("data.val_split", val, format_count(situation.num_val, "image"))


def _decide_loading(plan: Plan, situation: Situation) -> None:
    device, cores = situation.machine.planned_as, situation.machine.cores
    reason = "more, smaller steps" if device == "cpu" else "fills the device"
    plan.decide("data.batch_size", BATCH[device], reason)
    if device == "cpu":
        plan.decide("data.workers", 0, "the step itself uses all cores")
    else:
        plan.decide("data.workers", min(8, max(1, cores - 1)), f"the machine has {cores} cores")


def _decide_norm(plan: Plan, _situation: Situation) -> None:
    """Keep the statistics of a pretrained encoder where Hounsfield units tell classes apart.

    Those of a small batch change with the classes that are in it. Reflectance is left as it
    is: with frozen statistics, land reached 88.3 % mIoU, and 92.4 without
    (benchmarks/medgeo.md).
    """
    is_small = plan.get("data.batch_size") <= MOST_OF_FROZEN_BATCH
    pretrained = plan.get("model.encoder_weights") != NONE
    if plan.get("input.kind") == "ct" and pretrained and is_small:
        reason = "absolute values tell classes apart, and statistics of small batches hide them"
        plan.decide("model.norm", "frozen", reason)


def _decide_for_rare_classes(plan: Plan, situation: Situation) -> None:
    for key, (value, reason) in decide_rare_classes(situation.facts).items():
        plan.decide(key, value, reason)


def _decide_precision(plan: Plan, situation: Situation, timing: Timing) -> None:
    """Take bfloat16 where a step is faster by a tenth or more, measured on this machine."""
    if "optim.precision" in plan.settings:
        return
    if not situation.machine.has_bf16:
        plan.decide("optim.precision", "fp32", "the processor has no instructions for bf16")
        return
    seconds = {}
    for precision in ("fp32", "bf16"):
        plan.decide("optim.precision", precision, "")
        if not timing.has_time:
            plan.decide("optim.precision", "fp32", "the budget is too short to measure others")
            return
        seconds[precision] = timing.step_seconds(plan.recipe)
    plan.decide(
        "optim.precision",
        "bf16" if seconds["fp32"] > 1.1 * seconds["bf16"] else "fp32",
        f"measured here: a step takes {seconds['fp32']:.2f} s in fp32, "
        f"{seconds['bf16']:.2f} s in bf16",
    )


def _decide_for_few_images(plan: Plan, situation: Situation) -> None:
    epochs = int(plan.get("schedule.epochs"))
    stronger = few_images.decide_augmentation(situation.num_train, epochs)
    for key, (value, reason) in stronger.items():
        if plan.get(key):  # what is off stays off
            plan.decide(key, value, reason)
