"""How well mIoU is estimated without labels: 15 corruptions at 5 severities on CamVid.

    maskwright train ../shared/data/camvid -o runs/camvid ...
    python benchmarks/estimate.py runs/camvid ../shared/data/camvid

Frames of the validation clip, spread evenly, are divided in two ways. Its two halves in time,
one to fit and one to judge, both ways: the same street, but other cars and people. And blocks
of neighbouring frames, of which chance takes half to fit and half to judge: images like those
of the fit. Each kind of corruption is judged by an estimator that has never seen that kind. The
temperature of the model is fitted on frames of the same clip when training ends. CamVid may not
be shipped. Results go into benchmarks/estimate.json, the page is benchmarks/estimate.md.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from maskwright.core.atomic import write_text
from maskwright.core.confusion import Confusion
from maskwright.core.scores import mean_iou
from maskwright.corruption.corrupt import IMAGENET_C, SEVERITIES, corrupt_sample
from maskwright.data.dataset import Dataset, open_dataset
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.resolution import planes
from maskwright.monitoring.estimate import (
    COVERAGE,
    METHODS,
    Estimator,
    LabelledGroup,
    measure,
)
from maskwright.monitoring.softcounts import SoftCounts

HERE = Path(__file__).parent
PLAIN = ("plain", 0)
BLOCKS, DIVISIONS = 8, 6
"""Blocks of neighbouring frames, and how often chance divides them."""

MIXED, HALVES = "images like those of the fit", "the other half of the clip"
NOTES = "\n## Notes\n"
"""What stands below is written by hand, and stays."""

ERRORS_HEAD = (
    "| judged on | method | plain | severity 1 to 3: mean error | 4 and 5 | all | bias | "
    "interval holds the truth | its width | silent | order of severities (Spearman) |"
)
Case = tuple[str, int]


def main() -> None:
    """Predict all frames in all conditions, estimate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--frames", type=int, default=24, help="of the clip")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    val = open_dataset(asked.data).subset("val")
    known = collect(open_model(asked.model), val, asked.frames)
    cases = {
        title: [one for fit, new in divided for one in judge(known, fit, new)]
        for title, divided in divide(asked.frames).items()
    }
    results = {"frames": asked.frames, "cases": cases}
    write_text(asked.out / "estimate.json", json.dumps(results) + "\n")
    file = asked.out / "estimate.md"
    _, mark, notes = (file.read_text() if file.exists() else "").partition(NOTES)
    write_text(file, page(results) + mark + notes)


def collect(model: Predictor, val: Dataset, frames: int) -> dict[Case, LabelledGroup]:
    """The soft counts and the confusions of all frames in each condition."""
    cases = [PLAIN, *((kind, severity) for kind in IMAGENET_C for severity in SEVERITIES)]
    indices = np.linspace(0, len(val) - 1, frames).round().astype(int).tolist()
    return {case: _predict(model, val, indices, case) for case in cases}


def divide(frames: int) -> dict[str, list[tuple[list[int], list[int]]]]:
    """The frames to fit on and those to judge, of each way to divide the clip."""
    first, second = (half.tolist() for half in np.array_split(np.arange(frames), 2))
    rng, mixed = np.random.default_rng(0), []
    for _ in range(DIVISIONS):
        blocks = [np.array_split(np.arange(frames), BLOCKS)[k] for k in rng.permutation(BLOCKS)]
        fit, new = (np.sort(np.concatenate(half)) for half in (blocks[::2], blocks[1::2]))
        mixed.append((fit.tolist(), new.tolist()))
    return {MIXED: mixed, HALVES: [(first, second), (second, first)]}


def _predict(
    model: Predictor, val: Dataset, indices: Sequence[int], case: Case
) -> LabelledGroup:
    kind, severity = case
    num = len(model.card.labels)
    images, confusions = [], []
    for index in indices:
        image_HWC, truth_HW = val.image(index), val.labels(index)
        if severity:
            rng = np.random.default_rng(index)
            image_HWC, truth_HW = corrupt_sample(image_HWC, truth_HW, kind, severity, rng)
        logits = model.logits(image_HWC)
        decision = model.decide(logits, image_HWC)
        shares = (decision.shares(plane_HW) for plane_HW in planes(decision.logits))
        images.append(SoftCounts.from_shares(decision.labels_HW, shares, num))
        confusions.append(Confusion.from_labels(truth_HW, decision.labels_HW, num))
    return LabelledGroup(tuple(images), tuple(confusions))


