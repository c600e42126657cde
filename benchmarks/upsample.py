"""Labels at full resolution from logits at a quarter of it, beside the usual ways.

    python benchmarks/upsample.py

All ways run in turn in one process with two threads, on the same logits of a drawn street; the
table has the median time of each, the memory that it added, and the share of its labels that
differ from torch's. A second table has the confidence, which needs all classes at each pixel.
Writes `benchmarks/upsample.md`.
"""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from maskwright.core import parts
from maskwright.core.kernels.kernel import KERNELS, Kernel
from maskwright.core.logits import Logits
from maskwright.core.memory import measure_peak
from maskwright.data.synth.streets import draw_street
from maskwright.inference.resolution import decide

OUT = Path(__file__).with_name("upsample.md")
SIZE_HW = (1024, 2048)
STRIDE = 4
ROUNDS = 7
THREADS = 2
MIXED_SHARE = 0.175
"""Of a trained network on street scenes, 15 to 20 % of the cells are mixed."""
TARGETS = {19: (12, 30), 150: (5, 20)}
"""Wanted ratio to torch, without numba and with it, by the number of classes."""

Way = Callable[[], np.ndarray]


def main() -> None:
    """Measure all ways and write the table."""
    torch.set_num_threads(THREADS)
    cv2.setNumThreads(THREADS)
    source = (
        f"From `python benchmarks/upsample.py`: logits of a drawn street at 1/{STRIDE} of its "
        f"size, labels of {SIZE_HW[0]} x {SIZE_HW[1]} px (H x W). {THREADS} threads on "
        f"{platform.machine()}, the ways in turn, {ROUNDS} rounds, medians."
    )
    lines = ["# Labels at full resolution from logits at a quarter of it", "", source]
    for num_classes, (plain, compiled) in TARGETS.items():
        lines += ["", *measure(num_classes), ""]
        lines += [f"To reach: {plain} times without numba, {compiled} times with it."]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def measure(num_classes: int) -> list[str]:
    """The tables of one number of classes."""
    logits_Khw = draw_logits(num_classes)
    logits = Logits.of_image(logits_Khw, SIZE_HW)
    labels: dict[str, Way] = {
        "torch: interpolate, argmax": lambda: by_torch(logits_Khw),
        "OpenCV: class by class, running maximum": lambda: by_opencv(logits_Khw),
    }
    for name in ("numpy", "numba"):
        part = parts.load(KERNELS, name, like=Kernel)
        labels[f"maskwright, {name}"] = lambda part=part: part.upsample_argmax(logits)
    confidence: dict[str, Way] = {
        "torch: interpolate, softmax, maximum": lambda: confidence_by_torch(logits_Khw),
        "maskwright: strips of rows": lambda: decide(logits).confidence_HW,
    }
    return [
        f"## {num_classes} classes, {find_mixed_share(logits_Khw):.1%} of the cells mixed",
        "",
        *run_in_turn(labels, "labels that differ", lambda a, b: float((a != b).mean())),
        "",
        *run_in_turn(confidence, "largest difference", lambda a, b: float(abs(a - b).max())),
    ]


def run_in_turn(
    ways: Mapping[str, Way], title: str, compare: Callable[[np.ndarray, np.ndarray], float]
) -> list[str]:
    """A table of the ways; `compare` is between the result of each and that of the first."""
    times_s: dict[str, list[float]] = {name: [] for name in ways}
    results, added = {}, {}
    for name, way in ways.items():
        results[name] = way()  # compiles
        with measure_peak() as peak:
            way()
        added[name] = (peak.num_bytes or 0) / 2**20
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            times_s[name].append(time.perf_counter() - begin)
    first = next(iter(ways))
    base = statistics.median(times_s[first])
    lines = [f"| way | ms | times torch | MiB added | {title} |", "|---|---|---|---|---|"]
    for name in ways:
        median = statistics.median(times_s[name])
        differ = compare(results[name], results[first])
        numbers = f"{1e3 * median:.1f} | {base / median:.1f} | {added[name]:.0f} | {differ:.1e}"
        lines.append(f"| {name} | {numbers} |")
    return lines


def draw_logits(num_classes: int) -> np.ndarray:
    """Logits (K, h, w) of a drawn street: blurred classes, and smooth noise in all of them.

    The noise is as strong as makes MIXED_SHARE of the cells mixed.
    """
    height, width = SIZE_HW[0] // STRIDE, SIZE_HW[1] // STRIDE
    _, labels_hw = draw_street((height, width), seed=0, number=3)
    rng = np.random.default_rng(0)
    classes_Khw = np.empty((num_classes, height, width), np.float32)
    noise_Khw = np.empty_like(classes_Khw)
    for index in range(num_classes):
        coarse = rng.standard_normal((height // 8, width // 8)).astype(np.float32)
        noise_Khw[index] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        inside = (labels_hw == index).astype(np.float32)
        classes_Khw[index] = cv2.GaussianBlur(inside, (0, 0), 1.5)
    low, high = 0.0, 4.0
    for _ in range(12):
        strength = (low + high) / 2
        logits_Khw = classes_Khw + np.float32(strength) * noise_Khw
        is_mixed = find_mixed_share(logits_Khw) > MIXED_SHARE
        low, high = (low, strength) if is_mixed else (strength, high)
    return logits_Khw


def find_mixed_share(logits_Khw: np.ndarray) -> float:
    """Share of the cells between four logit pixels that do not agree on the winner."""
    best = logits_Khw.argmax(axis=0)
    corner = best[:-1, :-1]
    others = best[1:, :-1], best[:-1, 1:], best[1:, 1:]
    return float(np.any([corner != other for other in others], axis=0).mean())


def by_torch(logits_Khw: np.ndarray) -> np.ndarray:
    """Enlarge all classes, then the largest."""
    logits = torch.from_numpy(logits_Khw)[None]
    full = torch.nn.functional.interpolate(logits, size=SIZE_HW, mode="bilinear")
    return full.argmax(1)[0].to(torch.uint8).numpy()


def confidence_by_torch(logits_Khw: np.ndarray) -> np.ndarray:
    """Enlarge all classes, then the largest share."""
    logits = torch.from_numpy(logits_Khw)[None]
    full = torch.nn.functional.interpolate(logits, size=SIZE_HW, mode="bilinear")
    return full.softmax(1).amax(1)[0].numpy()


def by_opencv(logits_Khw: np.ndarray) -> np.ndarray:
    """Enlarge one class after the other and keep the largest."""
    best_HW = cv2.resize(logits_Khw[0], SIZE_HW[::-1], interpolation=cv2.INTER_LINEAR)
    labels_HW = np.zeros(SIZE_HW, np.uint8)
    for index in range(1, len(logits_Khw)):
        plane_HW = cv2.resize(logits_Khw[index], SIZE_HW[::-1], interpolation=cv2.INTER_LINEAR)
        np.putmask(labels_HW, plane_HW > best_HW, index)
        np.maximum(best_HW, plane_HW, out=best_HW)
    return labels_HW


if __name__ == "__main__":
    main()
