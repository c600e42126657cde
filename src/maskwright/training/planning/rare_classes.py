"""What a plan does for rare classes, and the figures that speak for it.

The figures are from benchmarks/imbalance.md: short runs on two sets, means over the seeds, of
the classes with under 0.2 % of the pixels. Tests hold them against the results of that
benchmark, and that over both sets nothing measured there was better than what is taken.
"""

from collections.abc import Iterator
from typing import Any

from maskwright.data.facts import Facts

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
"""Mean IoU in %, by remedy as that script names it: on each of `SETS`."""

WEIGHTS_RECALL, WEIGHTS_PRECISION = 84, 9
"""Of the rare classes, in % on the first set, under weights 1 / pixel share."""


def decide_rare_classes(facts: Facts) -> dict[str, tuple[Any, str]]:
    """Values for rare classes, each with its reason; without such classes, milder ones."""
    num_rare = sum(0 < share < RARE_RATIO for share in facts.class_share_C)
    found = f"{num_rare} classes have under {RARE_RATIO:.0%} of the pixels"
    loss = "cross-entropy for every pixel, Dice so that each class counts"
    if not num_rare:
        return {
            "data.rare_share": (0.25, found),
            "loss.sum": ("ce+dice", loss),
            "loss.class_weights": ("none", "no class is rare"),
        }
    return {key: (value, f"{why} ({SOURCE})") for key, (value, why) in _taken(found, loss)}


def _taken(found: str, loss: str) -> Iterator[tuple[str, tuple[Any, str]]]:
    both, plain = _shown("dice_rare_crops"), _shown("plain")
    sets = " and ".join(SETS)
    crops = f"crops and Dice {both}, crops alone {_shown('rare_crops')}, neither {plain}"
    yield "data.rare_share", (0.5, f"{found}; IoU of rare ones on {sets}: {crops}")
    paste = f"alone {_shown('copy_paste')}, crops and Dice {both}; all three not measured"
    yield "data.copy_paste", (0.0, paste)
    alone = f"alone {_shown('dice')} (Lovász {_shown('lovasz')})"
    yield "loss.sum", ("ce+dice", f"{loss}: {alone}, with rare crops {both}")
    weights = (
        f"weights 1 / pixel share found {WEIGHTS_RECALL} % of rare pixels on {SETS[0]}, but "
        f"only {WEIGHTS_PRECISION} % of what they called rare was"
    )
    yield "loss.class_weights", ("none", weights)


def _shown(remedy: str) -> str:
    return " and ".join(f"{value} %" for value in RARE_IOU[remedy])
