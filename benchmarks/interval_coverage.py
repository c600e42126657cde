"""How often a 95 % interval holds the true score, and how often `compare` is wrong.

    python benchmarks/interval_coverage.py            # writes interval_coverage.md and .json
    python benchmarks/interval_coverage.py verdicts   # these again, the rest as in the file
    python benchmarks/interval_coverage.py --sets 50  # a short look

Counts of images are drawn (`drawn_counts`), in clips of 3 to 13 images that err together. The
true score is that of 200,000 clips. Intervals and p-values come from the functions that `score`
and `compare` call, for many sets at once; a test compares them with what these give.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from coverage_page import write_tables
from drawn_counts import NAMES, NINETEEN, SIX, Array, World, draw_chunks, draw_groups
from numpy.typing import NDArray
from scipy import stats

from maskwright.core import LabelSpec
from maskwright.core.confusion import Confusion
from maskwright.core.provenance import Provenance
from maskwright.core.report import MIN_GROUPS, Report
from maskwright.core.scores import mean_present, ratio
from maskwright.evaluation.compare.permutation import Swapped
from maskwright.evaluation.compare.read import ReportFolder, ReportPair
from maskwright.evaluation.compare.scorer import CLASS, Scorer, subtract
from maskwright.evaluation.estimates import MeanParts
from maskwright.evaluation.intervals import (
    Scale,
    compute_ends,
    effective_groups,
    jackknife_variance,
)
from maskwright.metrics import boundary, region
from maskwright.metrics.family import all_families

HERE = Path(__file__).parent
GROUPS = (5, 6, 10, 20, 50, 200)
FAMILY_GROUPS = (6, 8, 10, 13, 20, 50)
SETS = 2000
NUM_TRUE = 200_000
MOST_ENUMERATED = 8
NUM_PERCENTILES = 400
POINTS, STANDARD = "points", "standard units"
GAIN = -0.15
"""B - A in logits of the share of right pixels: one to four points of IoU."""


@cache
def true_sums(seed: int, num_true: int) -> tuple[Array, Array]:
    """The counts of `num_true` clips by a model and by a second one, worse by `GAIN`."""
    rng = np.random.default_rng(seed)
    parts = [draw_groups(rng, (20, 100), gains=(0.0, GAIN)) for _ in range(num_true // 2000)]
    first, second = (sum(part[i].sum(axis=(0, 1)) for part in parts) for i in (0, 1))
    return np.asarray(first), np.asarray(second)


def score_sums(sums: Array) -> dict[str, Array]:
    """IoU and boundary F1 of each class, from sums (..., len(NAMES), C)."""
    counts = dict(zip(NAMES, np.moveaxis(sums, -2, 0), strict=True))
    return {
        "IoU": region.scores(counts).classes["iou"],
        "boundary F1": boundary.scores(counts).classes["boundary_f1"],
    }


Cell = tuple[int, str, str]
"""Number of groups, score, class or mean."""
Coverage = dict[Cell, tuple[float, float]]
"""By cell: the share of sets with an interval, and the share of these that hold the truth."""


@dataclass(frozen=True, eq=False)
class Estimated:
    """A score of S sets, (S, C), without each group, (G, S, C), and what intervals need."""

    values: Array
    without: Array
    weights: Array
    chosen: NDArray[np.bool_]

    def ends(self, scale: Scale) -> "Ends":
        """The ends of every class, NaN where it has no interval, and of their mean."""
        parts = MeanParts(
            values=self.values,
            variances=np.nan_to_num(jackknife_variance(self.without)),
            freedom=effective_groups(self.weights) - 1,
            chosen=self.chosen,
        )
        variances = np.where(self.chosen, parts.variances, 0.0)
        of_classes = compute_ends(self.values, variances, parts.freedom, scale=scale)
        return of_classes, parts.ends(self.without, scale=scale), self.chosen


def estimate_sets(counts_GSFC: Array) -> dict[str, Estimated]:
    """IoU and boundary F1 of many sets at once, as `estimate_scores` gives them one by one."""
    totals = counts_GSFC.sum(axis=0)
    whole, without = score_sums(totals), score_sums(totals - counts_GSFC)
    counts = dict(zip(NAMES, np.moveaxis(counts_GSFC, -2, 0), strict=True))
    chosen = (counts["truth"] > 0).sum(axis=0) >= MIN_GROUPS
    families = {"IoU": "region", "boundary F1": "boundary"}
    return {
        name: Estimated(
            values=whole[name],
            without=without[name],
            weights=np.sum([counts[n] for n in all_families()[family].WEIGHTS], axis=0),
            chosen=chosen,
        )
        for name, family in families.items()
    }


def measure_reports(
    num_groups: int, num_sets: int, *, seed: int = 0, num_true: int = NUM_TRUE
) -> Coverage:
    """The intervals of reports: IoU and boundary F1 of each class, and their means."""
    rng = np.random.default_rng([seed, num_groups])
    true = score_sums(true_sums(seed, num_true)[0])
    blocks = [estimate_sets(block) for (block,) in _blocks(rng, num_sets, num_groups)]
    coverage = measure_percentiles(
        next(_blocks(rng, NUM_PERCENTILES, num_groups))[0], true["IoU"]
    )
    for name in true:
        ends = [block[name].ends("logit") for block in blocks]
        coverage |= _cover(num_groups, name, true[name], ends)
    return coverage


def measure_differences(
    num_groups: int, num_sets: int, *, seed: int = 0, num_true: int = NUM_TRUE
) -> Coverage:
    """The intervals of B - A in `compare`, B being worse."""
    rng = np.random.default_rng([seed, num_groups, 1])
    a, b = (score_sums(sums_FC)["IoU"] for sums_FC in true_sums(seed, num_true))
    ends = []
    for sides in _blocks(rng, num_sets, num_groups, gains=(0.0, GAIN)):
        of_a, of_b = (estimate_sets(counts)["IoU"] for counts in sides)
        gain = Estimated(
            values=of_b.values - of_a.values,
            without=of_b.without - of_a.without,
            weights=of_a.weights + of_b.weights,
            chosen=of_a.chosen,
        )
        ends.append(gain.ends("plain"))
    return _cover(num_groups, "B - A, IoU", b - a, ends)


def _blocks(
    rng: np.random.Generator,
    num_sets: int,
    num_groups: int,
    *,
    gains: tuple[float, ...] = (0.0,),
) -> Iterator[list[Array]]:
    """Draw some sets at a time: for each model their counts, (G, S, len(NAMES), C)."""
    step = max(1, 80_000 // num_groups)
    for start in range(0, num_sets, step):
        num = min(step, num_sets - start)
        drawn = draw_chunks(rng, num, num_groups, gains=gains)
        yield [np.stack(side, axis=1) for side in zip(*drawn, strict=True)]


Ends = tuple[Array, Array, NDArray[np.bool_]]
"""Of the classes (2, S, C) and of the means (2, S), and the classes of the means (S, C)."""


def _cover(num_groups: int, name: str, true_C: Array, blocks: list[Ends]) -> Coverage:
    """Count the intervals of each class and of the means that hold the truth."""
    ends = np.concatenate([block[0] for block in blocks], axis=1)
    mean_ends = np.concatenate([block[1] for block in blocks], axis=1)
    chosen = np.concatenate([block[2] for block in blocks])
    coverage = {}
    for index, true in enumerate(true_C.tolist()):
        cell = (num_groups, name, f"class {index + 1}")
        coverage[cell] = _count_held(ends[..., index], np.full(len(chosen), true))
    of_means = mean_present(np.where(chosen, true_C, np.nan))
    coverage[num_groups, name, "mean"] = _count_held(mean_ends, of_means)
    return coverage


def _count_held(ends: Array, true_S: Array) -> tuple[float, float]:
    printed = ~np.isnan(ends[0])
    held = (ends[0] <= true_S) & (true_S <= ends[1])
    return float(printed.mean()), float(held.sum() / max(1, printed.sum()))


def measure_percentiles(counts_GSFC: Array, true_C: Array) -> Coverage:
    """The other method: a bootstrap over groups with expanded percentiles (Hesterberg 2015)."""
    num_groups = len(counts_GSFC)
    estimated = estimate_sets(counts_GSFC)["IoU"]
    weights_BG, shares_B = _resamples(num_groups)
    ends, mean_ends = np.full((2, *estimated.values.shape), np.nan), []
    for index, set_GFC in enumerate(np.moveaxis(counts_GSFC, 1, 0)):
        sums = np.tensordot(weights_BG, set_GFC[:, :3], axes=1)  # (B, G) (G, 3, C) -> (B, 3, C)
        truth, predicted, hit = np.moveaxis(sums, 1, 0)
        iou_BC = ratio(hit, truth + predicted - hit)
        chosen_C = estimated.chosen[index]
        effective_C = effective_groups(estimated.weights[:, index])
        for of_class in np.flatnonzero(chosen_C):
            found = _expand(iou_BC[:, of_class], shares_B, float(effective_C[of_class]))
            ends[:, index, of_class] = found
        mean_B = mean_present(np.where(chosen_C, iou_BC, np.nan))
        mean_ends.append(_expand(mean_B, shares_B, float(num_groups)))
    name = "IoU, expanded percentiles"
    means = np.array(mean_ends).T
    return _cover(num_groups, name, true_C, [(ends, means, estimated.chosen)])


def _expand(values_B: Array, shares_B: Array, num_effective: float) -> tuple[float, float]:
    num = max(num_effective, 1.001)
    tail = stats.norm.cdf(-np.sqrt(num / (num - 1)) * stats.t.ppf(0.975, num - 1))
    known = ~np.isnan(values_B)
    if not known.any():
        return float("nan"), float("nan")
    order = np.argsort(values_B[known])
    shares = shares_B[known][order] / shares_B[known].sum()
    middles = shares.cumsum() - shares / 2
    low, high = np.interp([tail, 1 - tail], middles, values_B[known][order])
    return float(low), float(high)


@cache
def _resamples(num_groups: int) -> tuple[Array, Array]:
    """How often each group is drawn, (B, G), and how probable that is: all of few groups."""
    if num_groups > MOST_ENUMERATED:
        num = 10_000 if num_groups <= 20 else 2_000
        rng = np.random.default_rng(0)
        drawn = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), num)
        return drawn.astype(float), np.full(num, 1 / num)
    bars = combinations(range(2 * num_groups - 1), num_groups - 1)
    ends = [(-1, *bar, 2 * num_groups - 1) for bar in bars]
    weights_BG = np.diff(np.array(ends), axis=1) - 1
    return weights_BG.astype(float), stats.multinomial.pmf(
        weights_BG, num_groups, np.full(num_groups, 1 / num_groups)
    )


def make_scorer(a_GFC: Array, b_GFC: Array) -> tuple[Scorer, Array, Array]:
    """The scorer of `compare` for region scores, with the counts of A and B, (G, 3 C)."""
    names, num_groups = NAMES[:3], len(a_GFC)
    report = _empty_report(a_GFC.shape[-1])
    groups = {f"g{i}": f"g{i}" for i in range(num_groups)}
    folders = [
        ReportFolder(
            path=HERE,
            report=report,
            groups=groups,
            counts={name: counts[:, i].astype(np.int64) for i, name in enumerate(names)},
        )
        for counts in (a_GFC, b_GFC)
    ]
    pair = ReportPair(a=folders[0], b=folders[1], left_out=())
    a_GF, b_GF = (c[:, :3].reshape(num_groups, -1) for c in (a_GFC, b_GFC))
    return Scorer.from_sums(pair.names, a_GF.sum(axis=0), b_GF.sum(axis=0)), a_GF, b_GF


@cache
def _empty_report(num_classes: int) -> Report:
    return Report(
        labels=LabelSpec.from_names(tuple(f"c{i}" for i in range(num_classes))),
        confusion=Confusion.zero(num_classes),
        provenance=Provenance(),
        scores={},
        classes=(),
    )


Corrected = Mapping[str, Array]
"""p by correction: of each class, then of their mean, (C + 1,)."""


def correct_in_all_ways(scorer: Scorer, a_GF: Array, b_GF: Array) -> Corrected:
    """Correct p by max-|d| in both units (`compare` takes one of them) and by Holm's method."""
    name, mean = CLASS + "iou", "miou"
    swapped = Swapped.from_groups(scorer, a_GF, b_GF)
    ways = {
        way: swapped.correct(name, mean, standardized=way == STANDARD)
        for way in (POINTS, STANDARD)
    }
    return {**ways, "Holm": np.append(_holm(swapped.p_values(name)), swapped.p_values(mean))}


