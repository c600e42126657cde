"""Scores by distance to the class border, against SciPy's distance transform."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import distance_transform_edt

from maskwright.core.labels import IGNORE
from maskwright.metrics import bands
from maskwright.metrics.bands import BANDS, WIDTHS_PX, count, mark_border, scores

EDGES_PX = (0, *WIDTHS_PX, np.inf)

small_maps = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=70),
    elements=st.sampled_from([0, 1, 2, IGNORE]),
    fill=st.sampled_from([0, 1, IGNORE]),
)


def blobs(rng, size_HW, num_classes, *, ignored=0.05):
    """Patches of every size, each a class or IGNORE."""
    noise_HW = cv2.GaussianBlur(rng.random(size_HW), (0, 0), rng.uniform(1, 9))
    edges = np.quantile(noise_HW, np.linspace(0, 1, 12)[1:-1])
    values = rng.integers(0, num_classes, 11).astype(np.uint8)
    values[rng.random(11) < ignored] = IGNORE
    return values[np.digitize(noise_HW, edges)]


def distance_px(truth_HW):
    """As the module states it, one pixel pair after the other, then SciPy."""
    height, width = truth_HW.shape
    border_HW = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < height and 0 <= u < width:
                    pair = {int(truth_HW[y, x]), int(truth_HW[v, u])}
                    border_HW[y, x] |= len(pair) == 2 and IGNORE not in pair
    if not border_HW.any():
        return np.full((height, width), np.inf)
    return 1 + distance_transform_edt(~border_HW)


def counted(truth_HW, predicted_HW, num_classes):
    """The three counts, by masks alone."""
    far_HW, valid_HW = distance_px(truth_HW), truth_HW != IGNORE
    found = {k: np.zeros((num_classes, len(BANDS)), int) for k in ("hit", "truth", "predicted")}
    for b, (low, high) in enumerate(pairwise(EDGES_PX)):
        in_band = valid_HW & (far_HW > low) & (far_HW <= high)
        for c in range(num_classes):
            truth, predicted = truth_HW == c, predicted_HW == c
            found["hit"][c, b] = (in_band & truth & predicted).sum()
            found["truth"][c, b] = (in_band & truth).sum()
            found["predicted"][c, b] = (in_band & predicted).sum()
    return {f"band_{k}": v for k, v in found.items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_bands_of_a_straight_border_lie_on_both_sides():
    truth_HW = np.uint8([[0] * 6 + [1] * 70])
    left, right = [3, 3, 2, 2, 1, 0], [0, 1, *[2] * 2, *[3] * 4, *[4] * 8, *[5] * 16, *[6] * 38]
    assert bands.assign_bands(truth_HW)[0].tolist() == left + right


def test_counts_of_a_small_map_made_by_hand():
    truth_HW = np.uint8([[0, 0, 0, 1, 1, IGNORE]])
    predicted_HW = np.uint8([[0, 1, 1, 1, 1, 0]])
    found = count(truth_HW, predicted_HW, 2)
    assert found["band_truth"][:, :3].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert found["band_predicted"][:, :3].tolist() == [[0, 0, 1], [2, 2, 0]]
    assert found["band_hit"][:, :3].tolist() == [[0, 0, 1], [1, 1, 0]]
    curves = scores(found).curves
    assert curves["trimap_miou"].values[:3].tolist() == [0.25, 0.25, (1 / 3 + 1 / 2) / 2]
    assert curves["distance_miou"].values[:3].tolist() == [0.25, 0.25, 1.0]
    assert np.isnan(curves["distance_miou"].values[3:]).all()


@given(small_maps, st.randoms())
def test_counts_are_those_of_scipys_distance(truth_HW, random):
    rng = np.random.default_rng(random.getrandbits(32))
    predicted_HW = rng.integers(0, 3, truth_HW.shape).astype(np.uint8)
    assert_same(count(truth_HW, predicted_HW, 3), counted(truth_HW, predicted_HW, 3))


@pytest.mark.parametrize("num_classes", [2, 19, 254, 255])
@pytest.mark.parametrize("size_HW", [(90, 131), (128, 64), (64, 65)])
def test_counts_are_those_of_scipy_on_larger_maps(num_classes, size_HW):
    rng = np.random.default_rng(num_classes)
    truth_HW = blobs(rng, size_HW, num_classes, ignored=0.2)
    predicted_HW = blobs(rng, size_HW, num_classes, ignored=0)
    assert_same(
        count(truth_HW, predicted_HW, num_classes),
        counted(truth_HW, predicted_HW, num_classes),
    )


def test_bands_add_up_to_all_labelled_pixels():
    rng = np.random.default_rng(3)
    truth_HW, predicted_HW = blobs(rng, (200, 180), 5), blobs(rng, (200, 180), 5, ignored=0)
    found = count(truth_HW, predicted_HW, 5)
    valid_HW = truth_HW != IGNORE
    for name, labels in (("truth", truth_HW), ("predicted", predicted_HW)):
        by_class = np.bincount(labels[valid_HW], minlength=5)
        np.testing.assert_array_equal(found[f"band_{name}"].sum(axis=1), by_class)


def test_what_is_predicted_where_truth_is_ignored_changes_nothing():
    rng = np.random.default_rng(4)
    truth_HW, predicted_HW = blobs(rng, (60, 70), 4, ignored=0.4), blobs(rng, (60, 70), 4)
    other_HW = np.where(truth_HW == IGNORE, rng.integers(0, 256, truth_HW.shape), predicted_HW)
    assert (truth_HW == IGNORE).any()
    assert_same(count(truth_HW, predicted_HW, 4), count(truth_HW, other_HW.astype(np.uint8), 4))


@pytest.mark.parametrize("size_HW", [(0, 0), (0, 5), (5, 0), (1, 1), (3, 3)])
def test_a_map_without_a_border_or_a_pixel_has_all_in_the_last_band(size_HW):
    empty_HW = np.zeros(size_HW, np.uint8)
    found = count(empty_HW, empty_HW, 2)
    assert found["band_hit"].sum() == found["band_hit"][0, -1] == empty_HW.size
    assert np.isnan(scores(found).curves["trimap_miou"].values).all()


def test_an_edge_towards_ignore_is_not_a_border():
    truth_HW = np.uint8([[0, 0, IGNORE, 1, 1]])
    assert not mark_border(truth_HW).any()
    assert mark_border(np.uint8([[0, 1, IGNORE]])).tolist() == [[True, True, False]]
    assert not mark_border(np.uint8([[0, IGNORE], [IGNORE, 1]])).any()  # corners do not count


def test_scores_of_many_replicates_are_those_of_each():
    rng = np.random.default_rng(5)
    parts = [
        count(blobs(rng, (50, 60), 4), blobs(rng, (50, 60), 4, ignored=0), 4) for _ in range(6)
    ]
    stacked = {k: np.stack([p[k] for p in parts]).reshape(2, 3, 4, 7) for k in parts[0]}
    together = scores(stacked).curves
    for number, part in enumerate(parts):
        for name, curve in scores(part).curves.items():
            found = together[name].values[divmod(number, 3)]
            np.testing.assert_array_equal(found, curve.values)
            assert curve.values.shape == (len(curve.at),)


def test_counts_beyond_two_to_the_24_are_exact(monkeypatch):
    """The same split into strips, small enough to count by hand."""
    rng = np.random.default_rng(6)
    truth_HW, predicted_HW = blobs(rng, (90, 64), 3), blobs(rng, (90, 64), 3, ignored=0)
    whole = count(truth_HW, predicted_HW, 3)
    monkeypatch.setattr(bands, "_EXACT_COUNT", 1000)
    assert_same(count(truth_HW, predicted_HW, 3), whole)


def test_a_set_of_more_than_two_to_the_24_pixels_loses_none():
    truth_HW = np.zeros((4100, 4100), np.uint8)
    assert count(truth_HW, truth_HW, 1)["band_hit"][0, -1] == 4100 * 4100 > 1 << 24
