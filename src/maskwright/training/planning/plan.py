"""Facts -> recipe: every value explicit, each decision with its reason.

The order is nnU-Net's (Isensee et al. 2021): measure the data and the machine, derive what
follows from them by fixed rules, and leave the rest at defaults that were found to work. With
a budget, a few steps are timed and the schedule is cut to end within it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from maskwright.core.errors import ConfigError
from maskwright.data.facts import Facts
from maskwright.nn.build import load_arch
from maskwright.nn.encoders import fits_file
from maskwright.nn.protocols import OWN

from ..machine import Machine, measure_step_seconds, measure_validation_seconds
from ..recipe import Recipe, override, to_yaml
from . import few_images
from .rare_classes import decide_rare_classes

MULTIPLE = 32
ENCODERS = {"cpu": "mobilenet_v2", "cuda": "resnet50"}
KNOWN_ENCODERS = ("mobilenet_v2", "resnet18", "resnet34", "resnet50")
CROP_PX = {"cpu": 352, "cuda": 512}
BATCH = {"cpu": 4, "cuda": 16}
SAMPLES = {"cpu": 8_000, "cuda": 60_000}
LEAST_EPOCHS, MOST_EPOCHS = 10, 500
LARGE_PX = {"cpu": 640_000, "cuda": 2_000_000}
OBJECT_PX = 28.0
MAX_SCALE = 2.0
SLIM = {"pyramid_channels": 128, "decoder_channels": 64}
POOR_CROPS, RICH_CROPS = 3_000, 40_000
SMALL_CROP_PX = 256
LOOKS, LOOK_RATIO = 10, 0.1
SPARE_RATIO = 0.88
"""Share of a budget that is planned; the rest absorbs what the timing did not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a plan is for.

    `facts` are of the training images; `sample_seconds` times the reading and augmenting of
    one under a recipe.
    """

    facts: Facts
    num_classes: int
    num_val: int
    sample_seconds: Callable[[Recipe], float]
    splits: tuple[str, str]
    machine: Machine

    @property
    def num_train(self) -> int:
        """Training images."""
        return len(self.facts.counts_NC)

    @property
    def has_few(self) -> bool:
        """Whether these are so few that a smaller model and more augmentation are wise."""
        return few_images.is_few(self.num_train)


@dataclass(slots=True)
class Plan:
    """A recipe in the making: values by dotted key, and the reason of each decision.

    What the user set holds, whatever is decided.
    """

    settings: Mapping[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, value in self.settings.items():
            self.values[key], self.reasons[key] = value, "given"
        override(Recipe(), {k: v for k, v in self.settings.items() if k not in _SHAPES})

    def decide(self, key: str, value: Any, reason: str) -> None:
        """Set one value and say why."""
        if key not in self.settings:
            self.values[key], self.reasons[key] = value, reason

    def keep(self, key: str, reason: str) -> None:
        """Leave a default and say why."""
        self.reasons.setdefault(key, reason)

    def get(self, key: str) -> Any:
        """The value as it stands."""
        section, _, name = key.partition(".")
        return self.values.get(key, getattr(getattr(Recipe(), section), name))

    @property
    def recipe(self) -> Recipe:
        """What has been decided so far, over the defaults."""
        return override(Recipe(), self.values)

    def to_yaml(self) -> str:
        """recipe.yaml."""
        return to_yaml(self.recipe, self.reasons)


_SHAPES = ("input.channels", "input.mean", "input.std", "input.max_value", "augment.jpeg")
"""Settings that are only right together; checked when all are decided."""


def make_plan(
    situation: Situation, settings: Mapping[str, Any], *, budget_s: float | None = None
) -> Plan:
    """Decide every value of a recipe.

    Args:
        situation: Data and machine.
        settings: Values given by the user; they hold, and the rest is planned around them.
        budget_s: Seconds in which training, with its validations, is to end.

    Raises:
        ConfigError: A setting is no key of a recipe or has a wrong value, or the budget is
            too short for one epoch.
    """
    plan = Plan(settings)
    for step in (_splits, _model, _input, _crops, _rare, _augment, _learning, _precision):
        step(plan, situation)
    if budget_s is None:
        _full_schedule(plan, situation)
    else:
        _timed_schedule(plan, situation, budget_s)
    epochs = int(plan.get("schedule.epochs"))
    stronger = few_images.stronger_augmentation(situation.num_train, epochs)
    for key, (value, reason) in stronger.items():
        plan.decide(key, value, reason)
    return plan


def _splits(plan: Plan, situation: Situation) -> None:
    train, val = situation.splits
    plan.decide("data.train_split", train, f"{situation.num_train} images")
    plan.decide("data.val_split", val, f"{situation.num_val} images")


def _input(plan: Plan, situation: Situation) -> None:
    facts, device = situation.facts, situation.machine.device
    plan.decide("input.channels", facts.channels, "what the images have")
    plan.decide("input.max_value", facts.max_value, "what their pixels are stored in")
    as_learnt = facts.channels == 3 and plan.get("model.encoder_weights") != "none"
    for key, values in (("input.mean", facts.mean), ("input.std", facts.std)):
        if as_learnt:
            plan.keep(key, "what the encoder learnt with")
        else:
            plan.decide(key, [round(v, 4) for v in values], "of the training images")
    ratio, reason = _scale(facts, LARGE_PX[device])
    plan.decide("input.scale_ratio", ratio, reason)


def _scale(facts: Facts, large_px: int) -> tuple[float, str]:
    """Large images shrink, images with small objects grow; 1 where neither matters much."""
    height, width = facts.median_size_HW
    reason = f"the median image is {height} x {width} px"
    to_fit = math.sqrt(large_px / (height * width))
    areas = [a for a in facts.object_area_px_C if a]
    to_see = OBJECT_PX / math.sqrt(min(areas)) if areas else 0.0
    if to_see > min(1.0, to_fit):
        reason += f", objects of the smallest class are {OBJECT_PX / to_see:.0f} px across"
    ratio = min(max(min(1.0, to_fit), to_see), MAX_SCALE)
    return (1.0 if 0.85 < ratio < 1.15 else round(ratio, 2)), reason


def _model(plan: Plan, situation: Situation) -> None:
    plan.decide("model.arch", "fpn", "best on thin and small things in the same time")
    own = load_arch(str(plan.get("model.arch"))).ENCODERS
    if own is not None and own[0] == OWN:
        plan.decide("model.encoder", OWN, "the architecture is a network of its own")
        plan.decide("model.encoder_weights", "none", "there are none for it")
        return
    device, weights = situation.machine.device, str(plan.get("model.encoder_weights"))
    encoder, reason = _encoder(situation)
    if own is not None:
        encoder, reason = own[0], "the default encoder of the architecture"
    elif weights not in {"imagenet", "none"} and "model.encoder" not in plan.settings:
        fitting = [e for e in KNOWN_ENCODERS if fits_file(e, weights)]
        if not fitting:
            raise ConfigError(
                f"encoder weights {weights}: of no encoder that the plan knows; name theirs "
                f"with --set model.encoder=NAME"
            )
        encoder, reason = fitting[0], "the encoder that the weights file holds"
    plan.decide("model.encoder", encoder, reason)
    plan.keep("model.encoder_weights", "far fewer images are needed than from nothing")
    if plan.get("model.arch") == "fpn" and (device == "cpu" or situation.has_few):
        plan.decide("model.config", SLIM, _why_slim(situation))


def _encoder(situation: Situation) -> tuple[str, str]:
    device = situation.machine.device
    if device == "cuda" and situation.has_few:
        few, usual = few_images.why(situation.num_train), ENCODERS[device]
        return few_images.SMALLER_ENCODER, f"{few}: smaller than {usual}, not measured here"
    return ENCODERS[device], f"the best found for training on a {device}"


def _why_slim(situation: Situation) -> str:
    reasons = []
    if situation.machine.device == "cpu":
        reasons.append("a third faster on a CPU")
    if situation.has_few:
        reasons.append(f"{few_images.why(situation.num_train)}, a smaller model fits them less")
    return f"half the usual widths: {'; '.join(reasons)}"


def _crops(plan: Plan, situation: Situation) -> None:
    device, ratio = situation.machine.device, plan.get("input.scale_ratio")
    side = CROP_PX[device]
    crop = [min(side, _up(n * ratio)) for n in situation.facts.median_size_HW]
    plan.decide("data.crop_px", crop, f"at most {side} px a side, in multiples of {MULTIPLE}")
    reason = "more, smaller steps" if device == "cpu" else "fills the device"
    plan.decide("data.batch_size", BATCH[device], reason)
    if device == "cpu":
        plan.decide("data.workers", 0, "the step itself uses all cores")
    else:
        cores = situation.machine.cores
        plan.decide("data.workers", min(8, max(1, cores - 1)), f"of {cores} cores")


def _rare(plan: Plan, situation: Situation) -> None:
    for key, (value, reason) in decide_rare_classes(situation.facts).items():
        plan.decide(key, value, reason)


def _augment(plan: Plan, situation: Situation) -> None:
    facts = situation.facts
    if facts.channels not in {1, 3} or facts.max_value != 255:
        plan.decide("augment.jpeg", 0.0, "JPEG knows 8-bit images of 1 or 3 channels only")


def _learning(plan: Plan, situation: Situation) -> None:
    if plan.get("model.encoder_weights") == "none":
        plan.decide("optim.encoder_lr_ratio", 1.0, "it has learnt nothing yet")
    else:
        plan.keep("optim.encoder_lr_ratio", "the encoder knows much already")
    if situation.machine.device == "cpu":
        plan.keep("optim.lr", "the best found for small batches")
    else:
        plan.decide("optim.lr", 5e-4, "a usual value for large encoders; not tuned here")


def _precision(plan: Plan, situation: Situation) -> None:
    """Measured: bfloat16 where it gains a tenth or more here."""
    if "optim.precision" in plan.settings:
        return
    seconds = {}
    for precision in ("fp32", "bf16"):
        plan.decide("optim.precision", precision, "")
        seconds[precision] = measure_step_seconds(
            plan.recipe, situation.num_classes, situation.machine
        )
    plan.decide(
        "optim.precision",
        "bf16" if seconds["fp32"] > 1.1 * seconds["bf16"] else "fp32",
        f"measured here: a step takes {seconds['fp32']:.2f} s in fp32, "
        f"{seconds['bf16']:.2f} s in bf16",
    )


def _full_schedule(plan: Plan, situation: Situation) -> None:
    samples, num = SAMPLES[situation.machine.device], situation.num_train
    epochs = min(MOST_EPOCHS, max(LEAST_EPOCHS, math.ceil(samples / num)))
    few = ", few, so each is seen often" if situation.has_few else ""
    plan.decide("schedule.epochs", epochs, f"{epochs * num} crops from {num} images{few}")
    _looks(plan, LOOKS)


def _timed_schedule(plan: Plan, situation: Situation, budget_s: float) -> None:
    """Time a few steps; a tight budget sees fewer pixels, an ample one takes more model."""
    pace = _Pace.of(plan, situation)
    crops = pace.epochs_in(budget_s) * situation.num_train
    if crops < POOR_CROPS:
        _save_time(plan, situation)
        pace = _Pace.of(plan, situation)
    elif crops > RICH_CROPS and plan.get("model.config") == SLIM and not situation.has_few:
        plan.decide("model.config", {}, "the budget is ample: the usual widths")
        pace = _Pace.of(plan, situation)
    epochs = pace.epochs_in(budget_s)
    if epochs < 1:
        raise ConfigError(
            f"--budget leaves {budget_s / 60:.1f} min to train, too short: one epoch of "
            f"{situation.num_train} images takes {pace.epoch_s / 60:.1f} min here and "
            f"a validation {pace.look_s / 60:.1f} min; give more time"
        )
    plan.decide(
        "schedule.epochs",
        epochs,
        f"measured here: {pace.epoch_s:.1f} s an epoch, {pace.look_s:.1f} s a validation; "
        f"{budget_s / 60:.1f} min to train",
    )
    _looks(plan, pace.looks_in(budget_s))


def _save_time(plan: Plan, situation: Situation) -> None:
    """Images are no longer enlarged; where they were not, crops are smaller."""
    if plan.get("input.scale_ratio") > 1:
        plan.decide("input.scale_ratio", 1.0, "the budget is too tight for enlarging")
        _crops(plan, situation)
        return
    small = [min(SMALL_CROP_PX, side) for side in plan.get("data.crop_px")]
    plan.decide("data.crop_px", small, "the budget is tight: more crops, but smaller ones")


@dataclass(frozen=True, slots=True)
class _Pace:
    """Seconds of an epoch and of a validation, measured on this machine."""

    epoch_s: float
    look_s: float

    @classmethod
    def of(cls, plan: Plan, situation: Situation) -> "_Pace":
        recipe, machine = plan.recipe, situation.machine
        samples = recipe.data.batch_size * recipe.optim.accumulate
        step_s = measure_step_seconds(recipe, situation.num_classes, machine, num_steps=10)
        sample_s = situation.sample_seconds(recipe)
        step_s = step_s * recipe.optim.accumulate + samples * sample_s
        size_HW = situation.facts.median_size_HW
        look_s = (
            measure_validation_seconds(recipe, size_HW, situation.num_classes, machine)
            + sample_s
        )
        steps = math.ceil(situation.num_train / samples)
        return cls(steps * step_s, look_s * situation.num_val)

    def looks_in(self, budget_s: float) -> int:
        """Validations that take a tenth of the time at most, but two at least."""
        return min(LOOKS, max(2, int(LOOK_RATIO * budget_s / self.look_s)))

    def epochs_in(self, budget_s: float) -> int:
        """Whole epochs that end in time, validations included."""
        looks_s = self.looks_in(budget_s) * self.look_s
        return max(0, int((budget_s * SPARE_RATIO - looks_s) / self.epoch_s))


def _looks(plan: Plan, looks: int) -> None:
    every = max(1, math.ceil(int(plan.get("schedule.epochs")) / looks))
    plan.decide(
        "schedule.validate_every", every, f"at most {looks} looks at the validation images"
    )


def _up(length: float) -> int:
    """The next multiple of 32, at least 64."""
    return max(64, math.ceil(length / MULTIPLE) * MULTIPLE)
