"""Architectures on CamVid under one recipe, seed and number of steps, on a CPU.

    OMP_NUM_THREADS=1 python benchmarks/architectures.py ../shared/data
    OMP_NUM_THREADS=1 python benchmarks/architectures.py ../shared/data --speed

A reduced size: images at half their height and width, a few passes over them. It says which
architecture learns most from little, not how far each one goes. CamVid may not be shipped;
SOURCE.txt in it says where it comes from. Steps are counted, not timed, and the last weights
are scored on val, at source resolution with void ignored. Each finished run goes into
benchmarks/architectures.json at once and is not run again. `--speed` is a pass of its own for
a machine that does nothing else: each architecture in two fresh processes on one core, one that
trains and one that predicts. The page is benchmarks/architectures.md; its table also stands in
docs/howto/models-and-losses.md.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from imbalance import WEIGHTS, read_set
from real import processor

from maskwright.core.atomic import write_json, write_text
from maskwright.core.card import ModelCard
from maskwright.core.confusion import Confusion
from maskwright.core.inputspec import InputSpec
from maskwright.core.scores import iou, mean_iou
from maskwright.inference.predictor import open_model
from maskwright.nn.build import load_arch
from maskwright.nn.protocols import OWN
from maskwright.training.job import Job
from maskwright.training.loop import fit
from maskwright.training.machine import (
    Machine,
    measure_step_seconds,
    measure_validation_seconds,
)
from maskwright.training.recipe import Recipe, override
from maskwright.training.setup import make_accelerator

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs/howto/models-and-losses.md"
BEGIN, END = "<!-- architectures: begin -->", "<!-- architectures: end -->"
PROCESS = Path("/proc/self")
IMAGE_HW = (360, 480)
NUM_CLASSES = 11
PRETRAINED = "mobilenet_v2"
RECIPE: dict[str, Any] = {
    "input.scale_ratio": 0.5,
    "data.crop_px": (96, 128),
    "data.batch_size": 8,
    "schedule.epochs": 3,
    "schedule.validate_every": 3,
}
AIMS = (
    "SegNet 60.1, DeepLab-LargeFOV 61.6, Dilation8 65.3, FC-DenseNet103 66.9 (without "
    "pretrained weights), BiSeNet 68.7, PSPNet 69.1"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: an architecture, and the encoder where it takes any."""

    arch: str
    encoder: str

    @property
    def key(self) -> str:
        """Name in the results."""
        return f"{self.arch}/{self.encoder}"

    @property
    def is_pretrained(self) -> bool:
        """Whether there are weights of its encoder."""
        return self.encoder == PRETRAINED

    def recipe(self, weights: str) -> Recipe:
        """The one recipe; as in a plan, an encoder without weights learns at the full rate."""
        model = {"model.arch": self.arch, "model.encoder": self.encoder}
        model["model.encoder_weights"] = weights if self.is_pretrained else "none"
        rate = {} if self.is_pretrained else {"optim.encoder_lr_ratio": 1.0}
        return override(Recipe(), RECIPE | model | rate)


def _case(arch: str, encoder: str = PRETRAINED) -> Case:
    return Case(arch, OWN if load_arch(arch).ENCODERS == (OWN,) else encoder)


CASES = {
    case.key: case
    for case in (
        *map(_case, ("fpn", "deeplabv3plus", "fastscnn", "ddrnet23_slim", "fcn", "unet")),
        _case("segformer", "mit_b0"),
        *map(_case, ("pidnet_s", "linknet", "pan", "enet", "bisenetv2", "stdc")),
        *map(_case, ("segformer", "unetplusplus", "pspnet", "segnet_basic")),
    )
}


def main() -> None:
    """Train, or measure, what is asked for and not yet done."""
    asked = _arguments()
    out = asked.out / "architectures.json"
    results = json.loads(out.read_text()) if out.exists() else {"runs": {}, "speed": {}}
    found = results["speed" if asked.speed else "runs"]
    for key in asked.cases:
        if key in found:
            continue
        found[key] = measure(CASES[key]) if asked.speed else train(CASES[key], asked.data)
        write_json(out, results)
        print(f"{key}: {found[key]}", flush=True)
    publish(results, asked.out)


