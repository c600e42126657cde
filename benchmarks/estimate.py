"""How well mIoU is estimated without labels: 15 corruptions at 5 severities on CamVid.

    maskwright train ../shared/data/camvid -o runs/camvid ...
    python benchmarks/estimate.py --counts counts.npz runs/camvid ../shared/data/camvid
    python benchmarks/estimate.py --counts counts.npz        again, from the kept counts

Frames of the validation clip, spread evenly, are divided in two ways. Its two halves in time,
one to fit and one to judge, both ways: the same street, but other cars and people. And eight
blocks of neighbouring frames, four to fit and four to judge, in the 70 ways to choose them:
images like those of the fit. Each kind of corruption is judged by an estimator that has never
seen that kind. The
temperature of the model is fitted on frames of the same clip when training ends. CamVid may not
be shipped. Results go into benchmarks/estimate.json, the page is benchmarks/estimate.md.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from estimate_counts import PLAIN, Counts, Known, collect, read_counts, write_counts
from estimate_page import HALVES, MIXED, NOTES, page
from estimate_tries import Division, try_frames, try_methods

from maskwright.core.atomic import write_text
from maskwright.core.scores import mean_iou
from maskwright.corruption.corrupt import IMAGENET_C, SEVERITIES
from maskwright.data.dataset import open_dataset
from maskwright.inference.engine import EngineOptions
from maskwright.inference.predictor import open_model
from maskwright.monitoring.estimate import METHODS, Estimate, Estimator, measure

HERE = Path(__file__).parent
BLOCKS, DIVIDED = 8, 5
"""Blocks of neighbouring frames; of the ways to divide them, each so many-th has intervals."""

FEW = "soft, few pixels"


def main() -> None:
    """Predict all frames in all conditions, or read the counts, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--counts", type=Path, required=True, help="NPZ to write, or to read")
    parser.add_argument("--frames", type=int, default=24, help="of the clip, to be corrupted")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    if not asked.counts.exists():
        val = open_dataset(asked.data).subset("val")
        model = open_model(asked.model, options=EngineOptions(threads=1))
        write_counts(collect(model, val, asked.frames), asked.counts)
    results = measure_all(read_counts(asked.counts))
    write_text(asked.out / "estimate.json", json.dumps(results) + "\n")
    file = asked.out / "estimate.md"
    _, mark, notes = (file.read_text() if file.exists() else "").partition(NOTES)
    write_text(file, page(results) + mark + notes)


def measure_all(counts: Counts) -> dict[str, Any]:
    """All that the page shows."""
    mixed, halves = divide(len(counts.indices))
    whole = dict(zip((MIXED, HALVES), divide(len(counts.clip.images)), strict=True))
    return {
        "frames": len(counts.indices),
        "divisions": len(mixed),
        "cases": {
            title: [one for division in chosen for one in judge(counts, *division)]
            for title, chosen in ((MIXED, mixed[::DIVIDED]), (HALVES, halves))
        },
        "plain": {title: try_frames(counts, chosen) for title, chosen in whole.items()},
        "tries": try_methods(counts.whole, mixed),
    }


def divide(num_frames: int) -> tuple[list[Division], list[Division]]:
    """The frames to fit on and those to judge: of all ways to mix blocks, and of the halves."""
    blocks = np.array_split(np.arange(num_frames), BLOCKS)
    mixed = []
    for chosen in combinations(range(BLOCKS), BLOCKS // 2):
        rest = [k for k in range(BLOCKS) if k not in chosen]
        fit, new = (np.concatenate([blocks[k] for k in half]) for half in (chosen, rest))
        mixed.append((fit.tolist(), new.tolist()))
    first, second = (half.tolist() for half in np.array_split(np.arange(num_frames), 2))
    return mixed, [(first, second), (second, first)]


def judge(counts: Counts, fit: Sequence[int], new: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Each condition of new frames, by an estimator that does not know its kind."""
    for kind in (PLAIN[0], *IMAGENET_C):
        whole, few = (_fit(known, fit, kind) for known in (counts.whole, counts.few))
        for case in counts.whole:
            if case[0] != kind:
                continue
            group, sampled = counts.whole[case].select(new), counts.few[case].select(new)
            says = {
                method: _describe(
                    whole.estimate(group.images, method),
                    measure(group.images, method, whole.thresholds_C),
                )
                for method in METHODS
            }
            yield {
                "kind": kind,
                "severity": case[1],
                "miou": _round(float(mean_iou(group.confusion))),
                "says": says
                | {
                    FEW: _describe(
                        few.estimate(sampled.images),
                        measure(sampled.images, "soft", few.thresholds_C),
                    )
                },
            }


def _fit(known: Known, fit: Sequence[int], kind: str) -> Estimator:
    """An estimator of some frames that has never seen a kind of corruption."""
    others = {
        name: [known[name, level].select(fit) for level in SEVERITIES]
        for name in IMAGENET_C
        if name != kind
    }
    return Estimator.fit(known[PLAIN].select(fit), others)


def _describe(found: Estimate, bare: float) -> Mapping[str, Any]:
    return {
        "miou": _round(found.miou),
        "interval": found.interval and [*map(_round, found.interval)],
        "bare": _round(bare),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    main()
