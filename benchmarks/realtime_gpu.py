"""Frames per second of real-time models on a CUDA device, fp16, batch 1: realtime_gpu.jsonl.

    python benchmarks/realtime_gpu.py [ARCHS...]

At 960 x 720 and 2048 x 1024 (width x height), the sizes of CamVid and Cityscapes in the papers.
*network* is the network alone with weights in float16, its input on the device; *end to end* is
`Predictor.label`, a decoded frame in the memory of the host in and its class map out. Weights
are random, which changes no time. Published numbers are of the network alone: PIDNet-S has 154
at 960 x 720 on an RTX 3090 (Xu et al. 2023).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from maskwright.core import InputSpec, LabelSpec
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.export.onnxgraph import HalfPrecision
from maskwright.inference.engines.torch import TorchEngine
from maskwright.inference.predictor import Predictor
from maskwright.nn.build import build_model, newest
from maskwright.nn.protocols import OWN

LINES = Path(__file__).parent / "realtime_gpu.jsonl"
ARCHS = ("bisenetv2", "ddrnet23_slim", "fastscnn", "pidnet_s")
SIZES_HW = ((720, 960), (1024, 2048))
NUM_CLASSES = 19
NUM_FRAMES, NUM_ROUNDS = 50, 5


def count_fps(run: Callable[[], object]) -> float:
    """Calls per second: the median over the rounds; the device is waited for in each."""
    seconds = []
    for _ in range(NUM_ROUNDS + 1):  # the first warms up
        torch.cuda.synchronize()
        started_s = time.perf_counter()
        for _ in range(NUM_FRAMES):
            run()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started_s)
    return round(NUM_FRAMES / median(seconds[1:]), 1)


def make_card(arch: str) -> ModelCard:
    """The card of an architecture without weights, for RGB images."""
    return ModelCard(
        labels=LabelSpec.from_names([f"class {index}" for index in range(NUM_CLASSES)]),
        input=InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3),
        arch=newest(ArchSpec(name=arch, encoder=OWN)),
    )


def measure(arch: str, size_HW: tuple[int, int]) -> dict[str, float]:
    """Frames per second of one network at one size."""
    card = make_card(arch)
    network = build_model(card).eval().cuda()
    half = HalfPrecision(network).eval()
    x_BCHW = torch.rand(1, 3, *size_HW, device="cuda")
    frame_HWC = np.random.default_rng(0).integers(0, 256, (*size_HW, 3), np.uint8)
    model = Predictor(TorchEngine(network, "fp16"), card, "")
    with torch.inference_mode():
        alone = count_fps(lambda: half(x_BCHW))
    return {"network": alone, "end to end": count_fps(lambda: model.label(frame_HWC))}


def main() -> None:
    """Measure the architectures and append their lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archs", nargs="*", default=ARCHS)
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(
            f"torch {torch.__version__} finds no CUDA device here; run this on a machine with "
            f"an NVIDIA GPU and its driver"
        )
    for arch in asked.archs:
        for size_HW in SIZES_HW:
            line = {
                "arch": arch,
                "size_HW": list(size_HW),
                "device": torch.cuda.get_device_name(),
                "torch": torch.__version__,
                "fps": measure(arch, size_HW),
            }
            print(line, flush=True)
            with LINES.open("a") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
