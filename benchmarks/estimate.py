"""How well mIoU is estimated without labels: 15 corruptions at 5 severities on CamVid.

    maskwright train ../shared/data/camvid -o runs/camvid ...
    python benchmarks/estimate.py runs/camvid ../shared/data/camvid

The validation clip is cut in two halves in time. Estimators are fitted on frames of the first
half, plain and corrupted; each kind of corruption is judged on the second half by an estimator
that has never seen that kind. The temperature of the model is fitted on frames of the same
clip when training ends. CamVid may not be shipped. Results go into benchmarks/estimate.json,
the page is benchmarks/estimate.md.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from maskwright.core.atomic import write_json, write_text
from maskwright.core.confusion import Confusion
from maskwright.core.scores import mean_iou
from maskwright.corruption.corrupt import IMAGENET_C, SEVERITIES, corrupt_sample
from maskwright.data.dataset import Dataset, open_dataset
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.resolution import planes
from maskwright.monitoring.estimate import METHODS, Estimator, LabelledGroup, measure
from maskwright.monitoring.softcounts import SoftCounts

HERE = Path(__file__).parent
PLAIN = ("plain", 0)
ERRORS_HEAD = (
    "| method | plain | severity 1 to 3: mean error | 4 and 5 | all | bias | interval holds "
    "the truth | its width | silent | order of severities (Spearman) |"
)
Case = tuple[str, int]


def main() -> None:
    """Predict all frames in all conditions, estimate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--frames", type=int, default=8, help="of each half of the clip")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    val = open_dataset(asked.data).subset("val")
    halves = collect(open_model(asked.model), val, asked.frames)
    results = {"frames": asked.frames, "cases": list(judge(*halves))}
    write_json(asked.out / "estimate.json", results)
    write_text(asked.out / "estimate.md", page(results))


def collect(
    model: Predictor, val: Dataset, frames: int
) -> tuple[dict[Case, LabelledGroup], dict[Case, LabelledGroup]]:
    """The soft counts and the confusion of each condition, for both halves of the clip."""
    middle = len(val) // 2
    cases = [PLAIN, *((kind, severity) for kind in IMAGENET_C for severity in SEVERITIES)]
    found: list[dict[Case, LabelledGroup]] = []
    for first, last in ((0, middle - 1), (middle, len(val) - 1)):
        indices = np.linspace(first, last, frames).round().astype(int).tolist()
        found.append({case: _predict(model, val, indices, case) for case in cases})
    return found[0], found[1]


def _predict(
    model: Predictor, val: Dataset, indices: Sequence[int], case: Case
) -> LabelledGroup:
    kind, severity = case
    num = len(model.card.labels)
    images, total = [], Confusion.zero(num)
    for index in indices:
        image_HWC, truth_HW = val.image(index), val.labels(index)
        if severity:
            rng = np.random.default_rng(index)
            image_HWC, truth_HW = corrupt_sample(image_HWC, truth_HW, kind, severity, rng)
        logits = model.logits(image_HWC)
        decision = model.decide(logits, image_HWC)
        shares = (decision.shares(plane_HW) for plane_HW in planes(decision.logits))
        images.append(SoftCounts.from_shares(decision.labels_HW, shares, num))
        total += Confusion.from_labels(truth_HW, decision.labels_HW, num)
    return LabelledGroup(tuple(images), total)


def judge(
    known: Mapping[Case, LabelledGroup], new: Mapping[Case, LabelledGroup]
) -> Iterator[dict[str, Any]]:
    """Each condition of the second half, by an estimator that does not know its kind."""
    for case, group in new.items():
        kind, severity = case
        others = {
            name: [known[name, level] for level in SEVERITIES]
            for name in IMAGENET_C
            if name != kind
        }
        estimator = Estimator.fit(known[PLAIN], others)
        says = {}
        for method in METHODS:
            found = estimator.estimate(group.images, method)
            says[method] = {
                "miou": found.miou,
                "interval": found.interval,
                "bare": measure(group.images, method, estimator.thresholds_C),
            }
        yield {
            "kind": kind,
            "severity": severity,
            "miou": float(mean_iou(group.confusion)),
            "confidence": group.counts.confidence,
            "says": says,
        }


def page(results: Mapping[str, Any]) -> str:
    """The tables of errors."""
    cases = results["cases"]
    lines = [
        "# Accuracy without labels",
        "",
        f"`benchmarks/estimate.py`: mIoU of {results['frames']} frames of the second half of",
        "CamVid's validation clip, in 15 corruptions at 5 severities, as estimated without",
        "their labels. Fitted on the first half, each kind of corruption by the 14 others.",
        "Errors are in points of mIoU.",
        "",
        ERRORS_HEAD,
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(method, cases) for method in METHODS),
        "",
        "Silent are conditions whose mean confidence lies outside of what was seen in fitting:",
        "no estimate is given, and they count in no error.",
        "",
        "| corruption | true mIoU at severity 1 to 5 | soft | atc | doc | dice |",
        "|---|---|---|---|---|---|",
        *(_kind_row(kind, cases) for kind in IMAGENET_C),
    ]
    return "\n".join(lines) + "\n"


def _row(method: str, cases: Sequence[Mapping[str, Any]]) -> str:
    said = [one for one in cases if one["says"][method]["miou"] is not None]
    errors = {
        (one["kind"], one["severity"]): 100 * (one["says"][method]["miou"] - one["miou"])
        for one in said
    }
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
        f"{np.mean(list(errors.values())):+.1f}",
        f"{np.mean(inside):.0%}",
        f"{100 * np.mean(widths):.0f}",
        f"{len(cases) - len(said)} of {len(cases)}",
        f"{_rank(method, cases):.2f}",
    ]
    return f"| {method} | {' | '.join(cells)} |"


def _mean_abs(errors: Mapping[Case, float], severities: Sequence[int]) -> str:
    chosen = [abs(each) for (_, severity), each in errors.items() if severity in severities]
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
    true = " ".join(f"{100 * one['miou']:.0f}" for one in rows)
    cells = [
        _mean_abs(
            {
                (kind, one["severity"]): 100 * (one["says"][m]["miou"] - one["miou"])
                for one in rows
                if one["says"][m]["miou"] is not None
            },
            SEVERITIES,
        )
        for m in METHODS
    ]
    return f"| {kind} | {true} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