def publish(results: dict[str, Any], out: Path) -> None:
    """Write the page; beside this script, also its first table into the docs."""
    text = page(results)
    write_text(out / "architectures.md", text)
    if out == HERE:
        before, begin, rest = DOCS.read_text().partition(f"{BEGIN}\n")
        _, end, after = rest.partition(END)
        write_text(DOCS, f"{before}{begin}\n{first_table(text)}\n\n{end}{after}")
    print(text)


def first_table(text: str) -> str:
    """The lines of the first table of a page."""
    lines = itertools.dropwhile(lambda line: not line.startswith("|"), text.splitlines())
    return "\n".join(itertools.takewhile(lambda line: line.startswith("|"), lines))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of camvid and weights")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--speed", action="store_true", help="time and memory, no training")
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


def train(case: Case, data: Path) -> dict[str, Any]:
    """Train, and count the confusion of the last weights on val."""
    started_s = time.monotonic()
    with TemporaryDirectory() as folder:
        job = _job(case, data, Path(folder))
        fit(job, make_accelerator(job.recipe), lambda _status: None, resume=False)
        model = open_model(job.run)
    _, val, _ = read_set(data / "camvid")
    total = Confusion.zero(NUM_CLASSES)
    for i in range(len(val)):
        found = model.predict(val.image(i), where=val.keys[i]).labels_HW
        total += Confusion.from_labels(val.labels(i), found, NUM_CLASSES)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "steps": job.num_steps,
        "seed": job.recipe.seed,
        "classes": [c.name for c in val.spec.classes],
        "confusion": total.counts_CC.tolist(),
        "seconds": round(time.monotonic() - started_s, 1),
    }


def _job(case: Case, data: Path, run: Path) -> Job:
    """Its `val` is one image: what the loop scores at its end decides nothing here."""
    train_set, val, facts = read_set(data / "camvid")
    recipe = case.recipe(str(data / WEIGHTS))
    spec = recipe.input
    seen = InputSpec(channels=3, mean=spec.mean, std=spec.std, scale_ratio=spec.scale_ratio)
    return Job(
        run=run,
        recipe=recipe,
        card=ModelCard(labels=train_set.spec, input=seen, arch=recipe.model.graph),
        train=train_set,
        val=replace(val, entries=val.entries[:1]),
        counts_NC=facts.counts_NC,
    )


def measure(case: Case) -> dict[str, Any]:
    """Images a second and peak memory, training and predicting, each in a fresh process."""
    load = os.getloadavg()[0]
    train_s, train_bytes = _alone(_train_step, case)
    predict_s, predict_bytes = _alone(_prediction, case)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": processor(),
        "load_before": round(load, 1),
        "train_images_per_s": round(RECIPE["data.batch_size"] / train_s, 2),
        "train_peak_mb": round(train_bytes / 1e6),
        "predict_images_per_s": round(1 / predict_s, 1),
        "predict_peak_mb": round(predict_bytes / 1e6),
    }


def _alone(seconds_of: Callable[[Recipe, Machine], float], case: Case) -> tuple[float, int]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, seconds_of, case).result()


def _measured(seconds_of: Callable[[Recipe, Machine], float], case: Case) -> tuple[float, int]:
    """Processor seconds, and the most bytes that this process held, libraries included.

    Of one thread they are the seconds of a core that does nothing else. Linux counts the peak
    again on request; a process else begins with that of its parent.
    """
    torch.set_num_threads(1)
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")
    with patch("time.perf_counter", time.process_time):
        seconds = seconds_of(case.recipe("none"), Machine.detect())
    lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return seconds, 1024 * int(peak)


def _train_step(recipe: Recipe, machine: Machine) -> float:
    return measure_step_seconds(recipe, NUM_CLASSES, machine)


def _prediction(recipe: Recipe, machine: Machine) -> float:
    return measure_validation_seconds(recipe, IMAGE_HW, NUM_CLASSES, machine)


