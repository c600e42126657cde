"""Agreement of annotators: disputed pixels, and Cohen's kappa and Dice of each pair.

A pixel counts where at least two annotators gave it a class, for a pair where both did. It is
disputed where their classes differ. The Dice of a class that neither of a pair used, and the
kappa of a pair that used one class only, are not defined: NaN here, null in JSON.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.confusion import Confusion
from ...core.labels import IGNORE
from ...core.scores import cohens_kappa, dice
from ...pages.text import format_small_share
from ..entries.scan import Entry
from .document import AnnotatorsDocument
from .findings import Findings

AnnotatorCode = Literal[
    "low-agreement",
    "disputed-image",
]
"""Kinds of findings on several annotators."""

LOW_KAPPA = 0.6
"""Landis and Koch 1977: up to here agreement is moderate or less."""


@dataclass(slots=True, kw_only=True)
class Annotators:
    """Masks of each annotator and their agreement, counted over all images.

    `disputed_N` is the share of disputed pixels of each image, in [0, 1].
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    disputed_N: NDArray[np.float64]
    masks: Counter[str] = field(default_factory=Counter)
    images: Counter[tuple[str, str]] = field(default_factory=Counter)
    pairs: dict[tuple[str, str], Confusion] = field(default_factory=dict)
    shared_px: int = 0
    disputed_px: int = 0

    def add(self, row: int, votes_AHW: NDArray[np.uint8]) -> None:
        """Count one image."""
        valid_AHW = votes_AHW != IGNORE
        highest_HW = np.where(valid_AHW, votes_AHW, 0).max(axis=0)
        shared_HW = valid_AHW.sum(axis=0) > 1
        shared = int(shared_HW.sum())
        disputed = int((shared_HW & (votes_AHW.min(axis=0) != highest_HW)).sum())
        self.shared_px += shared
        self.disputed_px += disputed
        self.disputed_N[row] = disputed / max(shared, 1)
        votes = dict(zip(self.names, votes_AHW, strict=True))
        self.masks.update(name for name in votes if (votes[name] != IGNORE).any())
        for one, other in combinations(self.names, 2):
            both_HW = np.where(votes[other] == IGNORE, np.uint8(IGNORE), votes[one])
            confusion = Confusion.from_labels(both_HW, votes[other], len(self.classes))
            if confusion.num_pixels:
                so_far = self.pairs.get((one, other), Confusion.zero(len(self.classes)))
                self.pairs[one, other] = so_far + confusion
                self.images[one, other] += 1

    def report(self, entries: tuple[Entry, ...], findings: Findings[AnnotatorCode]) -> None:
        """Add findings: disputed images, worst first, and pairs of annotators who disagree."""
        order = np.argsort(-self.disputed_N, kind="stable")
        for row in order[self.disputed_N[order] > 0].tolist():
            share = f"{format_small_share(self.disputed_N[row])} of the pixels"
            findings.add("disputed-image", entries[row].image, share)
        for pair, confusion in self.pairs.items():
            kappa = float(cohens_kappa(confusion))
            if kappa < LOW_KAPPA:
                findings.add("low-agreement", " and ".join(pair), f"kappa {kappa:.3f}")

    def to_json(self) -> AnnotatorsDocument:
        """Counts and scores, and one object per pair of annotators with a pixel in common."""
        total = sum(self.pairs.values(), start=Confusion.zero(len(self.classes)))
        return {
            "masks": {name: self.masks[name] for name in self.names},
            "shared_pixels": self.shared_px,
            "disputed_pixels": self.disputed_px,
            "dice": self._dice_by_class(total),
            "pairs": [
                {
                    "annotators": list(pair),
                    "images": self.images[pair],
                    "kappa": _to_json_number(cohens_kappa(confusion)),
                    "dice": self._dice_by_class(confusion),
                }
                for pair, confusion in self.pairs.items()
            ],
        }

    def _dice_by_class(self, confusion: Confusion) -> dict[str, float | None]:
        return dict(zip(self.classes, map(_to_json_number, dice(confusion)), strict=True))


def _to_json_number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