def _holm(p_N: Array) -> Array:
    """Holm 1979, the correction of before."""
    order = np.argsort(np.nan_to_num(p_N, nan=2.0), kind="stable")
    factors = np.arange((~np.isnan(p_N)).sum(), 0, -1)
    corrected = np.full(p_N.shape, np.nan)
    tested = order[: len(factors)]
    corrected[tested] = np.minimum(1, np.maximum.accumulate(p_N[tested] * factors))
    return corrected


def measure_verdicts(
    num_groups: int, num_sets: int, world: World, *, fallen: int | None, keep: float, seed: int
) -> dict[str, dict[str, float]]:
    """Family error and power of each correction.

    B equals A in quality, but of class `fallen` it keeps the share `keep` of the right pixels.
    `error` is the share of sets where any other class differs (and their mean, if nothing
    fell), `worse` where any is worse, `power` where the fallen class is found.
    """
    rng = np.random.default_rng([seed, num_groups, 2])
    numbers: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for a_GFC, b_GFC in draw_chunks(rng, num_sets, num_groups, gains=(0.0, 0.0), world=world):
        if fallen is not None:
            lost_G = np.rint(b_GFC[:, 2, fallen] * (1 - keep))
            b_GFC[:, 2, fallen] -= lost_G
            b_GFC[:, 1, fallen] -= lost_G
        scorer, a_GF, b_GF = make_scorer(a_GFC, b_GFC)
        gain = subtract(scorer.score(b_GF.sum(axis=0)), scorer.score(a_GF.sum(axis=0)))
        gain_K = np.concatenate([gain[CLASS + "iou"], gain["miou"]])
        equal_K = np.ones(len(gain_K), bool)
        if fallen is not None:
            equal_K[[fallen, -1]] = False
        for way, p_K in correct_in_all_ways(scorer, a_GF, b_GF).items():
            differs_K = p_K < 0.05
            numbers[way]["error"] += (differs_K & equal_K).any() / num_sets
            numbers[way]["worse"] += (differs_K & equal_K & (gain_K < 0)).any() / num_sets
            if fallen is not None:
                numbers[way]["power"] += bool(differs_K[fallen]) / num_sets
    return {way: dict(found) for way, found in numbers.items()}


