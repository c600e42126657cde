"""Architectures on CamVid, each by the recipe that `plan` gives it, on a CPU.

    export OMP_NUM_THREADS=1
    python benchmarks/architectures.py ../shared/data --steps 2000 --minutes 480
    python benchmarks/architectures.py ../shared/data --seeds 3 --cases fpn/mobilenet_v2
    python benchmarks/architectures.py ../shared/data --speed

A reduced size: images at half their height and width. CamVid may not be shipped; SOURCE.txt in
it says where it comes from. Steps are counted, not timed, and the last weights are scored on
val, at source resolution with void ignored. Each architecture and seed runs in a process of its
own, and its line goes into benchmarks/architectures.jsonl at once; what is there is not run
again, so the table can be filled over several nights (`--minutes` starts nothing later).
`--speed` is a pass of its own for a machine that does nothing else: each architecture in two
fresh processes on one core, one that trains and one that predicts. The page is
benchmarks/architectures.md; its first table also stands in docs/howto/models-and-losses.md.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from architectures_cases import (
    BATCH_SIZE,
    CASES,
    IMAGE_HW,
    NUM_CLASSES,
    PLANNED,
    SETTINGS,
    STEPS_PER_EPOCH,
    TEN,
    Case,
)
from architectures_page import page
from imbalance import WEIGHTS, read_set
from real import processor

from maskwright.core.atomic import write_text
from maskwright.core.card import ModelCard
from maskwright.core.confusion import Confusion
from maskwright.inference.predictor import open_model
from maskwright.nn.build import new_model, newest
from maskwright.training.job import Job
from maskwright.training.loop import fit
from maskwright.training.machine import Machine, measure_step_seconds
from maskwright.training.planning.plan import Plan
from maskwright.training.planning.rules import make_plan
from maskwright.training.planning.situation import Situation
from maskwright.training.recipe import Recipe, override
from maskwright.training.setup import make_accelerator

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs/howto/models-and-losses.md"
BEGIN, END = "<!-- architectures: begin -->", "<!-- architectures: end -->"
PROCESS = Path("/proc/self")


def main() -> None:
    """Train, or measure, what is asked for and not yet done."""
    asked = _arguments()
    file, started_s = asked.out / "architectures.jsonl", time.monotonic()
    for key, seed in itertools.product(asked.cases, range(1 if asked.speed else asked.seeds)):
        wanted = {"case": key} if asked.speed else {"case": key, "seed": seed}
        wanted |= {} if asked.speed else {"steps": _whole_epochs(asked), "recipe": PLANNED}
        done = [line for line in read_lines(file) if wanted.items() <= line.items()]
        if any(("train_peak_mb" in line) == asked.speed for line in done):
            continue
        if time.monotonic() - started_s > 60 * asked.minutes:
            break
        case = CASES[key]
        found = measure(case) if asked.speed else _in_process(train, case, seed, asked)
        append_line(file, wanted | found)
    publish(read_lines(file), asked.out)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """All results; a line that a killed process left half-written is passed over."""
    lines = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def append_line(file: Path, line: dict[str, Any]) -> None:
    """Append one result, by one write."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    print(f"{line['case']}: {line}", flush=True)


def publish(lines: list[dict[str, Any]], out: Path) -> None:
    """Write the page; beside this script, also its first table into the docs."""
    text = page(lines)
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
    ten = [case.key for case in TEN]
    parser.add_argument("--cases", nargs="+", choices=CASES, default=ten)
    parser.add_argument("--steps", type=int, default=138, help="rounded to whole epochs")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 0 on")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start none later")
    parser.add_argument("--speed", action="store_true", help="time and memory, no training")
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


