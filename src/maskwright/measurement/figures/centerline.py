"""The length of the line that a chain of skeleton pixels stands for.

A chain of pixel centres is up to 8 % longer than its line. Four steps correct that:

1. Where pixels are oblong, long steps are divided, so that all are about as long as the shorter
   side of a pixel. All distances below are in the longer side, whose stairs must be smoothed.
2. Corners. Where two stretches that are straight meet at an angle the chain is split, and the
   point where their lines cross is the corner: skeletons cut corners.
3. Each piece is smoothed by a Gaussian along its points. Its ends stay; a ring stays closed.
4. A Gaussian of standard deviation s shrinks a circle that turns by k radians from point to
   point to exp(-s^2 k^2 / 2) of its radius. Each step of the smooth piece counts as longer by
   that much, with the turn of the piece there, and as the arc of which it is the chord.

`benchmarks/centerlines.md` has the errors of this and of other ways.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ...data.georef.pixel_scale import PixelSize
from .skeleton import Points

SMOOTHING_PX = 1.5
"""Standard deviation along the skeleton; the value of least error, see docs."""

_ARM_PX = 9
"""Length of each of the two stretches at a corner, which begin a pixel beside it. Shorter ones
are straight on small circles, longer ones longer than many lines."""

_STRAIGHT_PX = 0.5
"""Most distance of a pixel of a straight stretch from its line: that of a digital line."""

_CORNER_DEG = 54.0
"""Least turn at a corner. Circles of a radius of 12 px or more turn less between two arms."""

_CUT_PX = 1.5
"""Most distance of a corner from the chain: farther out, the line is bent and not cornered."""

_SHARPEST_TURN = math.pi / 2
"""Most turn that smoothing is corrected for: that of the smallest ring, four pixels."""


def smooth_pieces(points_XY: Points, *, closed: bool, size: PixelSize) -> list[Points]:
    """Split a chain (N, 2) at its corners, and smooth each piece, (n, 2).

    The pieces are in order, and each begins where the one before ends. A ring without a corner
    is one piece that ends with its first point.
    """
    points_XY = _divide_steps(points_XY, closed=closed, size=size)
    corners = _find_corners(points_XY, closed=closed, size=size)
    ratio = oblongness(size)
    if closed and not corners:
        return [_smooth_ring(points_XY, SMOOTHING_PX * ratio)]
    pieces = _split(points_XY, corners, closed=closed, aside=round(ratio))
    return [_smooth(piece_XY, SMOOTHING_PX * ratio) for piece_XY in pieces]


def measure_pieces(pieces: list[Points], size: PixelSize) -> float:
    """Measure the length of smooth pieces in the unit, with what smoothing took off."""
    return sum(_measure_piece(piece_XY, size) for piece_XY in pieces)


def oblongness(size: PixelSize) -> float:
    """Longer side of a pixel divided by the shorter one, at least 1."""
    return max(size.pixel_HW) / min(size.pixel_HW)


def measure_polyline(points_XY: Points, size: PixelSize) -> float:
    """The length in the unit of a line through points, (N, 2)."""
    return float(np.hypot(*size.points(np.diff(points_XY, axis=0)).T).sum())


def _measure_piece(smooth_XY: Points, size: PixelSize) -> float:
    step_XY = size.points(np.diff(smooth_XY, axis=0))
    heading = np.arctan2(step_XY[:, 1], step_XY[:, 0])
    turn = np.abs(np.remainder(np.diff(heading) + math.pi, 2 * math.pi) - math.pi)
    if np.array_equal(smooth_XY[0], smooth_XY[-1]):
        around = np.remainder(heading[0] - heading[-1] + math.pi, 2 * math.pi) - math.pi
        turn = np.concatenate([[abs(around)], turn, [abs(around)]])
    else:
        turn = np.concatenate([[0.0], turn, [0.0]])
    # The turn of a step is that at its two ends, by the mean of squares.
    square = np.minimum((turn[1:] ** 2 + turn[:-1] ** 2) / 2, _SHARPEST_TURN**2)
    stretch = np.exp((SMOOTHING_PX * oblongness(size)) ** 2 * square / 2)
    stretch /= np.sinc(np.sqrt(square) / (2 * math.pi))  # (k / 2) / sin(k / 2)
    return float((np.hypot(*step_XY.T) * stretch).sum())


def _divide_steps(points_XY: Points, *, closed: bool, size: PixelSize) -> Points:
    """Divide the steps of a chain into parts about as long as the shorter side of a pixel."""
    ends_XY = np.concatenate([points_XY, points_XY[:1]]) if closed else points_XY
    step_XY = np.diff(ends_XY, axis=0)
    parts = np.hypot(*size.points(step_XY).T) / min(size.pixel_HW)
    num_parts = np.maximum(np.round(parts).astype(np.intp), 1)
    step = np.repeat(np.arange(len(step_XY)), num_parts)
    part = np.arange(len(step)) - np.repeat(np.cumsum(num_parts) - num_parts, num_parts)
    divided_XY = ends_XY[step] + step_XY[step] * (part / num_parts[step])[:, None]
    return divided_XY if closed else np.concatenate([divided_XY, points_XY[-1:]])


def _smooth(points_XY: Points, sigma: float) -> Points:
    reach = min(math.ceil(3 * sigma), len(points_XY) - 1)
    padded_XY = np.pad(points_XY, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return _convolve(padded_XY, reach, sigma)


def _smooth_ring(points_XY: Points, sigma: float) -> Points:
    """Smooth a ring (N, 2), which gets its first point as its last: (N + 1, 2)."""
    reach = math.ceil(3 * sigma)
    padded_XY = points_XY[np.arange(-reach, len(points_XY) + reach) % len(points_XY)]
    smooth_XY = _convolve(padded_XY, reach, sigma)
    return np.concatenate([smooth_XY, smooth_XY[:1]])


def _convolve(padded_XY: Points, reach: int, sigma: float) -> Points:
    weights = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    weights /= weights.sum()
    return np.stack([np.convolve(c, weights, "valid") for c in padded_XY.T], axis=-1)


Corner = tuple[int, NDArray[np.float64]]
"""Index of the nearest point of the chain, and the corner (x, y) in pixels."""


def _split(
    points_XY: Points, corners: list[Corner], *, closed: bool, aside: int
) -> list[Points]:
    """Split at corners, which replace the nearest point of each and `aside` on either side."""
    if closed:
        first = corners[0][0]
        points_XY = np.roll(points_XY, -first, axis=0)
        corners = [(index - first, at_XY) for index, at_XY in corners]
        corners.append((len(points_XY), corners[0][1]))
    pieces, start, head_XY = [], 0, points_XY[:0]
    for index, at_XY in corners:
        tail_XY = points_XY[start : max(index - aside, 0)]
        pieces.append(np.concatenate([head_XY, tail_XY, [at_XY]]))
        start, head_XY = index + aside + 1, at_XY[None]
    pieces.append(np.concatenate([head_XY, points_XY[start:]]))
    return pieces[1:-1] if closed else pieces


def _find_corners(points_XY: Points, *, closed: bool, size: PixelSize) -> list[Corner]:
    """Find the corners of a chain in order: sharpest first, and none within another's arm."""
    ratio, num = oblongness(size), len(points_XY)
    arm, aside = round(_ARM_PX * ratio), round(ratio)
    reach = arm + aside
    if num < 2 * reach + 1:
        return []
    pixel_XY = np.array(size.pixel_HW[::-1]) / max(size.pixel_HW)
    true_XY = points_XY * pixel_XY
    if closed:
        true_XY = true_XY[np.arange(-reach, num + reach) % num]
    middle_XY, line_XY, is_straight = _fit_arms(true_XY, arm)
    before, after = slice(None, -reach - aside - 1), slice(reach + aside + 1, None)
    turn, at_XY = _cross(
        (middle_XY[before], line_XY[before]), (middle_XY[after], line_XY[after])
    )
    index = np.arange(reach, reach + len(turn))
    away_px = np.hypot(*(at_XY - true_XY[index]).T)
    is_corner = is_straight[before] & is_straight[after] & (away_px <= _CUT_PX)
    candidates = np.flatnonzero(is_corner & (turn > math.radians(_CORNER_DEG)))
    # Of equally sharp ones the nearest to the chain; a hundredth of a radian is no difference.
    order = np.lexsort((away_px[candidates], -np.round(turn[candidates], 2)))
    found: list[Corner] = []
    for i in candidates[order].tolist():
        at = int(index[i]) - (reach if closed else 0)
        apart = [abs(at - other) for other, _ in found]
        if all(min(a, num - a if closed else a) > arm for a in apart):
            found.append((at, at_XY[i] / pixel_XY))
    return sorted(found, key=lambda corner: corner[0])


