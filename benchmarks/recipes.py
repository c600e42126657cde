"""Scale and crops: what is learnt from about the same number of pixels.

    python benchmarks/recipes.py ../shared/data --data camvid --seeds 3

Rows of recipes.jsonl are kept; recipes.md is made of them, those of settings.py included.
Without a name after `--data`, nothing is trained.
"""

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import settings

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "recipes.jsonl", HERE / "recipes.md"
WEIGHTS = "weights/mobilenet_v2_imagenet_from_tf2_ptq.pth"
KEY = ("data", "scale", "crop", "epochs", "precision")


@dataclass(frozen=True, slots=True)
class Trial:
    """A training of a fixed number of crops of a fixed size."""

    data: str
    scale: float
    crop: str
    epochs: int
    num_train: int
    precision: str = "bf16"

    @property
    def megapixels(self) -> float:
        """Pixels that the network sees in training, in millions."""
        height, width = map(int, self.crop.split("x"))
        return self.epochs * self.num_train * height * width / 1e6


TRIALS = (
    Trial("camvid", 1.0, "160x192", 5, 367),
    Trial("camvid", 0.5, "160x192", 5, 367),
    Trial("cwfid", 0.71, "192x192", 60, 14),
    Trial("cwfid", 0.36, "192x192", 60, 14),
    Trial("magnetic_tile", 2.0, "352x352", 4, 473, "fp32"),
    Trial("magnetic_tile", 2.0, "160x160", 14, 473, "fp32"),
    Trial("magnetic_tile", 1.0, "320x288", 5, 473, "fp32"),
    Trial("magnetic_tile", 0.5, "160x160", 16, 473, "fp32"),
)

INTRO = """\
# Scale and crops at a given number of pixels

From `benchmarks/recipes.py`: FPN on mobilenet_v2 with ImageNet weights; all but scale, crop
and length is by the plan. Scores are those of the best weights on val at source resolution
(cwfid: three of its training images), in %: mean over the seeds, in brackets the least and the
greatest. The time of a training is nearly that of its pixels.

Where images are seen often, half the scale loses. cwfid, `--budget 4m`, about nine passes over
the training pixels, test split, one seed: 81.2 at scale 0.71 with crops of 256 x 256
([real.md](real.md)), 75.9 at scale 0.35 with crops of 192 x 192 (soil 98.1, crop 59.1, weed
70.3).

With another encoder, for 40 minutes of two cores. camvid, the recipe that `plan --budget 40m`
writes where the extra `weights` is installed (FPN on EfficientNet-lite0, scale 1.51, crops of
352 x 352, 44 epochs, fp32, seed 0; trained on one core in 65 minutes): 78.2 (pole 25.2, fence
74.7, the others from signsymbol 58.9 upwards). FPN on mobilenet_v2, 55 epochs in bf16: 77.3.

Tried for its pole, which covers 0.5 % of the pixels and is one to five of them wide. A U-Net on
the same encoder at scale 1, in place of the FPN at 1.51, same crops, 8 epochs, seed 0: 56.8
(pole 0.0) in 16 minutes of a core, against 71.9 (pole 15.7) of the FPN in 12: left out. With
the 44 epochs of the FPN, on every fourth frame of val, the network finds 31 % of the pole's
pixels, and 51 % of what it calls pole is pole; most of the others are building (38 %), tree
(18 %) and fence (11 %). To call a pixel pole more readily raises its IoU to 27.7 at best (its
logit raised by 1: from 23.9; mIoU 78.3 to 78.5), so no threshold of this network reaches 30.

magnetic_tile, fray: 12 of its 15 training images show large dark patches in the middle of two
tiles, 3 small chips at a border. The 11 of val are two other tiles: long frays along a side in
5, a chip at the lower border in 6. No recipe found them: 0 % in each row below and after
`--budget 6m` ([real.md](real.md)). More minutes do not help: the recipe of `--budget 28m` on
one core, about 15 minutes of two, with EfficientNet-lite0 (scale 2, crops of 352 x 352, 12
epochs, fp32, seed 0): 47.9 (blowhole 54.1, break 20.8, crack 57.5, fray 0.0, uneven 56.9),
where those 6 minutes gave 48.9. Nor does `data.copy_paste` 0.5 (FPN on mobilenet_v2, scale 1,
crops of 320 x 288, 8 epochs, bf16, seed 0, as the run of 48.9 has them): 42.5 (blowhole 39.6,
break 19.0, crack 55.2, fray 0.0, uneven 44.4).

cwfid, five folds of its training images (`split --folds 5 --keep test`, `train --fold K
--budget 7m` on one core, about 4 minutes of two, EfficientNet-lite0): 84.6, 79.0, 85.2, 77.8
and 85.9, mean 82.5.

| dataset | scale | crop | epochs | Mpx trained | seeds | val mIoU | IoU of the classes |
|---|---:|---|---:|---:|---:|---|---|
"""


