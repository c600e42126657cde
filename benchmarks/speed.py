"""Engines and precisions on every architecture, beside torch: speed.md, out of speed.jsonl.

    python benchmarks/speed.py build FOLDER [CASES...]
    python benchmarks/speed.py measure FOLDER [CASES...]
    python benchmarks/speed.py page

`build` writes the graphs of the cases into FOLDER, `measure` times them there and appends a
line for each to speed.jsonl, `page` writes speed.md from all lines, the last of each case, and
the notes in speed_notes.md. A case is an architecture, or one with an encoder: unet/resnet18.

Each variant has a process of its own. The processes of a case wait while one of them runs; in
each round every one runs for about 0.3 s, so that a machine that slows down slows all of them.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from speed_page import render_page
from speed_worker import SIZE_HW, VARIANTS, draw_image

from maskwright.core import InputSpec, LabelSpec, parts
from maskwright.core.atomic import write_text
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.errors import MaskwrightError, first_line
from maskwright.export.onnxgraph import write_onnx
from maskwright.export.quantize.qdq import FloatGraph
from maskwright.inference.machine import Machine
from maskwright.nn.build import build_model, load_arch, newest
from maskwright.nn.protocols import ARCHS, OWN

HERE = Path(__file__).parent
LINES = HERE / "speed.jsonl"
NUM_CLASSES = 11
THREADS = 2
NUM_ROUNDS = 4
ROUND_MS = 300.0
SMALL = "mobilenet_v2"
MORE = ("unet/resnet18", "pspnet/resnet18", "segformer/mit_b0")
"""Pairs that are known from elsewhere, beside each architecture on a small encoder."""

Json = dict[str, Any]


def list_cases() -> list[str]:
    """Every architecture on the smallest encoder that it takes, and `MORE`."""
    cases = []
    for name in parts.names(ARCHS):
        known = load_arch(name).ENCODERS
        encoder = SMALL if known is None or SMALL in known else known[0]
        cases.append(name if encoder == OWN else f"{name}/{encoder}")
    return [*cases, *MORE]


def build(case: str, folder: Path) -> None:
    """Write card, weights and graphs of a case, of random weights with moved statistics."""
    arch, _, encoder = case.partition("/")
    card = ModelCard(
        labels=LabelSpec.from_names([f"class {i}" for i in range(NUM_CLASSES)]),
        input=InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3),
        arch=newest(ArchSpec(name=arch, encoder=encoder or OWN)),
    )
    torch.manual_seed(0)
    card = replace(card, logits=build_model(card).head_grid)
    torch.manual_seed(0)
    network = build_model(card)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps(card.to_json()))
    save_file(
        {k: v.contiguous() for k, v in network.state_dict().items()},
        folder / "weights.safetensors",
    )
    write_onnx(network, card, folder / "model.onnx")
    graph = FloatGraph.prepare(folder / "model.onnx", folder / "prepared.onnx")
    image_CHW = draw_image(3)[0][:, :256, :256]
    ranges = graph.measure_ranges([image_CHW], "minmax")
    graph.quantize(ranges, folder / "model.int8.onnx")


def start(folder: Path, variants: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Warm processes with their shortest times, and the reasons of those that cannot run."""
    processes = {
        variant: subprocess.Popen(
            [sys.executable, HERE / "speed_worker.py", folder, variant, str(THREADS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for variant in variants
    }
    running, errors = {}, {}
    for variant, process in processes.items():
        line = process.stdout.readline() if process.stdout else ""
        if line:
            running[variant] = process, json.loads(line)
        else:
            lines = process.communicate()[1].strip().splitlines()
            errors[variant] = (lines or ["ended"])[-1][:200]
    return running, errors


def measure_difference(folder: Path, variant: str) -> float:
    """The largest difference of a logit from torch, as a share of the largest logit."""
    expected_Khw, found_Khw = (np.load(folder / f"{n}.npy") for n in ("torch", variant))
    return float(np.abs(found_Khw - expected_Khw).max() / np.abs(expected_Khw).max())


def measure(case: str, folder: Path, variants: list[str]) -> Json:
    """The line of one case: median ms and ratio to torch of each variant."""
    machine = Machine.detect()
    running, errors = start(folder, variants)
    times: dict[str, list[list[float]]] = {name: [] for name in running}
    for _ in range(NUM_ROUNDS):
        for name, (process, warm_ms) in running.items():
            process.stdin.write(f"{max(1, min(20, round(ROUND_MS / warm_ms)))}\n")
            process.stdin.flush()
            times[name].append(json.loads(process.stdout.readline()))
    for process, _ in running.values():
        process.kill()
        process.wait()
    found = {
        name: {
            "ms": round(median(t for one in rounds for t in one), 2),
            "times_torch": round(
                median(
                    median(a) / median(b) for a, b in zip(times["torch"], rounds, strict=True)
                ),
                3,
            ),
            "difference": measure_difference(folder, name),
        }
        for name, rounds in times.items()
    }
    return {
        "case": case,
        "size_HW": list(SIZE_HW),
        "threads": THREADS,
        "machine": asdict(machine),
        "variants": found,
        "errors": errors,
    }


def read_lines(path: Path) -> list[Json]:
    """What was measured."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    """Run one verb."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=("build", "measure", "page"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    parser.add_argument("--seconds", type=float, default=1e9, help="start nothing later")
    asked = parser.parse_args()
    if asked.verb == "page":
        notes = (HERE / "speed_notes.md").read_text()
        frames = read_lines(HERE / "realtime.jsonl")
        text = render_page(
            read_lines(LINES), frames, notes, classes=NUM_CLASSES, rounds=NUM_ROUNDS
        )
        write_text(HERE / "speed.md", text)
        return
    known = {line["case"] for line in read_lines(LINES)} if LINES.exists() else set()
    variants = [name for name in VARIANTS if asked.compile or name != "torch.compile"]
    started_s = time.monotonic()
    for case in asked.cases or [case for case in list_cases() if case not in known]:
        folder = asked.folder / case.replace("/", "-")
        if time.monotonic() - started_s > asked.seconds:
            break
        if asked.verb == "build" and not (folder / "model.onnx").exists():
            try:
                build(case, folder)
            except (MaskwrightError, RuntimeError) as error:
                print(f"{case}: {first_line(error)}", flush=True)
        elif asked.verb == "measure" and (folder / "model.onnx").exists():
            line = measure(case, folder, variants)
            with LINES.open("a") as file:
                file.write(json.dumps(line) + "\n")
            ratios = {k: v["times_torch"] for k, v in line["variants"].items()}
            print(case, ratios, line["errors"], flush=True)


if __name__ == "__main__":
    main()
