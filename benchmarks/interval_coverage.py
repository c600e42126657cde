"""How often a 95 % interval holds the true score, and how often `compare` is wrong.

    python benchmarks/interval_coverage.py            # writes interval_coverage.md and .json
    python benchmarks/interval_coverage.py verdicts   # these again, the rest as in the file
    python benchmarks/interval_coverage.py --sets 50  # a short look

Counts of images are drawn (`drawn_counts`), in clips of 3 to 13 images that err together. The
true score is that of 200,000 clips. Every interval and p-value comes from the code that `score`
and `compare` run.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from drawn_counts import NAMES, NINETEEN, SIX, Array, World, draw_chunks, draw_groups
from numpy.typing import NDArray
from scipy import stats

from maskwright.core import LabelSpec
from maskwright.core.confusion import Confusion
from maskwright.core.provenance import Provenance
from maskwright.core.report import MIN_GROUPS, Report
from maskwright.evaluation.compare.changes import _intervals
from maskwright.evaluation.compare.permutation import Swapped
from maskwright.evaluation.compare.read import ReportFolder, ReportPair
from maskwright.evaluation.compare.scorer import CLASS, Scorer, subtract
from maskwright.evaluation.counting import Scoring
from maskwright.evaluation.estimates import estimate_scores
from maskwright.evaluation.intervals import effective_groups
from maskwright.metrics import boundary, region
from maskwright.metrics.family import ScoreDetail, all_families

HERE = Path(__file__).parent
GROUPS = (5, 6, 10, 20, 50, 200)
FAMILY_GROUPS = (6, 8, 10, 13, 20, 50)
SETS = 2000
NUM_TRUE = 200_000
MOST_ENUMERATED = 8
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


def score_sums(sums_FC: Array) -> dict[str, Array]:
    """IoU and boundary F1 of each class."""
    counts = dict(zip(NAMES, sums_FC, strict=True))
    return {
        "IoU": region.scores(counts).classes["iou"],
        "boundary F1": boundary.scores(counts).classes["boundary_f1"],
    }


Cell = tuple[int, str, str]
"""Number of groups, score, class or band of groups that hold it."""


class Coverage:
    """How many intervals of each cell were looked for, printed, and held the true score."""

    def __init__(self) -> None:
        self.cells: dict[Cell, list[int]] = defaultdict(lambda: [0, 0, 0])

    def add(self, cell: Cell, low: float, high: float, true: float) -> None:
        """Count one interval; NaN where there is none."""
        numbers = self.cells[cell]
        numbers[0] += 1
        numbers[1] += low <= high
        numbers[2] += low <= true <= high

    def rate(self, cell: Cell) -> float:
        """The share of the printed intervals that hold the true score."""
        _, printed, held = self.cells[cell]
        return held / printed if printed else float("nan")

    def rows(self) -> Iterator[tuple[Cell, float, float]]:
        """Cell, share with an interval, coverage."""
        for cell, (num, printed, _) in self.cells.items():
            yield cell, printed / num, self.rate(cell)


def measure_reports(
    num_groups: int, num_sets: int, *, seed: int = 0, num_true: int = NUM_TRUE
) -> Coverage:
    """The intervals of reports: IoU and boundary F1 of each class, and their means."""
    rng = np.random.default_rng([seed, num_groups])
    true = score_sums(true_sums(seed, num_true)[0])
    families = {name: all_families()[name] for name in ("region", "boundary")}
    scoring = Scoring(detail=ScoreDetail(full=True), families=families)
    coverage = Coverage()
    for (counts_GFC,) in draw_chunks(rng, num_sets, num_groups):
        counts_G = {n: counts_GFC[:, i] for i, n in enumerate(NAMES)}
        sums = {name: array.sum(axis=0) for name, array in counts_G.items()}
        groups_C = (counts_G["truth"] > 0).sum(axis=0)
        regions, boundaries = estimate_scores(scoring, sums, counts_G, groups_C)
        scored = (
            ("IoU", regions.classes["iou"], regions.overall["miou"]),
            (
                "boundary F1",
                boundaries.classes["boundary_f1"],
                boundaries.overall["mean_boundary_f1"],
            ),
        )
        chosen_C = groups_C >= MIN_GROUPS
        for name, classes, mean in scored:
            for index, e in enumerate(classes):
                cell = (num_groups, name, f"class {index + 1}")
                coverage.add(cell, e.low, e.high, float(true[name][index]))
                held = (num_groups, name, _band(int(groups_C[index])))
                coverage.add(held, e.low, e.high, float(true[name][index]))
            of_mean = float(true[name][chosen_C].mean()) if chosen_C.any() else float("nan")
            coverage.add((num_groups, name, "mean"), mean.low, mean.high, of_mean)
        if chosen_C.any():
            _add_percentiles(coverage, counts_GFC, chosen_C, true["IoU"])
    return coverage


def _add_percentiles(
    coverage: Coverage, counts_GFC: Array, chosen_C: NDArray[np.bool_], true_C: Array
) -> None:
    """The other method: a bootstrap over groups with expanded percentiles (Hesterberg 2015)."""
    truth, predicted, hit = np.moveaxis(counts_GFC[:, :3], 1, 0)
    union_GC = truth + predicted - hit
    weights_BG, shares_B = _resamples(len(truth))
    with np.errstate(invalid="ignore"):
        iou_BC = (weights_BG @ hit) / (weights_BG @ union_GC)
    mean_B = np.nanmean(iou_BC[:, chosen_C], axis=1)
    cell = (len(truth), "IoU, expanded percentiles")
    for index in np.flatnonzero(chosen_C):
        ends = _expanded(iou_BC[:, index], shares_B, effective_groups(union_GC)[index])
        coverage.add((*cell, f"class {index + 1}"), *ends, float(true_C[index]))
    ends = _expanded(mean_B, shares_B, float(len(truth)))
    coverage.add((*cell, "mean"), *ends, float(true_C[chosen_C].mean()))


def _expanded(values_B: Array, shares_B: Array, num_effective: float) -> tuple[float, float]:
    num = max(num_effective, 1.001)
    tail = stats.norm.cdf(-np.sqrt(num / (num - 1)) * stats.t.ppf(0.975, num - 1))
    known = ~np.isnan(values_B)
    order = np.argsort(values_B[known])
    shares = shares_B[known][order] / shares_B[known].sum()
    low, high = np.interp(
        [tail, 1 - tail], shares.cumsum() - shares / 2, values_B[known][order]
    )
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


def _band(num_groups: int) -> str:
    if num_groups < MIN_GROUPS:
        return "truth in < 5 groups"
    return "truth in 5-9 groups" if num_groups < 10 else "truth in >= 10 groups"


def measure_differences(
    num_groups: int, num_sets: int, *, seed: int = 0, num_true: int = NUM_TRUE
) -> Coverage:
    """The intervals of B - A in `compare`, B being worse."""
    rng = np.random.default_rng([seed, num_groups, 1])
    a, b = (score_sums(sums_FC)["IoU"] for sums_FC in true_sums(seed, num_true))
    true_C = b - a
    coverage = Coverage()
    for a_GFC, b_GFC in draw_chunks(rng, num_sets, num_groups, gains=(0.0, GAIN)):
        scorer, a_GF, b_GF = make_scorer(a_GFC, b_GFC)
        ends = _intervals(scorer, a_GF, b_GF)
        groups_C = (a_GFC[:, 0] > 0).sum(axis=0)
        for index, (low, high, _) in enumerate(ends[CLASS + "iou"].T.tolist()):
            cell = (num_groups, "B - A, IoU", f"class {index + 1}")
            coverage.add(cell, low, high, float(true_C[index]))
        low, high, _ = ends["miou"][:, 0].tolist()
        chosen_C = groups_C >= MIN_GROUPS
        of_mean = float(true_C[chosen_C].mean()) if chosen_C.any() else float("nan")
        coverage.add((num_groups, "B - A, IoU", "mean"), low, high, of_mean)
    return coverage


def make_scorer(a_GFC: Array, b_GFC: Array) -> tuple[Scorer, Array, Array]:
    """The scorer of `compare` for region scores, with the counts of A and B, (G, 3 C)."""
    names, num_groups = NAMES[:3], len(a_GFC)
    labels = LabelSpec.from_names(tuple(f"c{i}" for i in range(a_GFC.shape[-1])))
    report = Report(
        labels=labels,
        confusion=Confusion.zero(len(labels)),
        provenance=Provenance(),
        scores={},
        classes=(),
    )
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
    return Scorer.from_sums(pair, a_GF.sum(axis=0), b_GF.sum(axis=0)), a_GF, b_GF


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
            for (groups, score, what), printed, held in measure(num_groups, num_sets).rows():
                number = None if np.isnan(held) else round(held, 4)
                cells.append([groups, score, what, round(printed, 3), number])
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

_INTRODUCTION = """# Coverage of the 95 % intervals, errors and power of compare