def _in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def train(case: Case, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Train, and count the confusion of the last weights on val."""
    started_s = time.monotonic()
    plan = plan_recipe(case, seed, asked.data, _count_epochs(asked.steps))
    with TemporaryDirectory() as folder:
        job = _job(plan.recipe, asked.data, Path(folder))
        fit(job, make_accelerator(job.recipe), lambda _status: None, resume=False)
        model = open_model(job.run)
    _, val, _ = read_set(asked.data / "camvid")
    total = Confusion.zero(NUM_CLASSES)
    for i in range(len(val)):
        found = model.predict(val.image(i), where=val.keys[i]).labels_HW
        total += Confusion.from_labels(val.labels(i), found, NUM_CLASSES)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "optim": job.recipe.optim.model_dump(),
        "loss": job.recipe.loss.sum,
        "reason": plan.reasons["optim.lr"],
        "classes": [c.name for c in val.spec.classes],
        "confusion": total.counts_CC.tolist(),
        "seconds": round(time.monotonic() - started_s, 1),
    }


def plan_recipe(case: Case, seed: int, data: Path, epochs: int) -> Plan:
    """The recipe that `plan` gives the architecture on a CPU, at the size of this benchmark."""
    _, val, facts = read_set(data / "camvid")
    situation = Situation(
        facts=facts,
        num_classes=NUM_CLASSES,
        num_val=len(val),
        sample_seconds=lambda _recipe: 0.0,  # epochs are given: nothing is timed
        step_seconds=lambda _recipe, _limit_s: 0.0,
        image_seconds=lambda _recipe, _limit_s: 0.0,
        splits=("train", "val"),
        machine=Machine("cpu", "CPU", 1, 8 << 30),
    )
    run = {"seed": seed, "schedule.epochs": epochs, "schedule.validate_every": epochs}
    return make_plan(situation, SETTINGS | run | case.settings(str(data / WEIGHTS)))


def _count_epochs(steps: int) -> int:
    """Epochs of the 367 training images of CamVid."""
    return max(1, round(steps / STEPS_PER_EPOCH))


def _whole_epochs(asked: argparse.Namespace) -> int:
    """Steps that are trained for `--steps`."""
    return _count_epochs(asked.steps) * STEPS_PER_EPOCH


def _job(recipe: Recipe, data: Path, run: Path) -> Job:
    """Its `val` is one image: what the loop scores at its end decides nothing here."""
    train_set, val, facts = read_set(data / "camvid")
    card = ModelCard(
        labels=train_set.spec, input=recipe.input.spec, arch=newest(recipe.model.graph)
    )
    return Job(
        run=run,
        recipe=recipe,
        card=card,
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
        "train_images_per_s": round(BATCH_SIZE / train_s, 2),
        "train_peak_mb": round(train_bytes / 1e6),
        "predict_images_per_s": round(1 / predict_s, 1),
        "predict_peak_mb": round(predict_bytes / 1e6),
    }


def _alone(seconds_of: Callable[[Recipe, Machine], float], case: Case) -> tuple[float, int]:
    found: tuple[float, int] = _in_process(_measured, seconds_of, case)
    return found


def _measured(seconds_of: Callable[[Recipe, Machine], float], case: Case) -> tuple[float, int]:
    """Processor seconds, and the most bytes that this process held, libraries included.

    Of one thread they are the seconds of a core that does nothing else. Linux counts the peak
    again on request; a process else begins with that of its parent.
    """
    torch.set_num_threads(1)
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")
    with patch("time.perf_counter", time.process_time):
        settings = SETTINGS | case.settings("none")
        seconds = seconds_of(override(Recipe(), settings), Machine.detect())
    lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return seconds, 1024 * int(peak)


def _train_step(recipe: Recipe, machine: Machine) -> float:
    return measure_step_seconds(recipe, NUM_CLASSES, machine)


def _prediction(recipe: Recipe, machine: Machine) -> float:
    """Seconds of one image on random pixels; the first does not count."""
    model = new_model(recipe.model.graph, recipe.input.channels, NUM_CLASSES).eval()
    model = model.to(machine.device, memory_format=torch.channels_last)
    scaled_HW = [round(n * recipe.input.scale_ratio) for n in IMAGE_HW]
    image_BCHW = torch.rand(1, recipe.input.channels, *scaled_HW, device=machine.device)
    image_BCHW = image_BCHW.contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(4):
        started_s = time.perf_counter()
        with torch.inference_mode():
            model(image_BCHW).float().argmax(dim=1)
        seconds.append(time.perf_counter() - started_s)
    return median(seconds[1:])


if __name__ == "__main__":
    main()
