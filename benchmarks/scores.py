"""Time and memory of the scores beside the peers; writes benchmarks/scores.json and scores.md.

    python benchmarks/scores.py                # all sections
    python benchmarks/scores.py confusion      # these again, the others as they are in the file

Times are of one pair of maps, 1024 x 2048, 19 classes. Everyone has two threads and takes what
suits it better: two pairs at a time, or one pair with two threads inside. A section checks that
all count the same, then runs them in turn and keeps the least time of each.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from score_peers import (
    SIZE_HW,
    C,
    Pair,
    bands_by_erosion,
    by_bincount,
    by_histc,
    by_histogram,
    by_sklearn,
    by_smp,
    by_torchmetrics,
    forget_tensors,
    near_by_distance,
    opencv_px,
    scipy_px,
    street_pairs,
    without_ignore,
)

from maskwright.core import IGNORE, Confusion, parts
from maskwright.core.kernels.kernel import KERNELS, Kernel, kernel
from maskwright.metrics.boundary import BoundaryTolerance

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "scores.json", HERE / "scores.md"
NUM_THREADS = 2
NUM_ROUNDS = 4
ROUND_S = 1.0
"""All ways in turn, so often; each for so long, and at least twice."""

OURS = {
    f"maskwright, {name}": parts.load(KERNELS, name, like=Kernel)
    for name in parts.names(KERNELS)
}

Work = Callable[[Pair], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to do the work of a section; `ratio` is what it gains on the peer to beat."""

    way: str
    amount: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Section:
    """One claim: what was measured in which unit, what must be reached, and by whom it was."""

    title: str
    unit: str
    must: str
    rows: tuple[Row, ...]


# ---- claims: each a function that gives its Section ----


def confusion() -> Section:
    """Street scenes with IGNORE."""
    ways = _confusions() | _torchmetrics((IGNORE,))
    must = "10 times torchmetrics' fastest setting; 25 times with numba"
    return timed("Confusion, street scenes", ways, street_pairs(), ("torchmetrics", must))


def confusion_without_ignore() -> Section:
    """Street scenes without IGNORE, where torchmetrics may do without `ignore_index`."""
    pairs = [without_ignore(pair) for pair in street_pairs()]
    ways = _confusions() | _torchmetrics((IGNORE, None))
    title = "Confusion, street scenes without IGNORE"
    return timed(title, ways, pairs, ("torchmetrics", "none set"))


def confusion_of_noise() -> Section:
    """No two neighbours alike: the worst case of whoever counts runs."""
    rng = np.random.default_rng(0)
    pairs = [tuple(rng.integers(0, C, (2, *SIZE_HW), dtype=np.uint8)) for _ in range(4)]
    for truth_HW, _ in pairs:
        truth_HW[:50] = IGNORE
    ways = _confusions() | _torchmetrics((IGNORE,))
    return timed("Confusion, noise", ways, pairs, ("torchmetrics", "none set"))


def boundary_f1() -> Section:
    """Outlines of all classes within 3 px of each other."""
    return _boundary_f1(BoundaryTolerance(3, "px"), "150 times SciPy's distance transform")


def boundary_f1_wide() -> Section:
    """The same at 0.75 % of the diagonal."""
    return _boundary_f1(BoundaryTolerance(), "none set")


def boundary_iou() -> Section:
    """Bands of all classes, 2 % of the diagonal deep."""
    return _boundary_iou(BoundaryTolerance(2.0), "8 times the authors' way")


def boundary_iou_narrow() -> Section:
    """The same at 0.75 % of the diagonal."""
    return _boundary_iou(BoundaryTolerance(), "8 times the authors' way")


SECTIONS = {
    section.__name__: section
    for section in (
        confusion,
        confusion_without_ignore,
        confusion_of_noise,
        boundary_f1,
        boundary_f1_wide,
        boundary_iou,
        boundary_iou_narrow,
    )
}


def _boundary_f1(tolerance: BoundaryTolerance, must: str) -> Section:
    reach_px = tolerance.px(SIZE_HW)
    ways = dict.fromkeys(OURS, lambda pair: near_by_kernel(pair, reach_px)) | {
        "SciPy distance transform": partial(near_by_distance, reach_px=reach_px, far=scipy_px),
        "OpenCV distance transform": partial(
            near_by_distance, reach_px=reach_px, far=opencv_px
        ),
    }
    pairs = [without_ignore(pair) for pair in street_pairs()]
    title = f"Boundary F1 within {reach_px} px ({tolerance}), street scenes without IGNORE"
    return timed(title, ways, pairs, ("SciPy", must))


def _boundary_iou(band: BoundaryTolerance, must: str) -> Section:
    depth_px = band.depth_px(SIZE_HW)
    ways = dict.fromkeys(OURS, lambda pair: bands_by_kernel(pair, depth_px)) | {
        "the authors' way, cv2.erode": lambda pair: bands_by_erosion(pair, depth_px)
    }
    pairs = [without_ignore(pair) for pair in street_pairs()]
    title = f"Boundary IoU, bands of {depth_px} px ({band}), street scenes without IGNORE"
    return timed(title, ways, pairs, ("the authors", must))


