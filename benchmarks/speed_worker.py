"""One variant of benchmarks/speed.py in a process of its own: waits, runs, answers.

    python benchmarks/speed_worker.py FOLDER VARIANT THREADS

Each line on standard input is a number of runs; the answer is the list of their times in ms.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.core.card import ModelCard
from maskwright.inference.engine import Engine, EngineOptions

SIZE_HW = (512, 512)
WARM_UP_S = 0.3

Run = Callable[[Any], Any]


def open_card(folder: Path) -> ModelCard:
    """The card of the case in `folder`."""
    return ModelCard.from_json(json.loads((folder / "card.json").read_text()), where="card")


def open_torch(folder: Path, threads: int, _precision: str) -> Engine:
    """Torch eager, as the engine `torch` runs it."""
    from maskwright.inference.engines import torch

    options = EngineOptions(threads=threads, device="cpu")
    return torch.build(folder / "weights.safetensors", open_card(folder), options)


def open_compiled(folder: Path, threads: int, precision: str) -> Run:
    """The network through torch.compile."""
    import torch

    engine: Any = open_torch(folder, threads, precision)
    compiled = torch.compile(engine.network)

    def run(image_BCHW: Any) -> Any:
        with torch.inference_mode():
            return compiled(torch.from_numpy(image_BCHW)).numpy()

    return run


def open_onnxruntime(folder: Path, threads: int, precision: str) -> Engine:
    """The engine `onnxruntime`."""
    from maskwright.inference.engines import onnxruntime

    return _build(onnxruntime, folder, threads, precision)


def open_openvino(folder: Path, threads: int, precision: str) -> Engine:
    """The engine `openvino`; int8 is the graph of QDQ that ONNX Runtime runs too."""
    from maskwright.inference.engines import openvino

    return _build(openvino, folder, threads, precision)


def _build(part: Any, folder: Path, threads: int, precision: str) -> Engine:
    graph = "model.int8.onnx" if precision == "int8" else "model.onnx"
    options = EngineOptions(threads=threads, precision=precision)
    engine: Engine = part.build(folder / graph, open_card(folder), options)
    return engine


VARIANTS: Mapping[str, tuple[Callable[[Path, int, str], Run], str]] = {
    "torch": (open_torch, "fp32"),
    "torch.compile": (open_compiled, "fp32"),
    "ORT fp32": (open_onnxruntime, "fp32"),
    "ORT int8": (open_onnxruntime, "int8"),
    "OpenVINO fp32": (open_openvino, "fp32"),
    "OpenVINO bf16": (open_openvino, "bf16"),
    "OpenVINO int8": (open_openvino, "int8"),
}


def main(folder: Path, variant: str, threads: int) -> None:
    """Warm up, keep the logits, then answer."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print there
    opened, precision = VARIANTS[variant]
    run = opened(folder, threads, precision)
    image_BCHW = draw_image(open_card(folder).input.channels)
    started_s, times_ms = time.perf_counter(), [time_ms(run, image_BCHW)]
    while len(times_ms) < 2 or time.perf_counter() - started_s < WARM_UP_S:
        times_ms.append(time_ms(run, image_BCHW))
    np.save(folder / f"{variant}.npy", np.asarray(run(image_BCHW))[0])
    answer(answers, min(times_ms))
    for line in sys.stdin:
        answer(answers, [time_ms(run, image_BCHW) for _ in range(int(line))])


def draw_image(channels: int) -> np.ndarray:
    """Smooth noise: every variant sees the same image."""
    rng = np.random.default_rng(0)
    coarse = rng.standard_normal((1, channels, SIZE_HW[0] // 16, SIZE_HW[1] // 16))
    image_BCHW = np.kron(coarse, np.ones((1, 1, 16, 16)))
    image_BCHW += 0.3 * rng.standard_normal(image_BCHW.shape)
    return image_BCHW.astype(np.float32)


def time_ms(run: Run, image_BCHW: Any) -> float:
    """Of one run."""
    started_s = time.perf_counter()
    run(image_BCHW)
    return 1000 * (time.perf_counter() - started_s)


def answer(answers: Any, document: object) -> None:
    """Write one line."""
    answers.write(json.dumps(document) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
