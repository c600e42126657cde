"""What a small network gains from a teacher, in the same processor time: distil.md.

    OMP_NUM_THREADS=1 python benchmarks/distil.py ../shared/data/camvid runs/large --seeds 3

Rows of distil.jsonl are kept; distil.md is made of them.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from recipes import describe_scores

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "distil.jsonl", HERE / "distil.md"


@dataclass(frozen=True, slots=True)
class Way:
    """How the student learns, and for how many steps."""

    name: str
    steps: int
    classes: float | None
    """Weight of the places of classes; None without a teacher."""


WAYS = (
    Way("alone", 400, None),
    Way("pixels and places of classes", 310, 3.0),
    Way("pixels and places of classes", 400, 3.0),
    Way("pixels", 400, 0.0),
)

INTRO = """\
# Gain of distillation

From `benchmarks/distil.py`: CamVid at 480 x 360, 367 training images. The student is FCN on
EfficientNet-lite0 with packaged ImageNet weights, by the plan (crops of 352 x 352, batches of
4); the teacher is FPN on mobilenet_v2, 77.3 % on val after 66 minutes of a core. One core of an
AMD EPYC; seconds are processor time of the whole command, with plan, validation and export. The
steps of the second row were chosen for the time of the first; they took a little more. Scores
of the best weights on val at source resolution, in %: mean over the seeds, in brackets the
least and the greatest. Fast-SCNN from random weights gained nothing in 200 steps (28.2 alone,
27.8 with the shares of pixels, one seed): a student gains where it begins to be good.

| learns from | steps | seeds | s | val mIoU | IoU of the classes |
|---|---:|---:|---:|---|---|
"""


def main() -> None:
    """Run what is not yet done, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 0 on")
    asked = parser.parse_args()
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    done = {(row["way"], row["steps"], row["seed"]) for row in rows}
    for way, seed in itertools.product(WAYS, range(asked.seeds)):
        if (way.name, way.steps, seed) not in done:
            rows.append(run(way, seed, asked.data, asked.teacher))
            RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows))
    PAGE.write_text(make_page(rows))
    print(PAGE.read_text())


def run(way: Way, seed: int, data: Path, teacher: Path) -> dict[str, Any]:
    """Train by the command line; the scores are those of the run's report on `val`."""
    verb = ["train", str(data)]
    if way.classes is not None:
        verb = ["distil", str(data), "--teacher", str(teacher)]
        verb += ["--set", f"distil.classes={way.classes:g}"]
    before_s = _read_children_seconds()
    with TemporaryDirectory() as out:
        command = [
            *(sys.executable, "-m", "maskwright", *verb, "-o", f"{out}/run"),
            *("--arch", "fcn", "--steps", str(way.steps), "--seed", str(seed)),
            *("--set", "schedule.validate_every=5"),
        ]
        subprocess.run(command, check=True)
        report = json.loads(Path(out, "run/report/report.json").read_text())
    return {
        "way": way.name,
        "steps": way.steps,
        "seed": seed,
        "seconds": round(_read_children_seconds() - before_s),
        "miou": report["scores"]["miou"],
        "iou": {entry["name"]: entry["iou"] for entry in report["classes"]},
    }


def _read_children_seconds() -> float:
    """Processor time of all programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def make_page(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row for each way."""
    lines = INTRO.splitlines()
    for way in WAYS:
        runs = [row for row in rows if (row["way"], row["steps"]) == (way.name, way.steps)]
        if not runs:
            continue
        lines.append(
            f"| {'labels' if way.classes is None else f'labels and teacher: {way.name}'} "
            f"| {way.steps} | {len(runs)} | {mean(row['seconds'] for row in runs):.0f} "
            f"| {describe_scores(runs)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