def page(results: dict[str, Any]) -> str:
    """Markdown: what was run, best first, then the IoU of every class."""
    runs, speed = results["runs"], results["speed"]
    lines = ["# Architectures on CamVid, one recipe, a reduced size on a CPU", ""]
    lines += [_setting(runs), "", _comparison(), ""]
    head = ["architecture", "encoder", "starts from", "val mIoU"]
    head += ["training, images/s", "training, peak MB"]
    head += ["prediction, images/s", "prediction, peak MB"]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    ranked = sorted(runs, key=lambda key: -_miou(runs[key]))
    lines += [_row(CASES[key], runs[key], speed.get(key)) for key in ranked]
    if speed:
        lines += ["", _speed_setting(speed)]
    if runs:
        classes = runs[ranked[0]]["classes"]
        lines += ["", f"| IoU | {' | '.join(classes)} |", "|---" * (len(classes) + 1) + "|"]
        lines += [_class_row(CASES[key], runs[key]) for key in ranked]
    return "\n".join(lines) + "\n"


def _setting(runs: dict[str, Any]) -> str:
    steps = " or ".join(map(str, sorted({run["steps"] for run in runs.values()})))
    height, width = (round(n * RECIPE["input.scale_ratio"]) for n in IMAGE_HW)
    crop = " x ".join(map(str, RECIPE["data.crop_px"]))
    return (
        f"From `OMP_NUM_THREADS=1 python benchmarks/architectures.py ../shared/data`: {steps} "
        f"steps ({RECIPE['schedule.epochs']} epochs of 367 images), batches of "
        f"{RECIPE['data.batch_size']} crops of {crop} px (H x W) from images shrunk to "
        f"{height} x {width}, `ce+dice`, seed 0, float32. The last weights are scored on the "
        f"101 val images at {IMAGE_HW[0]} x {IMAGE_HW[1]}, void ignored. **One seed, "
        f"minutes of training: neighbours in the table may change places, and architectures "
        f"that start from random weights have hardly begun to learn.**"
    )


def _comparison() -> str:
    return (
        f"For comparison, after full training on images of 480 x 360 or more: published mIoU "
        f"on test {AIMS}; [real.md](real.md) records `fpn` on `mobilenet_v2` at 76.6 % on val "
        f"after 42 minutes on two cores. val is one clip of a drive whose other parts are in "
        f"train, so it is easier than test."
    )


def _row(case: Case, run: dict[str, Any], speed: dict[str, Any] | None) -> str:
    columns = (
        *("train_images_per_s", "train_peak_mb"),
        *("predict_images_per_s", "predict_peak_mb"),
    )
    cells = [
        case.arch,
        "its own" if case.encoder == OWN else case.encoder,
        "ImageNet" if case.is_pretrained else "random",
        f"{_miou(run):.1%}",
        *(str(speed[c]) if speed else "" for c in columns),
    ]
    return f"| {' | '.join(cells)} |"


def _speed_setting(speed: dict[str, Any]) -> str:
    loads = [found["load_before"] for found in speed.values()]
    machines = ", ".join(sorted({found["machine"] for found in speed.values()}))
    return (
        f"Speed and memory by `--speed`, a pass of its own: one thread on {machines}, in "
        f"processor time, so that other load counts little, though shared caches feel it. A "
        f"training step is on random pixels, without reading and augmenting; a prediction is "
        f"of one image at half size, without reading; both are medians. Memory is what a "
        f"fresh process held at most, libraries included. The load of the machine was "
        f"{min(loads)} to {max(loads)} before each measurement (1 is one busy core)."
    )


def _class_row(case: Case, run: dict[str, Any]) -> str:
    values = (f"{100 * v:.1f}" for v in iou(Confusion(np.array(run["confusion"]))))
    return f"| {case.arch} ({case.encoder}) | {' | '.join(values)} |"


def _miou(run: dict[str, Any]) -> float:
    return float(mean_iou(Confusion(np.array(run["confusion"]))))


if __name__ == "__main__":
    main()