def run_intervals(num_sets: int) -> list[Any]:
    """Groups, score, class or mean, share with an interval, and coverage of each cell."""
    cells = []
    for num_groups in GROUPS:
        for measure in (measure_reports, measure_differences):
            for cell, (printed, held) in measure(num_groups, num_sets).items():
                cells.append([*cell, round(printed, 4), round(held, 4)])
        print(f"intervals, {num_groups} groups: done", flush=True)
    return cells


def run_verdicts(num_sets: int) -> list[Any]:
    """What falls, groups, number of comparisons, and what `measure_verdicts` gives."""
    verdicts = []
    for what, world, fallen, keep, num in (
        ("6 classes, none falls", SIX, None, 1.0, num_sets),
        ("6 classes, one keeps 80 % of its right pixels", SIX, 2, 0.8, num_sets // 8),
        ("19 classes, one falls from 93 to 20 %", NINETEEN, 9, 0.21, num_sets // 8),
    ):
        for num_groups in FAMILY_GROUPS:
            found = measure_verdicts(num_groups, num, world, fallen=fallen, keep=keep, seed=0)
            verdicts.append([what, num_groups, num, found])
            print(f"{what}, {num_groups} groups: done", flush=True)
    return verdicts


PARTS = {"intervals": run_intervals, "verdicts": run_verdicts}


def main() -> None:
    """Run the chosen parts and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["intervals", "verdicts"])
    parser.add_argument("--sets", type=int, default=SETS)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    file = options.out / "interval_coverage.json"
    found = {part: PARTS[part](options.sets) for part in options.parts}
    kept = json.loads(file.read_text()) if file.exists() else {}
    results = {
        "sets": options.sets,
        "percentile_sets": min(options.sets, NUM_PERCENTILES),
        "intervals": [],
        "verdicts": [],
        **kept,
        **found,
    }
    file.write_text(json.dumps(results) + "\n")
    file.with_suffix(".md").write_text(write_tables(results))


if __name__ == "__main__":
    main()
