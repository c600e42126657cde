"""A dataset and a machine to plan for, without either: times pass on a clock of their own."""

from dataclasses import dataclass, field

import numpy as np

from maskwright.data.facts import Facts
from maskwright.data.values import ValueSample
from maskwright.training.machine import Machine
from maskwright.training.planning.situation import Situation

CPU = Machine("cpu", "CPU", 2, 8 << 30)
FREE = {"model.encoder_weights": "none", "optim.precision": "fp32"}
"""Nothing is measured, and the rest is for the plan to decide."""


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self):
        return self.now_s


@dataclass
class Measured:
    """Takes `seconds` for each of up to six runs, as a measurement with a limit does."""

    seconds: float
    pixels: float
    clock: Clock = field(default_factory=Clock)
    calls: int = 0

    def __call__(self, recipe, limit_s):
        self.calls += 1
        of_recipe = {
            "step": recipe.data.batch_size * recipe.data.crop_px[0] * recipe.data.crop_px[1],
            "image": recipe.input.scale_ratio**2,
        }["step" if self.pixels > 100 else "image"]
        seconds = self.seconds * of_recipe / self.pixels
        spent_s = 0.0
        for _ in range(6):
            if spent_s and spent_s > limit_s:
                break
            spent_s += seconds
        self.clock.now_s += spent_s
        return seconds


def make_values(channels=3, max_value=255, **changes):
    """A sample of two pixels, 0 and `max_value`, of images without a modality or a place."""
    values = np.repeat(np.array([[0], [max_value]], np.float32), channels, axis=1)
    type_ = "uint8" if max_value == 255 else "uint16"
    kept = {"values_PC": values, "foreground_PC": values, "of_class": {}}
    kept |= {"types": frozenset({type_}), "modalities": {None: 50}}
    return ValueSample(**(kept | changes))


def situation(machine=CPU, *, clock=None, step_s=0.1, image_s=0.05, **changes):
    facts = {
        "num_images": {"train": 50},
        "channels": 3,
        "max_value": 255,
        "median_size_HW": (360, 480),
        "class_share_C": (0.9, 0.099, 0.001),
        "object_area_px_C": (9000.0, 400.0, 90.0),
        "mean": (0.4, 0.4, 0.4),
        "std": (0.2, 0.2, 0.2),
        "values": make_values(changes.get("channels", 3), changes.get("max_value", 255)),
        "counts_NC": np.ones((50, 3), np.int64),
    }
    clock = clock or Clock()
    return Situation(
        facts=Facts(**(facts | changes)),
        num_classes=3,
        num_val=10,
        sample_seconds=lambda _recipe: 0.001,
        step_seconds=Measured(step_s, 4 * 352 * 352, clock),
        image_seconds=Measured(image_s, 1.0, clock),
        slowness=lambda: 1.0,
        splits=("train", "val"),
        machine=machine,
    )
