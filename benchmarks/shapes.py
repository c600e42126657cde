"""How exact the figures of `maskwright measure` are, and how fast.

    python benchmarks/shapes.py [errors] [times]

writes shapes.md and shapes.json beside it; with one word, the other part stays as it was.

Shapes of known size are drawn at 13 turns from 0 to 90 degrees and 3 shifts, with square pixels
and with pixels of 1 by 0.6 and 1 by 0.2, and measured by maskwright and by what others offer
(on square pixels, all in the same run). Times are of the processor,
the least of seven.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import known_shapes as shapes
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from shape_errors import GAP_FIGURE, REGION_FIGURES, THIN_FIGURES, Figure, errors, poses
from skimage.measure import label, regionprops_table
from skimage.morphology import medial_axis, skeletonize

from maskwright.core.atomic import write_bytes
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.gap import find_gap
from maskwright.measurement.figures.regions import find_regions
from maskwright.measurement.figures.thin import measure_thin

HERE = Path(__file__).parent
SQUARE = PixelSize.pixels()
OBLONG = {
    "maskwright, oblong pixels": PixelSize("px", (1.0, 0.6)),
    "maskwright, pixels 5:1": PixelSize("px", (1.0, 0.2)),
}
FIGURES = (*REGION_FIGURES, GAP_FIGURE, *THIN_FIGURES)
PROPERTIES = (
    *("area", "perimeter", "bbox", "centroid", "orientation", "axis_major_length"),
    *("axis_minor_length", "euler_number"),
)


def main(parts: set[str]) -> None:
    """Measure the parts named, take the other from the last run, and write both files."""
    found = {} if len(parts) == 2 else json.loads((HERE / "shapes.json").read_text())
    if "errors" in parts:
        found["errors"] = {figure.name: _judged(figure) for figure in FIGURES}
    if "times" in parts:
        found["times_ms"] = _times()
    lines = ["# Errors and times of measurements", "", *_summary(found), "", *_details(found)]
    write_bytes(HERE / "shapes.json", (json.dumps(found, indent=1) + "\n").encode())
    write_bytes(HERE / "shapes.md", ("\n".join(lines) + "\n").encode())
    print("\n".join(lines))


def _judged(figure: Figure) -> dict[str, Any]:
    """Error of every method on every shape: mean with its sign, mean without, worst."""
    by_shape: dict[str, dict[str, list[float]]] = {}
    for shape in figure.on:
        square = np.array([errors(figure, drawn) for drawn in poses(shape, SQUARE)])
        by_shape[shape.name] = {
            name: _told(square[:, i]) for i, name in enumerate(figure.methods)
        }
        ours = Figure(
            figure.name,
            figure.unit,
            figure.truth,
            figure.on,
            {"maskwright": figure.methods["maskwright"]},
        )
        for way, scale in OBLONG.items():
            oblong = np.array([errors(ours, drawn) for drawn in poses(shape, scale)])
            by_shape[shape.name][way] = _told(oblong[:, 0])
    return {"unit": figure.unit, "shapes": by_shape}


def _told(errors_P: NDArray[np.float64]) -> list[float]:
    sizes = np.abs(errors_P)
    return [round(float(v), 3) for v in (errors_P.mean(), sizes.mean(), sizes.max())]


def _summary(found: dict[str, Any]) -> list[str]:
    """A line a figure and way: means over the shapes, and the worst of all poses."""
    lines = [
        "| figure | by | bias | mean error | worst error |",
        "|---|---|---|---|---|",
    ]
    for name, judged in found["errors"].items():
        ways = next(iter(judged["shapes"].values()))
        for way in ways:
            told = np.array([by_way[way] for by_way in judged["shapes"].values()])
            bias, mean, worst = told[:, 0].mean(), told[:, 1].mean(), told[:, 2].max()
            cells = " | ".join((f"{bias:+.2f}", f"{mean:.2f}", f"{worst:.2f}"))
            lines.append(f"| {name}, {judged['unit']} | {way} | {cells} |")
    return [*lines, "", "| task | by | ms | ratio |", "|---|---|---|---|", *_time_lines(found)]


def _time_lines(found: dict[str, Any]) -> list[str]:
    lines = []
    for task, by_way in found["times_ms"].items():
        ours = by_way["maskwright"]
        lines += [
            f"| {task} | {way} | {ms:.0f} | {ms / ours:.2f} |" for way, ms in by_way.items()
        ]
    return lines


def _details(found: dict[str, Any]) -> list[str]:
    """A table a figure, a line a shape: mean and worst error of each way."""
    lines = []
    for name, judged in found["errors"].items():
        ways = list(next(iter(judged["shapes"].values())))
        lines += [f"## {name}: mean, worst error in {judged['unit']}", ""]
        lines += ["| shape | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
        for shape, by_way in judged["shapes"].items():
            cells = [f"{mean:.2f}, {worst:.2f}" for _, mean, worst in by_way.values()]
            lines.append(f"| {shape} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines


def _times() -> dict[str, dict[str, float]]:
    blobs_HW, cracks_HW = _blobs(), _cracks()
    a_HW, b_HW = _two_classes()
    return {
        "10,000 regions in 1024 x 2048": _least_ms(
            {
                "maskwright": lambda: find_regions(blobs_HW, SQUARE),
                "skimage label + regionprops_table": lambda: regionprops_table(
                    label(blobs_HW), properties=PROPERTIES
                ),
            }
        ),
        "gap of two classes in 1024 x 2048": _least_ms(
            {
                "maskwright": lambda: find_gap(a_HW, b_HW, SQUARE),
                "SciPy distance transform": lambda: float(
                    distance_transform_edt(~b_HW)[a_HW].min()
                ),
            }
        ),
        "27,000 px of cracks in 1024 x 2048": _least_ms(
            {
                "maskwright": lambda: measure_thin(cracks_HW, SQUARE),
                "skimage skeletonize (lee) alone": lambda: skeletonize(cracks_HW, method="lee"),
                "skimage medial_axis alone": lambda: medial_axis(
                    cracks_HW, return_distance=True, rng=0
                ),
            }
        ),
    }


def _least_ms(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The least of seven runs of each way, in turn, so that all meet the same machine."""
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(7):
        for way, work in ways.items():
            start = time.process_time()
            work()
            least[way] = min(least[way], 1000 * (time.process_time() - start))
    return {way: round(ms, 1) for way, ms in least.items()}


