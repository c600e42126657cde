"""Every file in core/kernels counts the same integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from maskwright.core import parts
from maskwright.core.kernels.kernel import KERNELS, Kernel, kernel

IGNORE = 255


@pytest.fixture(params=parts.names(KERNELS))
def part(request):
    if request.param != "numpy":
        pytest.importorskip(request.param)
    return parts.load(KERNELS, request.param, like=Kernel)


def _all_parts():
    for name in parts.names(KERNELS):
        if name == "numpy":
            yield parts.load(KERNELS, name, like=Kernel)
        else:
            pytest.importorskip(name)
            yield parts.load(KERNELS, name, like=Kernel)


@st.composite
def map_pairs(draw):
    """Two maps of blocks and single odd pixels, with IGNORE, of up to 255 classes."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 150))
    num_classes = draw(st.sampled_from((1, 2, 3, 7, 254, 255)))
    block_px = draw(st.integers(1, 40))
    maps = [_blocks(rng, (height, width), num_classes, block_px) for _ in range(2)]
    layout = draw(st.sampled_from(("plain", "transposed", "cut", "stepped", "locked")))
    return [_laid_out(labels_HW, layout) for labels_HW in maps], num_classes


def _blocks(rng, size_HW, num_classes, block_px):
    height, width = size_HW
    small = rng.integers(0, num_classes, (height // block_px + 1, width // block_px + 1))
    labels_HW = np.kron(small, np.ones((block_px, block_px), int))[:height, :width]
    labels_HW[rng.random(size_HW) < 0.01] = rng.integers(0, num_classes)
    labels_HW[rng.random(size_HW) < 0.01] = IGNORE
    return labels_HW.astype(np.uint8)


def _laid_out(labels_HW, layout):
    if layout == "transposed":
        return np.asfortranarray(labels_HW)
    if layout == "cut":
        return np.pad(labels_HW, 1)[1:-1, 1:-1]
    if layout == "locked":
        labels_HW.setflags(write=False)
    return np.repeat(labels_HW, 2, axis=1)[:, ::2] if layout == "stepped" else labels_HW


def _pair_counts(truth_HW, predicted_HW):
    counts = np.zeros((256, 256), np.int64)
    np.add.at(counts, (truth_HW.ravel(), predicted_HW.ravel()), 1)
    return counts


def _outline(labels_HW, index, against):
    """Where in the 2 x 2 square one side has `index` on one hand and `against` on the other."""
    marked = np.zeros(labels_HW.shape, bool)
    inside, outside = labels_HW == index, against(labels_HW)
    for axis in (0, 1):
        one, other = np.delete(inside, -1, axis), np.delete(outside, 0, axis)
        back, forth = np.delete(outside, -1, axis), np.delete(inside, 0, axis)
        for y, x in np.argwhere((one & other) | (back & forth)):
            marked[y, x] = True
            if axis == 0 and x:
                marked[y, x - 1] = True
            if axis == 1 and y:
                marked[y - 1, x] = True
    return marked


def _boundary(labels_HW, index):
    return _outline(labels_HW, index, lambda labels: (labels != index) & (labels != IGNORE))


def _open_boundary(labels_HW, index):
    return _outline(labels_HW, index, lambda labels: labels == IGNORE)


def _near(outline_HW, other_HW, reach_px):
    if not other_HW.any():
        return np.zeros_like(outline_HW)
    distance_HW = ndimage.distance_transform_edt(~other_HW)
    return outline_HW & (distance_HW <= reach_px)


@given(map_pairs())
@settings(deadline=None)
def test_pairs_are_counted_as_one_by_one(pair):
    maps, _ = pair
    for part in _all_parts():
        np.testing.assert_array_equal(part.count_pairs(*maps), _pair_counts(*maps))


@given(map_pairs(), st.sampled_from((1, 2, 3, 5, 18, 64, 130)))
@settings(deadline=None, max_examples=60)
def test_near_boundary_pixels_are_those_of_the_distance_transform(pair, reach_px):
    maps, num_classes = pair
    found = [
        part.count_near(*maps, num_classes=num_classes, reach_px=reach_px)
        for part in _all_parts()
    ]
    for index in {0, num_classes - 1, *np.unique(maps).tolist()} - {IGNORE}:
        truth, predicted = (_boundary(labels_HW, index) for labels_HW in maps)
        open_truth = _open_boundary(maps[0], index)
        open_alone = _near(predicted, open_truth, reach_px) & ~_near(predicted, truth, reach_px)
        expected = [
            *(truth.sum(), _near(truth, predicted, reach_px).sum()),
            *((predicted & ~open_alone).sum(), _near(predicted, truth, reach_px).sum()),
            open_truth.sum(),
        ]
        for counts_5C in found:
            np.testing.assert_array_equal(counts_5C[:, index], expected)


@given(map_pairs(), st.integers(1, 80))
@settings(deadline=None)
def test_a_pixel_is_outside_the_band_where_its_square_is_uniform(pair, depth_px):
    labels_HW = pair[0][0]
    wide_HW = np.pad(labels_HW.astype(int), depth_px, constant_values=-1)
    side = 2 * depth_px + 1
    expected = ndimage.maximum_filter(wide_HW, side) == ndimage.minimum_filter(wide_HW, side)
    inner = slice(depth_px, -depth_px), slice(depth_px, -depth_px)
    for part in _all_parts():
        np.testing.assert_array_equal(
            part.mark_outside_band(labels_HW, depth_px, ignore_is_class=True),
            np.where(expected[inner], 255, 0),
        )


@given(map_pairs(), st.integers(1, 80))
@settings(deadline=None)
def test_a_pixel_is_outside_the_band_where_no_border_of_two_classes_is_in_its_square(
    pair, depth_px
):
    labels_HW = pair[0][0]
    wide_HW = np.pad(labels_HW.astype(int), 1, constant_values=-1)  # the outside of the map
    # Squares of 2 depth + 1 pixels that hold both sides of a border, which are neighbours.
    inside = np.zeros(labels_HW.shape, bool)
    for axis in (0, 1):
        one, other = np.delete(wide_HW, -1, axis), np.delete(wide_HW, 0, axis)
        pairs = (one != other) & (one != IGNORE) & (other != IGNORE)
        for y, x in np.argwhere(pairs) - 1:
            ends = (y, x), (y + (axis == 0), x + (axis == 1))
            top, left = (max(max(e[i] for e in ends) - depth_px, 0) for i in (0, 1))
            bottom, right = (max(min(e[i] for e in ends) + depth_px + 1, 0) for i in (0, 1))
            inside[top:bottom, left:right] = True
    for part in _all_parts():
        np.testing.assert_array_equal(
            part.mark_outside_band(labels_HW, depth_px), np.where(inside, 0, 255)
        )


def test_a_map_without_pixels_counts_nothing(part):
    empty = np.zeros((0, 5), np.uint8)
    assert not part.count_pairs(empty, empty).any()


def test_a_long_street_and_noise_take_both_ways_of_counting(part):
    rng = np.random.default_rng(0)
    street = np.repeat(rng.integers(0, 5, (40, 6), dtype=np.uint8), 64, axis=1)
    street = np.repeat(street, 8, axis=0)
    noise = rng.integers(0, 256, street.shape, dtype=np.uint8)
    for maps in ((street, np.roll(street, 3, axis=1)), (street, noise)):
        np.testing.assert_array_equal(part.count_pairs(*maps), _pair_counts(*maps))


def test_counts_stay_exact_where_float32_stops_counting(part):
    """One more than 2^24 pixels of one pair: float32 has no such number."""
    num_px = 2**24 + 1
    assert int(np.float32(num_px)) == 2**24
    truth, predicted = np.full((1, num_px), 3, np.uint8), np.full((1, num_px), 200, np.uint8)
    assert part.count_pairs(truth, predicted)[3, 200] == num_px
    tall = np.full((4099, 4096), 3, np.uint8)
    assert part.count_pairs(tall, tall)[3, 3] == tall.size


def test_a_diagonal_step_has_a_boundary_of_known_length(part):
    truth = np.zeros((4, 4), np.uint8)
    truth[2:, 2:] = 1
    moved = np.zeros((4, 4), np.uint8)
    moved[3:, 3:] = 1
    counts_5C = part.count_near(truth, moved, num_classes=2, reach_px=1)
    # Pixels up and left of the square: (1,1) (1,2) (1,3) (2,1) (3,1), moved (2,2) (2,3) (3,2).
    np.testing.assert_array_equal(counts_5C, [[5, 5], [4, 4], [3, 3], [3, 3], [0, 0]])


def test_a_boundary_with_ignore_is_open_and_what_is_predicted_beside_it_cannot_be_judged(part):
    truth = np.uint8([[0, 0, 0, IGNORE, IGNORE, 1, 1, 1, 1, 1, 1, 1]])
    predicted = np.uint8([[0, 0, 0, IGNORE, IGNORE, 0, 1, 1, 1, 0, 0, 1]])
    counts_5C = part.count_near(truth, predicted, num_classes=2, reach_px=2)
    # Predicted boundaries lie at columns 5, 8 and 10; the open ones in truth at 2 and at 4.
    np.testing.assert_array_equal(counts_5C, [[0, 0], [0, 0], [3, 2], [0, 0], [1, 1]])


def test_the_fastest_installed_is_taken():
    pytest.importorskip("numba")
    assert kernel.__wrapped__().blur is parts.load(KERNELS, "numba", like=Kernel).blur


def test_numpy_is_taken_where_numba_is_not_installed(monkeypatch):
    monkeypatch.setattr("maskwright.core.kernels.kernel.find_spec", lambda name: None)
    assert kernel.__wrapped__().blur is parts.load(KERNELS, "numpy", like=Kernel).blur
