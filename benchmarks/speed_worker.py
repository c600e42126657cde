"""One variant of benchmarks/speed.py in a process of its own: waits, runs, answers.

    python benchmarks/speed_worker.py FOLDER VARIANT THREADS

Each line on standard input is a number of runs; the answer is the list of their times in ms.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.core.card import ModelCard
from maskwright.inference.bench.worker import answer, answer_runs, take_stdout, warm_up
from maskwright.inference.engine import Engine, EngineOptions
from maskwright.inference.parity import Run

SIZE_HW = (512, 512)


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
    answers = take_stdout()
    opened, precision = VARIANTS[variant]
    run = opened(folder, threads, precision)
    image_BCHW = draw_image(open_card(folder).input.channels)
    warm_ms = warm_up(run, image_BCHW)
    np.save(folder / f"{variant}.npy", np.asarray(run(image_BCHW))[0])
    answer(answers, warm_ms)
    answer_runs(run, image_BCHW, answers)


def draw_image(channels: int) -> np.ndarray:
    """Smooth noise: every variant sees the same image."""
    rng = np.random.default_rng(0)
    coarse = rng.standard_normal((1, channels, SIZE_HW[0] // 16, SIZE_HW[1] // 16))
    image_BCHW = np.kron(coarse, np.ones((1, 1, 16, 16)))
    image_BCHW += 0.3 * rng.standard_normal(image_BCHW.shape)
    return image_BCHW.astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
