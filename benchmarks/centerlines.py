"""Ways to measure the length of a skeleton, compared: errors on known shapes.

    python benchmarks/centerlines.py        # writes centerlines.md beside it

All ways get the same branches of the same skeletons, and the same stretch from a free end to
the border. A shape is drawn at 7 turns and 2 shifts.
"""

from collections.abc import Callable
from pathlib import Path

import known_shapes as shapes
import numpy as np
from known_shapes import SHIFTS_PX_XY, TURNS_DEG, Shape

from maskwright.core.atomic import write_text
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures import centerline, thin
from maskwright.measurement.figures.skeleton import FREE, Points, SkeletonBranch

SQUARE = PixelSize.pixels()
SHAPES = (
    *(shapes.bar(60, width) for width in (1.5, 3, 6)),
    *(shapes.arc(*s) for s in ((60, 120, 5), (25, 180, 4), (15, 180, 3), (10, 270, 2))),
    *(shapes.ring(radius + 0.5, radius - 0.5) for radius in (2, 3, 4)),
    *(shapes.ring(*s) for s in ((6, 4), (20, 14), (50, 44))),
    *(shapes.cross(60, width) for width in (1, 3, 5)),
    *(shapes.zigzag(21, 6, width) for width in (1.5, 3, 5)),
    *(shapes.zigzag(*s) for s in ((12, 6, 3, 120), (14, 6, 3, 60))),
    *(shapes.sine(6, 20, 4, width) for width in (1.5, 3, 5)),
    *(shapes.sine(*s) for s in ((3, 15, 4, 2), (10, 60, 3, 4))),
)
Way = Callable[[SkeletonBranch], float]


def by_gaussian(sigma: float, *, times: int = 1) -> Way:
    """Smooth; `times` 2 gives back what the first pass took off, 2 S - S^2."""

    def measure(branch: SkeletonBranch) -> float:
        smooth_XY = _smooth(branch, branch.points_XY, sigma)
        for _ in range(times - 1):
            rest_XY = branch.points_XY - smooth_XY[: len(branch.points_XY)]
            smooth_XY = smooth_XY + _smooth(branch, rest_XY, sigma)
        return centerline.measure_polyline(smooth_XY, SQUARE)

    return measure


def by_curvature(branch: SkeletonBranch) -> float:
    """Smooth, and correct each step by the turn there: maskwright without its corners."""
    smooth_XY = _smooth(branch, branch.points_XY, centerline.SMOOTHING_PX)
    return centerline.measure_pieces([smooth_XY], SQUARE)


def by_maskwright(branch: SkeletonBranch) -> float:
    """Corners, then as `by_curvature`."""
    pieces = centerline.smooth_pieces(branch.points_XY, closed=branch.closed, size=SQUARE)
    return centerline.measure_pieces(pieces, SQUARE)


def by_local_weights(branch: SkeletonBranch) -> float:
    """Dorst and Smeulders 1987: 0.980 per straight step, 1.406 per oblique, -0.091 per turn."""
    oblique = (np.diff(_closed(branch), axis=0) != 0).all(axis=1)
    weights = np.where(oblique, 1.406, 0.980)
    return float(weights.sum() - 0.091 * (oblique[1:] != oblique[:-1]).sum())


def by_tangents(branch: SkeletonBranch) -> float:
    """Each step by its projection on the longest straight chord around it, 1 px thick."""
    points_XY = _closed(branch)
    num, length = len(points_XY), 0.0
    for i in range(num - 1):
        step_XY = chord_XY = points_XY[i + 1] - points_XY[i]
        for half in range(1, 13):
            part = np.arange(i - half, i + 2 + half)
            if branch.closed and len(part) < num:
                part %= num - 1
            elif part[0] < 0 or part[-1] >= num:
                break
            stretch_XY = points_XY[part] - points_XY[part[0]]
            onward_XY = stretch_XY[-1]
            if not onward_XY.any():
                break
            aside = (stretch_XY @ (-onward_XY[1], onward_XY[0])) / np.hypot(*onward_XY)
            if np.ptp(aside) > 1:
                break
            chord_XY = onward_XY
        length += float(step_XY @ chord_XY / np.hypot(*chord_XY))
    return length


WAYS: dict[str, Way] = {
    "steps of the chain": lambda b: centerline.measure_polyline(_closed(b), SQUARE),
    "Dorst and Smeulders": by_local_weights,
    "tangents, 1 px": by_tangents,
    "Gaussian 1 px": by_gaussian(1),
    "Gaussian 1.5 px": by_gaussian(1.5),
    "Gaussian 1.5 px, 2 S - S²": by_gaussian(1.5, times=2),
    "Gaussian 1.5 px, by curvature": by_curvature,
    "maskwright: with corners": by_maskwright,
}


def main() -> None:
    """Measure all shapes in all ways, and write the table."""
    lines = [
        "# Ways to measure the length of a skeleton",
        "",
        "Mean error, with its sign, and worst error in % at 7 turns and 2 shifts.",
        "`python benchmarks/centerlines.py` writes this page.",
        "",
    ]
    lines += ["| shape | " + " | ".join(WAYS) + " |", "|---" * (len(WAYS) + 1) + "|"]
    means = []
    for shape in SHAPES:
        errors = np.array(_errors(shape))
        means.append(np.abs(errors.mean(axis=0)))
        pairs = zip(errors.mean(axis=0), np.abs(errors).max(axis=0), strict=True)
        cells = [shape.name, *(f"{mean:+.1f}, {worst:.1f}" for mean, worst in pairs)]
        lines.append("| " + " | ".join(cells) + " |")
    total = " | ".join(f"{m:.2f}" for m in np.mean(means, axis=0))
    lines.append(f"| mean of the sizes of mean errors | {total} |")
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines) + "\n")
    print("\n".join(lines))


def _errors(shape: Shape) -> list[list[float]]:
    found = []
    for turn_deg in TURNS_DEG[::2]:
        for shift_px_XY in SHIFTS_PX_XY[:2]:
            skeleton = thin._find_skeleton(shape.draw(SQUARE, turn_deg, shift_px_XY), SQUARE)
            branches = skeleton.graph.branches
            ends = sum(_measure_ends(branch, skeleton) for branch in branches)
            lengths = [ends + sum(map(way, branches)) for way in WAYS.values()]
            found.append([100 * (length / shape.true["length"] - 1) for length in lengths])
    return found


def _measure_ends(branch: SkeletonBranch, skeleton: "thin._Skeleton") -> float:
    smooth_XY = _smooth(branch, branch.points_XY, centerline.SMOOTHING_PX)
    ends = [(branch.start, smooth_XY), (branch.end, smooth_XY[::-1])]
    free = [points_XY for junction, points_XY in ends if junction == FREE and not branch.closed]
    return sum(thin._distance_to_border(points_XY, skeleton) for points_XY in free)


def _closed(branch: SkeletonBranch) -> Points:
    points_XY = branch.points_XY
    return np.concatenate([points_XY, points_XY[:1]]) if branch.closed else points_XY


def _smooth(branch: SkeletonBranch, points_XY: Points, sigma: float) -> Points:
    if branch.closed:
        return centerline._smooth_ring(points_XY, sigma)
    return centerline._smooth(points_XY, sigma)


if __name__ == "__main__":
    main()