# ---- ways: a pair of maps -> counts ----


def _confusions() -> dict[str, Work]:
    return dict.fromkeys(OURS, lambda pair: Confusion.from_labels(*pair, C).counts_CC) | {
        "NumPy bincount": by_bincount,
        "cv2.calcHist (float32)": by_histogram,
        "scikit-learn": by_sklearn,
        "smp get_stats": by_smp,
        "mmsegmentation's way (torch.histc)": by_histc,
    }


def _torchmetrics(ignored: tuple[int | None, ...]) -> dict[str, Work]:
    """All settings that take these maps; tensors of either type are made beforehand."""
    return {
        f"torchmetrics, ignore_index={index}, {str(dtype)[6:]}": partial(
            by_torchmetrics, ignore_index=index, dtype=dtype
        )
        for index in ignored
        for dtype in (torch.uint8, torch.int64)
    }


def near_by_kernel(pair: Pair, reach_px: int) -> NDArray[np.int64]:
    """As `boundary.count` does it."""
    return kernel().count_near(*pair, num_classes=C, reach_px=reach_px)[:4]


def bands_by_kernel(pair: Pair, depth_px: int) -> NDArray[np.int64]:
    """As `boundary.count` does it."""
    banded = [labels_HW | kernel().mark_outside_band(labels_HW, depth_px) for labels_HW in pair]
    pairs = kernel().count_pairs(*banded)
    both_C = np.diagonal(pairs)[:C]
    either_C = pairs[:C].sum(axis=1) + pairs[:, :C].sum(axis=0) - both_C
    return np.stack([both_C, either_C])


# ---- clock ----


def timed(
    title: str, ways: dict[str, Work], pairs: tuple[Pair, ...], claim: tuple[str, str]
) -> Section:
    """Milliseconds a pair; ratios to the fastest way whose name begins with the claim's."""
    forget_tensors()
    counted = {way: _on(way, work, pairs[0]) for way, work in ways.items()}
    first = counted[next(iter(OURS))]
    for way, counts in counted.items():
        if counts.shape == first.shape and not np.array_equal(counts, first):
            raise AssertionError(f"{title}: {way} does not count the same")
    least_ms = dict.fromkeys(ways, float("inf"))
    for _ in range(NUM_ROUNDS):
        for way, work in ways.items():
            least_ms[way] = min(least_ms[way], _least_ms(way, work, pairs))
    peer, must = claim
    peer_ms = min(ms for way, ms in least_ms.items() if way.startswith(peer))
    rows = (Row(way, round(ms, 3), round(peer_ms / ms, 2)) for way, ms in least_ms.items())
    return Section(title, "ms a pair", must, tuple(sorted(rows, key=lambda row: row.amount)))


def _on(way: str, work: Work, pair: Pair) -> NDArray[np.int64]:
    with _using(way):
        return work(pair)


def _least_ms(way: str, work: Work, pairs: tuple[Pair, ...]) -> float:
    """The better of two pairs at a time, and one pair with two threads inside."""
    runs_s = []
    with _using(way), ThreadPoolExecutor(NUM_THREADS) as pool:
        for num_inside, each in ((1, pool.map), (NUM_THREADS, map)):
            torch.set_num_threads(num_inside)
            cv2.setNumThreads(num_inside)
            end_s = time.perf_counter() + ROUND_S / 2
            while True:
                before_s = time.perf_counter()
                list(each(work, pairs))
                runs_s.append(time.perf_counter() - before_s)
                if time.perf_counter() > end_s:
                    break
    return min(runs_s) / len(pairs) * 1000


@contextmanager
def _using(way: str) -> Iterator[None]:
    """Let `Confusion.from_labels` and this file count by the kernel that the way names."""
    chosen = OURS.get(way, kernel())
    places = ("maskwright.core.confusion.kernel", f"{__name__}.kernel")
    with patch(places[0], lambda: chosen), patch(places[1], lambda: chosen):
        yield


# ---- page ----


def main() -> None:
    """Measure the named sections, or all, and write the page of all results so far."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in sys.argv[1:] or SECTIONS:
        results[name] = asdict(SECTIONS[name]()) | {"when": f"{datetime.now(UTC):%Y-%m-%d}"}
        results[name]["machine"] = _machine()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    parts_of_page = [_table(results[name]) for name in SECTIONS if name in results]
    TABLE.write_text("\n".join(["# Scores beside their peers\n", *parts_of_page]))
    print(TABLE.read_text())


def _table(section: dict) -> str:
    lines = [
        f"## {section['title']}\n",
        f"Must reach: {section['must']}. {section['when']}, {section['machine']}.\n",
        f"| way | {section['unit']} | ratio |\n|---|---|---|",
        *(f"| {r['way']} | {r['amount']:.4g} | {r['ratio']:.3g} |" for r in section["rows"]),
    ]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    facts = Path("/proc/cpuinfo")
    text = facts.read_text() if facts.exists() else ""
    model = next(
        (x.split(": ")[1] for x in text.splitlines() if x.startswith("model name")), ""
    )
    return f"{model or platform.processor()}, {os.cpu_count()} cores, {NUM_THREADS} threads"


if __name__ == "__main__":
    main()