def _blobs() -> NDArray[np.bool_]:
    rng = np.random.default_rng(0)
    mask_HW = np.zeros((1024, 2048), np.bool_)
    for y, x in np.ndindex(100, 100):
        blob_HW = shapes.disc(1 + rng.random() * 3).draw(SQUARE, 0, tuple(rng.random(2) - 0.5))
        part_HW = mask_HW[10 * y : 10 * y + 10, 20 * x : 20 * x + 20]
        size = min(10, len(blob_HW) - 4)
        part_HW[:size, :size] = blob_HW[2 : 2 + size, 2 : 2 + size]
    return mask_HW


def _cracks() -> NDArray[np.bool_]:
    rng = np.random.default_rng(0)
    mask_HW = np.zeros((1024, 2048), np.uint8)
    for _ in range(4):
        corners: Any = rng.integers(0, 1000, (8, 2)).astype(np.int32) * [2, 1]
        cv2.polylines(mask_HW, [corners.astype(np.int32)], False, 1, int(rng.integers(2, 5)))
    return mask_HW > 0


def _two_classes() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    rng = np.random.default_rng(0)
    noise: Any = rng.standard_normal((1024, 2048)).astype(np.float32)
    hills_HW = np.asarray(cv2.GaussianBlur(noise, (0, 0), 8))
    return hills_HW > hills_HW.std(), hills_HW < -hills_HW.std()


if __name__ == "__main__":
    main(set(sys.argv[1:]) or {"errors", "times"})
