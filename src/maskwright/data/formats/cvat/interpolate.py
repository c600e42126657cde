"""Interpolate polygons between two keyframes as CVAT does it.

The corners of both outlines are matched by their position along the outline, as a share of its
length; the interpolated outline has a corner for each match, less those that come to lie close
together.
Source: cvat 2.x, apps/dataset_manager/annotation.py, TrackManager.get_interpolated_shapes.
"""

from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ...shapes.raster import Ring

_Matches = list[list[int]]
"""For each corner of the first outline the corners of the second, ascending."""


def interpolate_rings(first: Ring, second: Ring, offset: float) -> Ring:
    """Interpolate two outlines; `offset` is 0 at the first and 1 at the second."""
    first, second = _close(first), _close(second)
    lengths = _measure(first), _measure(second)
    if not lengths[0][-1] or not lengths[1][-1]:
        return first[:-1]
    matches = _match(*(length / length[-1] for length in lengths))
    pairs = [(one, other) for one, others in enumerate(matches) for other in others]
    left, right = (np.array(index) for index in zip(*pairs, strict=True))
    points = first[left] + (second[right] - first[left]) * offset
    return _Reduction(points, matches, *lengths).reduce()[:-1]


def interpolate_angle(first_deg: float, second_deg: float, offset: float) -> float:
    """Interpolate two angles the short way round, in 0..360; half a turn moves by a degree."""
    difference = (second_deg - first_deg + 180) % 360 - 180
    if difference == -180:  # both ways are equally short
        difference = 1.0
    return (first_deg + difference * offset + 360) % 360


def _close(ring: Ring) -> Ring:
    return np.concatenate((ring, ring[:1]))


def _measure(ring: Ring) -> NDArray[np.float64]:
    """Measure the length of the outline up to each corner."""
    steps = np.sqrt((np.diff(ring, axis=0) ** 2).sum(axis=1))
    return np.concatenate(([0.0], np.cumsum(steps)))


def _match(first: NDArray[np.float64], second: NDArray[np.float64]) -> _Matches:
    """Match each corner with the nearest of the other outline; no corner stays unmatched."""
    matches = [[index] for index in _find_nearest(first, second).tolist()]
    unmatched = np.setdiff1d(np.arange(len(second)), np.array(matches).ravel())
    nearest = _find_nearest(second[unmatched], first).tolist()
    for other, one in zip(unmatched.tolist(), nearest, strict=True):
        matches[one].append(other)
    return [sorted(others) for others in matches]


def _find_nearest(values: NDArray[np.float64], curve: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the first index of `curve`, which ascends, with the value nearest to each value."""
    after = np.searchsorted(curve, values, "left").clip(0, len(curve) - 1)
    before = (after - 1).clip(0)
    is_before = np.abs(values - curve[before]) <= np.abs(values - curve[after])
    return np.searchsorted(curve, curve[np.where(is_before, before, after)], "left")


class _Reduction:
    """Drops interpolated corners that lie close to the one before.

    `points` has a corner for each match. A segment is a run of corners of one outline that are
    matched with a single corner of the other.
    """

    def __init__(
        self,
        points: Ring,
        matches: _Matches,
        first: NDArray[np.float64],
        second: NDArray[np.float64],
    ) -> None:
        self._points, self._matches, self._first, self._second = points, matches, first, second
        ends = np.cumsum([len(others) for others in matches])
        self._starts = (ends - [len(others) for others in matches]).tolist()

    def reduce(self) -> Ring:
        return np.array(list(chain.from_iterable(self._list_segments())))

    def _list_segments(self) -> list[list[NDArray[np.float64]]]:
        segments = []
        opened: int | None = None
        for index, others in enumerate(self._matches):
            is_single = len(others) == 1
            if opened is not None and is_single and others[0] == self._matches[opened][0]:
                continue
            if opened is not None:
                segments.append(self._reduce_first(opened, index - 1))
            if not is_single:
                segments.append(self._reduce_second(index))
            opened = index if is_single else None
        if opened is not None:
            segments.append(self._reduce_first(opened, len(self._matches) - 1))
        return segments

    def _reduce_first(self, start: int, stop: int) -> list[NDArray[np.float64]]:
        """Reduce corners of the first outline that share one corner of the second."""
        if start == stop:
            return [self._points[self._starts[start]]]
        length = self._first[stop] - self._first[start]
        threshold = length / (2 * (stop - start + 1))
        return self._reduce(threshold, self._starts[start], self._starts[stop])

    def _reduce_second(self, index: int) -> list[NDArray[np.float64]]:
        """Reduce corners of the second outline that share one corner of the first."""
        others = self._matches[index]
        length = self._second[others[-1]] - self._second[others[0]]
        threshold = length / (2 * (others[-1] - others[0] + 1))
        start = self._starts[index]
        return self._reduce(threshold, start, start + len(others) - 1)

    def _reduce(self, threshold: float, start: int, stop: int) -> list[NDArray[np.float64]]:
        kept = [self._points[start]]
        for point in self._points[start + 1 : stop]:
            if np.hypot(*(point - kept[-1])) >= threshold:
                kept.append(point)
        kept.append(self._points[stop])
        if len(kept) == 2 and np.hypot(*(kept[1] - kept[0])) < threshold:
            return [(kept[0] + kept[1]) / 2]
        return kept
