"""Frames per second end to end, decoded frame in and class map out: realtime.jsonl.

    python benchmarks/realtime.py FOLDER FRAMES [NAMES...]

FOLDER has cases of `speed.py build`, or Bundles of `maskwright export` with graphs in fp32 and
int8; FRAMES has images. Of each, a centre of 512 x 512 px goes through `Predictor.label`, which
normalises, runs the network and decides; the network sees it at full size. Engines take turns.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from speed_worker import open_card

from maskwright.core.bundle import is_bundle, open_bundle
from maskwright.core.card import ModelCard
from maskwright.inference.engine import EngineOptions
from maskwright.inference.engines import onnxruntime, openvino
from maskwright.inference.predictor import Predictor

LINES = Path(__file__).parent / "realtime.jsonl"
SIDE_PX = 512
THREADS = 2
NUM_FRAMES, NUM_ROUNDS = 10, 5
ENGINES = {
    "ORT fp32": (onnxruntime, "fp32"),
    "OpenVINO fp32": (openvino, "fp32"),
    "OpenVINO bf16": (openvino, "bf16"),
    "ORT int8": (onnxruntime, "int8"),
    "OpenVINO int8": (openvino, "int8"),
}


def read_frames(folder: Path) -> list[np.ndarray]:
    """RGB frames of 512 x 512 px: centres of the first images, brought to that height."""
    frames = []
    for path in sorted(folder.iterdir())[:NUM_FRAMES]:
        image_HWC = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        ratio = SIDE_PX / min(image_HWC.shape[:2])
        size = [round(side * ratio) for side in image_HWC.shape[1::-1]]
        larger_HWC = cv2.resize(image_HWC, size, interpolation=cv2.INTER_LINEAR)
        left = (larger_HWC.shape[1] - SIDE_PX) // 2
        frames.append(np.ascontiguousarray(larger_HWC[:SIDE_PX, left : left + SIDE_PX]))
    return frames


def read_card(folder: Path) -> ModelCard:
    """The card, by which the network sees frames at full size."""
    card = open_bundle(folder).card if is_bundle(folder) else open_card(folder)
    return replace(card, input=replace(card.input, scale_ratio=1.0), decide=None, refine=None)


def measure(folder: Path, frames: list[np.ndarray]) -> dict[str, float]:
    """Frames per second by engine: the median over the rounds."""
    card, models = read_card(folder), {}
    for name, (part, precision) in ENGINES.items():
        graph = folder / ("model.int8.onnx" if precision == "int8" else "model.onnx")
        options = EngineOptions(threads=THREADS, precision=precision)
        models[name] = Predictor(part.build(graph, card, options), card, "")
        for frame_HWC in frames[:3]:
            models[name].label(frame_HWC)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(NUM_ROUNDS):
        for name, model in models.items():
            started_s = time.perf_counter()
            for frame_HWC in frames:
                model.label(frame_HWC)
            seconds[name].append(time.perf_counter() - started_s)
    return {name: round(len(frames) / median(s), 1) for name, s in seconds.items()}


def main(root: Path, data: Path, names: tuple[str, ...]) -> None:
    """Measure the folders and append their lines."""
    frames = read_frames(data)
    for name in names:
        line = {"model": name, "threads": THREADS, "fps": measure(root / name, frames)}
        print(line, flush=True)
        with LINES.open("a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), tuple(sys.argv[3:]))
