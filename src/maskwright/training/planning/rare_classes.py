"""Decisions for rare classes, and the figures that support them.

The figures are from benchmarks/imbalance.md: short runs on two datasets, means over the seeds,
of the classes with under 0.2 % of the pixels. What rare objects put into crops add to the
remedy chosen is from benchmarks/recipes.md. Tests compare them with the results of these
benchmarks, and check that over both datasets no other remedy was better than the one chosen.
"""

from collections.abc import Iterator

from maskwright.data.facts import Facts
from maskwright.pages.text import format_subject

RARE_RATIO = 0.02
SOURCE = "benchmarks/imbalance.md"
SETS = ("magnetic_tile", "streets")
RARE_IOU = {
    "plain": (3, 1),
    "copy_paste": (23, 21),
    "rare_crops": (27, 19),
    "dice": (15, 13),
    "lovasz": (12, 15),
    "dice_rare_crops": (28, 46),
}
"""Mean IoU in % on each of `SETS`, by the name that the benchmark gives the remedy."""

PASTE_SOURCE = "benchmarks/recipes.md"
PASTE_GAIN = {"magnetic_tile": (-0.2, 12.3), "camvid": (-0.3, 2.0)}
"""The 95 % interval of the gain of `data.copy_paste` 0.5 beside the remedy chosen, in points of
mIoU after some 250 steps."""

WEIGHTS_RECALL, WEIGHTS_PRECISION = 84, 9
"""In %, of the rare classes on the first dataset, with weights 1 / pixel share."""


def count_rare_classes(facts: Facts) -> int:
    """Classes that occur, but in less than `RARE_RATIO` of the pixels."""
    return sum(0 < share < RARE_RATIO for share in facts.class_share_C)


def decide_rare_classes(facts: Facts) -> dict[str, tuple[object, str]]:
    """Values for rare classes, each with its reason; milder ones where no class is rare."""
    num_rare = count_rare_classes(facts)
    subject = format_subject(num_rare, "class has", "classes have")
    counted = f"{subject} under {RARE_RATIO:.0%} of the pixels"
    loss = "cross-entropy for every pixel, Dice so that each class counts"
    if not num_rare:
        return {
            "data.rare_share": (0.25, counted),
            "loss.sum": ("ce+dice", loss),
            "loss.class_weights": ("none", "no class is rare"),
        }
    measured = _decide_measured(counted, loss)
    return {key: (value, f"{reason} ({SOURCE})") for key, (value, reason) in measured}


def _decide_measured(counted: str, loss: str) -> Iterator[tuple[str, tuple[object, str]]]:
    both, plain = _format_iou("dice_rare_crops"), _format_iou("plain")
    sets = " and ".join(SETS)
    crops = f"crops and Dice {both}, crops alone {_format_iou('rare_crops')}, neither {plain}"
    yield "data.rare_share", (0.5, f"{counted}; IoU of rare ones on {sets}: {crops}")
    gains = (f"{low:+g} to {high:+g} on {name}" for name, (low, high) in PASTE_GAIN.items())
    added = f"0.5 beside crops and Dice: {' and '.join(gains)}, in points of mIoU"
    alone = f"alone {_format_iou('copy_paste')}, crops and Dice {both}"
    paste = f"{added}, in short runs ({PASTE_SOURCE}); {alone}"
    yield "data.copy_paste", (0.0, paste)
    alone = f"alone {_format_iou('dice')} (Lovász {_format_iou('lovasz')})"
    yield "loss.sum", ("ce+dice", f"{loss}: {alone}, with rare crops {both}")
    weights = (
        f"weights 1 / pixel share found {WEIGHTS_RECALL} % of rare pixels on {SETS[0]}, but "
        f"only {WEIGHTS_PRECISION} % of the pixels predicted as rare were right"
    )
    yield "loss.class_weights", ("none", weights)


def _format_iou(remedy: str) -> str:
    return " and ".join(f"{value} %" for value in RARE_IOU[remedy])