def judge(
    known: Mapping[Case, LabelledGroup], fit: Sequence[int], new: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Each condition of new frames, by an estimator that does not know its kind."""
    fitted = {case: group.select(fit) for case, group in known.items()}
    for case, whole in known.items():
        group, (kind, severity) = whole.select(new), case
        others = {
            name: [fitted[name, level] for level in SEVERITIES]
            for name in IMAGENET_C
            if name != kind
        }
        estimator = Estimator.fit(fitted[PLAIN], others)
        says = {}
        for method in METHODS:
            found = estimator.estimate(group.images, method)
            says[method] = {
                "miou": _round(found.miou),
                "interval": found.interval and [*map(_round, found.interval)],
                "bare": _round(measure(group.images, method, estimator.thresholds_C)),
            }
        yield {
            "kind": kind,
            "severity": severity,
            "miou": _round(float(mean_iou(group.confusion))),
            "confidence": _round(group.counts.confidence),
            "says": says,
        }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def page(results: Mapping[str, Any]) -> str:
    """The tables of errors."""
    frames = results["frames"]
    lines = [
        "# Accuracy without labels",
        "",
        f"`benchmarks/estimate.py`: mIoU of {frames // 2} frames of CamVid's validation clip,",
        "in 15 corruptions at 5 severities, as estimated without their labels. Fitted on",
        f"{frames // 2} other frames of the clip, each kind of corruption by the 14 others: in",
        "blocks that chance chose, and in the other half of the clip. Errors are in points of",
        f"mIoU; the intervals are meant to hold the truth in {COVERAGE:.0%} of the cases.",
        "",
        ERRORS_HEAD,
        "|---" * 11 + "|",
        *(
            _row(title, method, cases)
            for title, cases in results["cases"].items()
            for method in METHODS
        ),
        "",
        "Silent are conditions whose mean confidence lies outside of what was seen in fitting:",
        "no estimate is given, and they count in no error.",
        "",
        f"Mean errors of each corruption, {MIXED}:",
        "",
        "| corruption | true mIoU at severity 1 to 5 | soft | atc | doc | dice |",
        "|---|---|---|---|---|---|",
        *(_kind_row(kind, results["cases"][MIXED]) for kind in IMAGENET_C),
    ]
    return "\n".join(lines) + "\n"


def _row(title: str, method: str, cases: Sequence[Mapping[str, Any]]) -> str:
    said = [one for one in cases if one["says"][method]["miou"] is not None]
    errors = _list_errors(method, cases)
    inside = [
        low <= one["miou"] <= high
        for one in said
        for low, high in [one["says"][method]["interval"]]
    ]
    widths = [high - low for one in said for low, high in [one["says"][method]["interval"]]]
    cells = [
        _mean_abs(errors, (0,)),
        _mean_abs(errors, (1, 2, 3)),
        _mean_abs(errors, (4, 5)),
        _mean_abs(errors, (0, 1, 2, 3, 4, 5)),
        f"{np.mean([error for _, error in errors]):+.1f}",
        f"{np.mean(inside):.0%}",
        f"{100 * np.mean(widths):.0f}",
        f"{len(cases) - len(said)} of {len(cases)}",
        f"{_rank(method, cases):.2f}",
    ]
    return f"| {title} | {method} | {' | '.join(cells)} |"


def _list_errors(method: str, cases: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """The severity of each case that has an estimate, and its error in points."""
    return [
        (one["severity"], 100 * (one["says"][method]["miou"] - one["miou"]))
        for one in cases
        if one["says"][method]["miou"] is not None
    ]


def _mean_abs(errors: Sequence[tuple[int, float]], severities: Sequence[int]) -> str:
    chosen = [abs(error) for severity, error in errors if severity in severities]
    return f"{np.mean(chosen):.1f}" if chosen else "–"


def _rank(method: str, cases: Sequence[Mapping[str, Any]]) -> float:
    """The mean over kinds of the rank correlation of estimate and truth over severities."""
    found = []
    for kind in IMAGENET_C:
        pairs = [
            (one["miou"], one["says"][method]["bare"]) for one in cases if one["kind"] == kind
        ]
        found.append(spearmanr(*zip(*pairs, strict=True)).statistic)
    return float(np.nanmean(found))


def _kind_row(kind: str, cases: Sequence[Mapping[str, Any]]) -> str:
    """True mIoU, and the mean absolute error of each method where it says something."""
    rows = [one for one in cases if one["kind"] == kind]
    true = [
        np.mean([one["miou"] for one in rows if one["severity"] == level])
        for level in SEVERITIES
    ]
    cells = [_mean_abs(_list_errors(method, rows), SEVERITIES) for method in METHODS]
    shown = " ".join(f"{100 * each:.0f}" for each in true)
    return f"| {kind} | {shown} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
