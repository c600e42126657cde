"""What pruning and int8 cost in score and gain in time: int8 calibrated alone, and trained.

    maskwright prune RUN camvid --target-flops 0.5 --rounds 1 --set schedule.epochs=1 \
        --set schedule.steps_per_epoch=120 --batch 4 -o half
    python benchmarks/smaller.py score half half/bundle camvid --steps 60 -o graphs
    python benchmarks/smaller.py time graphs

`score` adds a line on a Bundle to smaller.jsonl and writes its graphs into a folder: mIoU on
val in fp32, of int8 by the smallest and largest value, and of the same graph after so many
steps of training. `time` prints the table of speed_notes.md: the graphs take turns, in one
process, beside torch eager on the network whose name is `whole`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from maskwright.core import parts
from maskwright.core.bundle import open_bundle
from maskwright.core.progress import silent
from maskwright.core.threads import count_cores
from maskwright.core.trust import hash_file, remember
from maskwright.data.dataset import open_dataset
from maskwright.export.onnxgraph import write_onnx
from maskwright.export.quality import QualityTest, choose_split
from maskwright.export.quantize.calibration import choose_calibration
from maskwright.export.quantize.onnxmodule import OnnxModule
from maskwright.export.quantize.qat import QatOptions, train_graph
from maskwright.export.quantize.qdq import FloatGraph
from maskwright.inference.engine import ENGINES, Engine, EngineOptions, EnginePart
from maskwright.inference.engines.torch import TorchEngine
from maskwright.inference.predictor import open_model
from maskwright.inference.resolution import to_network
from maskwright.nn.build import load_model

LINES = Path(__file__).with_suffix(".jsonl")
WHOLE = "whole"
FOREVER_S = 1e5
SIZE_HW = (512, 512)
ROUNDS, RUNS = 4, 4


def score(name: str, path: Path, data: Path, steps: int, out: Path) -> None:
    """Score a network and its graphs of int8, and add the line."""
    bundle, dataset = open_bundle(path), open_dataset(data)
    card, dataset = bundle.card, dataset.with_input(bundle.card.input)
    model = load_model(card, bundle.weights).eval()
    out.mkdir(exist_ok=True)
    plain, int8 = out / f"{name}.fp32.onnx", out / f"{name}.int8.onnx"
    write_onnx(model, card, plain)
    graph = FloatGraph.prepare(plain, out / f"{name}.prepared.onnx")
    train = dataset.subset("train")

    def prepare(index: int) -> Any:
        return to_network(card.input.prepare(train.image(index), where=name), card.input)

    chosen = choose_calibration(train, silent).indices
    graph.quantize(graph.measure_ranges(map(prepare, chosen), "minmax"), int8)
    test = QualityTest(TorchEngine(model), card, *choose_split(dataset), silent)
    calibrated = test.score(_build(int8, card, "onnxruntime", "int8"))
    line = {"name": name, "fp32": test.network_miou, "calibrated": calibrated.graph_miou}
    print(line, flush=True)
    module = OnnxModule(int8, graph.path)
    options = QatOptions(seconds=FOREVER_S, most_steps=steps)
    started_s = time.process_time()
    train_graph(
        module, model, lambda rng: prepare(int(rng.integers(len(train)))), options, silent
    )
    seconds = round(time.process_time() - started_s)
    module.write(int8)
    trained = test.score(_build(int8, card, "onnxruntime", "int8"))
    line |= {"trained": trained.graph_miou, "steps": steps, "processor_s": seconds}
    line |= {"bundle": str(path), "mb": plain.stat().st_size / 1e6}
    line |= {"int8_mb": int8.stat().st_size / 1e6}
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(line)


def tabulate(out: Path) -> None:
    """Time the graphs in turns, and print the table."""
    lines = {one["name"]: one for one in map(json.loads, LINES.read_text().splitlines())}
    whole = open_model(lines[WHOLE]["bundle"], engine="torch").engine
    runs: dict[tuple[str, str, str], Callable[[Any], Any]] = {(WHOLE, "torch", "fp32"): whole}
    for name, line in lines.items():
        card = open_bundle(Path(line["bundle"])).card
        for engine in ("onnxruntime", "openvino"):
            for precision in ("fp32", "int8"):
                graph = out / f"{name}.{precision}.onnx"
                runs[name, engine, precision] = _build(graph, card, engine, precision)
    x_BCHW = np.random.default_rng(0).standard_normal((1, 3, *SIZE_HW), np.float32)
    times_ms: dict[tuple[str, str, str], list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS + 1):  # the first round warms up
        for key, run in runs.items():
            times_ms[key].append(median(_time_ms(run, x_BCHW) for _ in range(RUNS)))
    ms = {key: median(found[1:]) for key, found in times_ms.items()}
    print(f"torch fp32 on the whole network: {ms[WHOLE, 'torch', 'fp32']:.0f} ms")
    print("| network | engine | fp32, ms | int8, ms | mIoU fp32 | calibrated | trained |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for name, line in lines.items():
        scores = " | ".join(_percent(line.get(k)) for k in ("fp32", "calibrated", "trained"))
        for engine in ("onnxruntime", "openvino"):
            pair = " | ".join(f"{ms[name, engine, p]:.1f}" for p in ("fp32", "int8"))
            print(f"| {name} | {engine} | {pair} | {scores} |")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _build(file: Path, card: Any, engine: str, precision: str) -> Engine:
    remember("graph", hash_file(file))
    part = parts.load(ENGINES, engine, like=EnginePart)
    return part.build(file, card, EngineOptions(precision=precision, threads=count_cores()))


def _time_ms(run: Callable[[Any], Any], x_BCHW: Any) -> float:
    started_s = time.perf_counter()
    run(x_BCHW)
    return 1000 * (time.perf_counter() - started_s)


def main() -> None:
    """Read the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    scoring = verbs.add_parser("score")
    scoring.add_argument("name")
    scoring.add_argument("bundle", type=Path)
    scoring.add_argument("data", type=Path)
    scoring.add_argument("--steps", type=int, default=60)
    scoring.add_argument("-o", dest="out", type=Path, required=True)
    verbs.add_parser("time").add_argument("out", type=Path)
    given = parser.parse_args()
    if given.verb == "score":
        score(given.name, given.bundle, given.data, given.steps, given.out)
    else:
        tabulate(given.out)


if __name__ == "__main__":
    main()
