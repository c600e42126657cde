"""Tables of benchmarks/estimate.py beside its main one: fewer frames, and other methods.

Each division of the clip into halves gives numbers of both halves in each condition. A method
is fitted on the corrupted copies of one half, without those of the kind that is judged, and
says the mIoU of the other half.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from estimate_counts import PLAIN, Case, Counts, Known
from numpy.typing import NDArray

from maskwright.core.scores import iou, mean_iou
from maskwright.monitoring.estimate import LabelledGroup, find_thresholds, measure
from maskwright.monitoring.softcounts import find_present, measure_soft_iou

Values = NDArray[np.float64]
Division = tuple[Sequence[int], Sequence[int]]

METHODS = ("soft", "atc", "dice")
NUM_FRAMES = (12, 25, 0)
"""Frames of each half, evenly spread; 0 for all of it."""

FIT = "the mIoU of the fit"
COLUMNS: Mapping[str, Sequence[int]] = {
    "plain": (0,),
    "1 to 3": (1, 2, 3),
    "4 and 5": (4, 5),
    "all": (0, 1, 2, 3, 4, 5),
}
"""Severities of the columns of the table of methods."""

RIDGE = 0.01
"""Weight of the squared slopes beside squared errors, all in shares of 1."""


@dataclass(frozen=True)
class Half:
    """One half of the clip in each condition.

    `numbers` has those of METHODS, `images` the mean soft IoU of single frames, and
    `soft_C` and `true_C` the IoU of each class, NaN where it is absent.
    """

    miou: Mapping[Case, float]
    numbers: Mapping[Case, Values]
    images: Mapping[Case, float]
    soft_C: Mapping[Case, Values]
    true_C: Mapping[Case, Values]


@dataclass(frozen=True)
class Split:
    """The half to fit on, the half to judge, and the conditions that may be fitted on."""

    fit: Half
    new: Half
    known: Sequence[Case]

    def fit_slope(self, number: Callable[[Half, Case], float]) -> float:
        """The slope of the loss of mIoU over the fall of a number."""
        falls = np.array([number(self.fit, PLAIN) - number(self.fit, c) for c in self.known])
        losses = np.array([self.fit.miou[PLAIN] - self.fit.miou[c] for c in self.known])
        return float(falls @ losses / (falls @ falls))

    def draw_line(self, number: Callable[[Half, Case], float], case: Case) -> float:
        """The mIoU of a condition by the line of one number."""
        fall = number(self.fit, PLAIN) - number(self.new, case)
        return self.fit.miou[PLAIN] - self.fit_slope(number) * fall


def _take(method: str) -> Callable[[Half, Case], float]:
    return lambda half, case: float(half.numbers[case][METHODS.index(method)])


def _average(split: Split, case: Case) -> float:
    return float(np.mean([split.draw_line(_take(m), case) for m in ("soft", "atc")]))


def _regress(split: Split, case: Case) -> float:
    """Ridge regression of the loss on the falls of all numbers."""
    plain, num = split.fit.numbers[PLAIN], len(METHODS)
    falls_KM = np.array([plain - split.fit.numbers[c] for c in split.known])
    losses_K = np.array([split.fit.miou[PLAIN] - split.fit.miou[c] for c in split.known])
    slopes_M = np.linalg.solve(
        falls_KM.T @ falls_KM + RIDGE * np.eye(num), falls_KM.T @ losses_K
    )
    return float(split.fit.miou[PLAIN] - slopes_M @ (plain - split.new.numbers[case]))


def _add_classes(split: Split, case: Case) -> float:
    """The IoU of each class on the fit, less the fall of its soft IoU by the slope of soft."""
    slope = split.fit_slope(_take("soft"))
    falls_C = split.fit.soft_C[PLAIN] - split.new.soft_C[case]
    found_C = np.clip(split.fit.true_C[PLAIN] - slope * falls_C, 0, 1)
    return float(np.nanmean(found_C))


def _by_images(split: Split, case: Case) -> float:
    return split.draw_line(lambda half, one: half.images[one], case)


TRIES: Mapping[str, Callable[[Split, Case], float]] = {
    "soft alone": lambda split, case: split.draw_line(_take("soft"), case),
    "mean of soft and atc": _average,
    "ridge regression on the falls of soft, atc and dice": _regress,
    "soft IoU of each class, added to its IoU on the fit": _add_classes,
    "mean of the soft IoU of single images": _by_images,
    FIT: lambda split, _: split.fit.miou[PLAIN],
}


def try_methods(known: Known, divisions: Iterable[Division]) -> dict[str, dict[str, float]]:
    """The mean errors of each method by severity, and its bias, in points."""
    errors: dict[str, list[tuple[int, float]]] = {name: [] for name in TRIES}
    for fit, new in divisions:
        halves = _measure(known, fit, fit), _measure(known, fit, new)
        for case in known:
            split = Split(*halves, [c for c in known if c != PLAIN and c[0] != case[0]])
            for name, say in TRIES.items():
                found = min(1.0, max(0.0, say(split, case)))
                error = 100 * (found - split.new.miou[case])
                errors[name].append((case[1], error))
    return {name: _summarize(each) for name, each in errors.items()}


def _summarize(errors: Sequence[tuple[int, float]]) -> dict[str, float]:
    found = {
        title: float(np.mean([abs(e) for severity, e in errors if severity in chosen]))
        for title, chosen in COLUMNS.items()
    }
    return found | {"bias": float(np.mean([error for _, error in errors]))}


def try_frames(counts: Counts, divisions: Iterable[Division]) -> list[dict[str, Any]]:
    """Mean errors of the frames of a clip without corruption, in points, with fewer frames.

    The line of each method is fitted on the corrupted frames that lie in the half to fit.
    """
    divisions, rows = list(divisions), []
    for num in NUM_FRAMES:
        errors: dict[str, list[float]] = {}
        sizes: list[int] = []
        for whole in divisions:
            fit, new = (_spread(half, num) for half in whole)
            sizes += [len(fit), len(new)]
            chosen = {*whole[0]}
            known = [k for k, index in enumerate(counts.indices) if index in chosen]
            lines = _measure(counts.whole, known, known)
            plain = {PLAIN: counts.clip}
            ends = Split(_measure(plain, fit, fit), _measure(plain, fit, new), ())
            cases = [case for case in counts.whole if case != PLAIN]
            says = {FIT: ends.fit.miou[PLAIN]}
            for method in METHODS:
                number = _take(method)
                slope = Split(lines, lines, cases).fit_slope(number)
                fall = number(ends.fit, PLAIN) - number(ends.new, PLAIN)
                says[method] = ends.fit.miou[PLAIN] - slope * fall
            for name, value in says.items():
                errors.setdefault(name, []).append(100 * abs(value - ends.new.miou[PLAIN]))
        means = {name: float(np.mean(errors[name])) for name in (*METHODS, FIT)}
        frames = f"{num} and {num}" if num else f"all, {min(sizes)} to {max(sizes)} each"
        rows.append({"frames": frames, "errors": means})
    return rows


def _spread(half: Sequence[int], num: int) -> Sequence[int]:
    if not num:
        return half
    return [half[k] for k in np.linspace(0, len(half) - 1, num).round().astype(int)]


def _measure(known: Known, fit: Sequence[int], chosen: Sequence[int]) -> Half:
    """The numbers of chosen frames, with the thresholds of the frames to fit on."""
    thresholds_C = find_thresholds(known[PLAIN].select(fit))
    groups = {case: group.select(chosen) for case, group in known.items()}
    return Half(
        miou={case: float(mean_iou(group.confusion)) for case, group in groups.items()},
        numbers={
            case: np.array([measure(group.images, m, thresholds_C) for m in METHODS])
            for case, group in groups.items()
        },
        images={
            case: float(np.nanmean([measure_soft_iou(each.margins) for each in group.images]))
            for case, group in groups.items()
        },
        soft_C={case: _find_soft(group) for case, group in groups.items()},
        true_C={case: iou(group.confusion) for case, group in groups.items()},
    )


def _find_soft(group: LabelledGroup) -> Values:
    margins = group.counts.margins
    return np.where(find_present(margins), iou(margins), np.nan)
