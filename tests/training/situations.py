"""A dataset and a machine to plan for, without either."""

import numpy as np

from maskwright.data.facts import Facts
from maskwright.training.machine import Machine
from maskwright.training.planning.situation import Situation

CPU = Machine("cpu", "CPU", 2, 8 << 30)
FREE = {"model.encoder_weights": "none", "optim.precision": "fp32"}
"""Nothing is measured, and the rest is for the plan to decide."""


def situation(machine=CPU, **changes):
    facts = {
        "num_images": {"train": 50},
        "channels": 3,
        "max_value": 255,
        "median_size_HW": (360, 480),
        "class_share_C": (0.9, 0.099, 0.001),
        "object_area_px_C": (9000.0, 400.0, 90.0),
        "mean": (0.4, 0.4, 0.4),
        "std": (0.2, 0.2, 0.2),
        "counts_NC": np.ones((50, 3), np.int64),
    }
    return Situation(
        facts=Facts(**(facts | changes)),
        num_classes=3,
        num_val=10,
        sample_seconds=lambda _recipe: 0.001,
        splits=("train", "val"),
        machine=machine,
    )