def _fit_arms(points_XY: Points, arm: int) -> tuple[Points, Points, NDArray[np.bool_]]:
    """Fit a line to every stretch of `arm` points by least squares of distances.

    Returns the middle and the direction, (M, 2), and whether the stretch is straight, (M,).
    """
    arms_MA2 = np.lib.stride_tricks.sliding_window_view(points_XY, arm, axis=0)
    arms_MA2 = arms_MA2.transpose(0, 2, 1)  # (M, 2, A) -> (M, A, 2)
    middle_XY = arms_MA2.mean(axis=1)
    x, y = np.moveaxis(arms_MA2 - middle_XY[:, None], -1, 0)
    angle = np.arctan2(2 * (x * y).sum(axis=1), (x * x - y * y).sum(axis=1)) / 2
    line_XY = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    forward = ((arms_MA2[:, -1] - arms_MA2[:, 0]) * line_XY).sum(axis=1)
    line_XY *= np.where(forward < 0, -1.0, 1.0)[:, None]
    aside_px = np.abs(x * line_XY[:, 1:] - y * line_XY[:, :1]).max(axis=1)
    return middle_XY, line_XY, aside_px <= _STRAIGHT_PX


def _cross(
    before: tuple[Points, Points], after: tuple[Points, Points]
) -> tuple[NDArray[np.float64], Points]:
    """The turn in radians, (M,), from lines (middle, direction) to others, and the crossing."""
    (middle_XY, line_XY), (other_XY, onward_XY) = before, after
    sine = _cross_product(line_XY, onward_XY)
    along = _cross_product(other_XY - middle_XY, onward_XY)
    along = np.divide(along, sine, out=np.full_like(along, 1e9), where=np.abs(sine) > 1e-6)
    turn = np.arctan2(np.abs(sine), (line_XY * onward_XY).sum(axis=1))
    return turn, middle_XY + along[:, None] * line_XY


def _cross_product(a_XY: Points, b_XY: Points) -> NDArray[np.float64]:
    return a_XY[:, 0] * b_XY[:, 1] - a_XY[:, 1] * b_XY[:, 0]
