"""Verdicts on images of a model with a rule for them: missed and falsely reported images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.labels import IGNORE
from ...core.scores import Values, ratio
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText

Flags = NDArray[np.bool_]

TITLE = "Verdicts"
ORDER = 5
NOTE = (
    "A class is reported in an image by the thresholds in the Bundle; the image shows it where "
    "the truth has a pixel of it. Images without a labelled pixel do not count."
)
MAIN = "miss_rate"
NEEDS_LOGITS = True
WEIGHTS = ("images_showing", "images_without")
TEXTS = {
    "miss_rate": ScoreText(
        "Images missed", "that show the class (over the set: any) and are not reported"
    ),
    "false_alarm_rate": ScoreText(
        "Images falsely reported", "that do not show the class (over the set: any)"
    ),
}
_NAMES = ("images_showing", "images_missed", "images_without", "images_false")


def is_on(detail: ScoreDetail) -> bool:
    """Where the model has a rule for verdicts."""
    return bool(detail.reported)


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Images by class, (C,), and for any class of the rule, ()."""
    flags_3C: Flags = np.zeros((3, image.maps[2]), np.bool_)
    shown_C, reported_C, counted_C = flags_3C
    chosen = list(detail.reported)
    counted_C[chosen] = bool((image.truth_HW != IGNORE).any())
    for index in chosen:
        shown_C[index] = (image.truth_HW == index).any()
    if image.model is not None and image.model.decision.reported is not None:
        reported_C[list(image.model.decision.reported)] = True
    by_class, of_any = _count(flags_3C), _count(flags_3C.any(axis=1, keepdims=True))
    return {**by_class, **{f"any_{name}": value[0] for name, value in of_any.items()}}


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """`miss_rate` and `false_alarm_rate` of any class of the rule, and of each."""
    return Scores(overall=_rates(counts, "any_"), classes=_rates(counts, ""))


def _count(flags_3C: Any) -> dict[str, NDArray[np.int64]]:
    """Images by class, from whether it is shown, reported, and counted."""
    shown, reported, counted = flags_3C
    values = (
        counted & shown,
        counted & shown & ~reported,
        counted & ~shown,
        counted & ~shown & reported,
    )
    return dict(zip(_NAMES, (np.asarray(v, np.int64) for v in values), strict=True))


def _rates(counts: Counts, prefix: str) -> dict[str, Values]:
    showing, missed, without, false = (counts[prefix + name] for name in _NAMES)
    return {"miss_rate": ratio(missed, showing), "false_alarm_rate": ratio(false, without)}