def main() -> None:
    """Run what is asked for and not yet done, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the datasets and weights")
    parser.add_argument("--data", nargs="*", default=sorted({t.data for t in TRIALS}))
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 0 on")
    asked = parser.parse_args()
    every = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    rows = [row for row in every if "setting" not in row]
    done = {(*(row[key] for key in KEY), row["seed"]) for row in rows}
    for trial, seed in itertools.product(TRIALS, range(asked.seeds)):
        key = (*(getattr(trial, name) for name in KEY), seed)
        if trial.data in asked.data and key not in done:
            rows.append(run(trial, seed, asked.folder))
            with RESULTS.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    table = settings.make_table([row for row in every if "setting" in row])
    PAGE.write_text("\n".join([*make_page(rows), *table]) + "\n")
    print(PAGE.read_text())


def run(trial: Trial, seed: int, folder: Path) -> dict[str, Any]:
    """Train by the command line; the scores are those of the run's report on `val`."""
    with TemporaryDirectory() as out:
        values = {
            "model.encoder_weights": folder / WEIGHTS,
            "schedule.validate_every": trial.epochs,
            "optim.precision": trial.precision,
            "input.scale_ratio": trial.scale,
        }
        command = [
            *(sys.executable, "-m", "maskwright", "train", str(folder / trial.data)),
            *("-o", f"{out}/run", "--crop", trial.crop, "--epochs", str(trial.epochs)),
            *("--seed", str(seed)),
            *(part for key, value in values.items() for part in ("--set", f"{key}={value}")),
        ]
        subprocess.run(command, check=True)
        report = json.loads(Path(out, "run/report/report.json").read_text())
    iou = {entry["name"]: entry["iou"] for entry in report["classes"]}
    return asdict(trial) | {"seed": seed, "miou": report["scores"]["miou"], "iou": iou}


def make_page(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Markdown: a row for each trial, and the IoU of its classes."""
    lines = INTRO.splitlines()
    for trial in TRIALS:
        runs = [row for row in rows if all(row[k] == getattr(trial, k) for k in KEY)]
        if not runs:
            continue
        lines.append(
            f"| {trial.data} | {trial.scale:g} | {trial.crop} | {trial.epochs} | "
            f"{trial.megapixels:.0f} | {len(runs)} | {describe_scores(runs)} |"
        )
    return lines


def describe_scores(runs: Sequence[dict[str, Any]]) -> str:
    """Two cells: mIoU of the runs, the mean and its span, and the mean IoU of each class."""
    scores = sorted(100 * row["miou"] for row in runs)
    span = f" ({scores[0]:.1f} to {scores[-1]:.1f})" if len(scores) > 1 else ""
    classes = ", ".join(
        f"{name} {100 * mean(row['iou'][name] or 0.0 for row in runs):.1f}"
        for name in runs[0]["iou"]
    )
    return f"**{mean(scores):.1f}**{span} | {classes}"


if __name__ == "__main__":
    main()