From `benchmarks/interval_coverage.py`, {num:,} sets per cell, in percent. Six classes have 45
to 0.2 % of the pixels; class 6 is in the truth of 40 % of the clips. A dash: fewer than 50
intervals. The standard error of a cell of 2,000 is 0.5.

## Intervals that hold the true score

Of the printed ones; in brackets the share of sets with an interval, where not in all. A class
whose truth is in fewer than five groups has none, and is in no mean. The expanded percentiles
of a bootstrap over groups (Hesterberg 2015) on the same sets are the method that was not
chosen."""

_ERRORS = """## Errors and power of compare

Error: comparisons in which any class that is equal in A and B, or mIoU if none falls, counts
as worse or better. Found: those in which the fallen class counts as worse. Step-down max-|d|
over the classes and mIoU, in points and in standard units: `compare` takes points for up to
12 groups and standard units from 13 on. Holm's method over the classes, with mIoU apart, was
the one before."""


def write_tables(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    coverage = {(g, score, what): (p, h) for g, score, what, p, h in results["intervals"]}
    lines = [*_INTRODUCTION.format(num=results["sets"]).splitlines(), ""]
    whats = [*(f"class {i}" for i in range(1, 7)), "mean"]
    scores = list(dict.fromkeys(score for _, score, _ in coverage))
    for score in scores:
        lines += [f"### {score}", "", "| groups | " + " | ".join(whats) + " |"]
        lines += ["|---" * (len(whats) + 1) + "|"]
        for num_groups in GROUPS:
            row = [_cell(coverage.get((num_groups, score, w)), results["sets"]) for w in whats]
            lines.append(f"| {num_groups} | " + " | ".join(row) + " |")
        lines.append("")
    lines += ["### By the number of groups that hold the class", ""]
    bands = ("truth in 5-9 groups", "truth in >= 10 groups")
    lines += ["| groups | " + " | ".join(f"IoU, {b}" for b in bands) + " |", "|---|---|---|"]
    for num_groups in GROUPS:
        row = [_cell(coverage.get((num_groups, "IoU", b)), results["sets"]) for b in bands]
        lines.append(f"| {num_groups} | " + " | ".join(row) + " |")
    return "\n".join([*lines, "", *_verdict_lines(results["verdicts"])]) + "\n"


def _cell(found: tuple[float, float | None] | None, num_sets: int) -> str:
    if found is None or found[1] is None or found[0] * num_sets < 50:
        return "-"
    printed, held = found
    return f"{100 * held:.1f}" + (f" ({100 * printed:.0f})" if printed < 0.995 else "")


def _verdict_lines(verdicts: list[Any]) -> list[str]:
    """Family errors, then the power, by correction."""
    lines = [*_ERRORS.splitlines(), ""]
    for what in dict.fromkeys(row[0] for row in verdicts):
        rows = [row for row in verdicts if row[0] == what]
        ways = list(rows[0][3])
        keys = ["error"] if "power" not in rows[0][3][ways[0]] else ["error", "power"]
        heads = [f"{'found' if key == 'power' else key}, {way}" for key in keys for way in ways]
        lines += [f"### {what} ({rows[0][2]:,} comparisons)", ""]
        lines += ["| groups | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
        for _, num_groups, _, found in rows:
            cells = [f"{100 * found[way].get(key, 0):.1f}" for key in keys for way in ways]
            lines.append(f"| {num_groups} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines[:-1]


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
    results = {"sets": options.sets, "intervals": [], "verdicts": []} | kept | found
    file.write_text(json.dumps(results) + "\n")
    file.with_suffix(".md").write_text(write_tables(results))


if __name__ == "__main__":
    main()
