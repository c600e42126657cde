"""Surface distances, against definitions written out with SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial import cKDTree

from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE
from maskwright.metrics.surface import Ruler, count, mark_surface, measure_distances, scores

SPACINGS = [(1.0, 1.0), (0.5, 0.5), (2.0, 0.7), (0.05, 1.3), (10.0, 0.01)]


def one_way(mask_HW, other_HW, spacing_HW):
    """MedPy's `__surface_distances`."""
    border, other = (m & ~binary_erosion(m) for m in (mask_HW, other_HW))
    return distance_transform_edt(~other, sampling=spacing_HW)[border]


def reference(truth_HW, predicted_HW, ruler):
    """MedPy's hd and assd, the larger directed percentile, the share within the tolerance."""
    there = one_way(truth_HW, predicted_HW, ruler.spacing_HW)
    back = one_way(predicted_HW, truth_HW, ruler.spacing_HW)
    both = np.hstack((there, back))
    return {
        "surface_hd": max(there.max(), back.max()),
        "surface_hd95": max(np.percentile(there, 95), np.percentile(back, 95)),
        "surface_assd": both.mean(),
        "surface_nsd": np.mean(both <= ruler.tolerance + 1e-9),
    }


def blob(rng, size_HW):
    y, x = np.mgrid[: size_HW[0], : size_HW[1]]
    centre, radius = rng.uniform(0.2, 0.8, 2) * size_HW, rng.uniform(0.1, 0.4, 2) * size_HW
    disc = ((y - centre[0]) / radius[0]) ** 2 + ((x - centre[1]) / radius[1]) ** 2 <= 1
    disc ^= rng.random(size_HW) < 0.01
    return disc.astype(np.uint8)


@pytest.mark.parametrize("spacing_HW", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_medpy_at_any_spacing(spacing_HW, seed):
    rng = np.random.default_rng(seed)
    size_HW = tuple(rng.integers(20, 90, 2))
    truth_HW, predicted_HW = blob(rng, size_HW), blob(rng, size_HW)
    ruler = Ruler(tolerance=2 * spacing_HW[1], spacing_HW=spacing_HW, unit="mm")
    found = count(truth_HW, predicted_HW, 2, ruler)
    for index in (0, 1):
        expected = reference(truth_HW == index, predicted_HW == index, ruler)
        for name, value in expected.items():
            assert found[name][index] == pytest.approx(value, rel=1e-12), name


@given(
    arrays(np.bool_, (7, 9), fill=st.just(False)),
    arrays(np.bool_, (7, 9), fill=st.just(False)),
    st.sampled_from(SPACINGS),
)
def test_the_nearest_point_is_exact(points_HW, to_HW, spacing_HW):
    to_HW[3, 4] = True
    points_HW[0, 0] = True
    points, to = np.argwhere(points_HW), np.argwhere(to_HW)
    expected, _ = cKDTree(to * spacing_HW).query(points * spacing_HW)
    np.testing.assert_allclose(measure_distances(points, to, spacing_HW), expected, rtol=1e-12)


def test_two_bars_three_pixels_apart_made_by_hand():
    truth_HW, predicted_HW = np.zeros((2, 9, 5), np.uint8)
    truth_HW[2] = 1
    predicted_HW[5] = 1
    ruler = Ruler(tolerance=0.3, spacing_HW=(0.1, 0.2), unit="mm")
    found = scores(count(truth_HW, predicted_HW, 2, ruler, classes=[1]), ruler)
    for name in ("hd_mm", "hd95_mm", "assd_mm"):
        assert found.classes[name][1] == pytest.approx(0.3)
        assert np.isnan(found.classes[name][0])
    assert found.classes["nsd"][1] == 1  # 3 x 0.1 is a little over 0.3 in floating point
    tighter = Ruler(tolerance=0.29, spacing_HW=(0.1, 0.2), unit="mm")
    assert count(truth_HW, predicted_HW, 2, tighter)["surface_nsd"][1] == 0


def test_percentile_and_mean_of_a_line_with_one_stray_pixel_made_by_hand():
    truth_HW, predicted_HW = np.zeros((2, 1, 60), np.uint8)
    truth_HW[0, :20] = predicted_HW[0, :20] = 1
    predicted_HW[0, 49] = 1
    ruler = Ruler(tolerance=1)
    found = scores(count(truth_HW, predicted_HW, 2, ruler, classes=[1]), ruler)
    assert found.classes["hd_px"][1] == 30
    assert found.classes["hd95_px"][1] == 0
    assert found.classes["assd_px"][1] == pytest.approx(30 / 41)
    assert found.classes["nsd"][1] == pytest.approx(40 / 41)
    assert found.overall["mean_assd_px"] == found.classes["assd_px"][1]


def test_an_image_with_one_side_missing_has_no_distance_and_is_counted():
    structure_HW, empty_HW = np.zeros((2, 9, 9), np.uint8)
    structure_HW[3:6, 3:6] = 1
    ruler = Ruler(tolerance=1)
    pairs = [
        (structure_HW, structure_HW),
        (structure_HW, empty_HW),
        (empty_HW, structure_HW),
        (empty_HW, empty_HW),
    ]
    parts = [count(*pair, 2, ruler, classes=[1]) for pair in pairs]
    found = scores({k: sum(p[k] for p in parts) for k in parts[0]}, ruler).classes
    assert [found[f"surface_{n}"][1] for n in ("images", "missed", "invented")] == [1, 1, 1]
    assert found["hd95_px"][1] == 0
    assert found["nsd"][1] == pytest.approx(1 / 3)
    alone = scores(parts[1], ruler).classes
    assert np.isnan(alone["hd_px"][1])
    assert alone["nsd"][1] == 0
    assert np.isnan(scores(parts[3], ruler).classes["nsd"][1])


def test_a_class_whose_whole_outline_is_ignored_is_present_and_has_no_surface_score():
    truth_HW, empty_HW = np.zeros((2, 12, 12), np.uint8)
    truth_HW[3:9, 3:9] = IGNORE
    truth_HW[5:7, 5:7] = 1
    ruler = Ruler(tolerance=1)
    found = scores(count(truth_HW, truth_HW, 2, ruler, classes=[1]), ruler).classes
    assert [found[f"surface_{n}"][1] for n in ("images", "missed", "invented")] == [1, 0, 0]
    assert np.isnan([found["hd_px"][1], found["nsd"][1]]).all()
    missed = scores(count(truth_HW, empty_HW, 2, ruler, classes=[1]), ruler).classes
    assert [missed[f"surface_{n}"][1] for n in ("images", "missed", "invented")] == [0, 1, 0]
    assert np.isnan(missed["nsd"][1])


def test_an_object_with_a_surface_on_one_side_alone_is_not_called_invented():
    truth_HW = np.zeros((12, 12), np.uint8)
    truth_HW[3:9, 3:9] = IGNORE
    truth_HW[5:7, 5:7] = 1
    predicted_HW = np.zeros((12, 12), np.uint8)
    predicted_HW[4:8, 4:8] = 1
    predicted_HW[0, 0] = 1
    ruler = Ruler(tolerance=1)
    found = scores(count(truth_HW, predicted_HW, 2, ruler, classes=[1]), ruler).classes
    assert [found[f"surface_{n}"][1] for n in ("images", "missed", "invented")] == [1, 0, 0]
    assert np.isnan([found["hd_px"][1], found["nsd"][1]]).all()


def test_a_predicted_surface_beside_an_open_one_is_not_counted():
    """Most of a border is ignored; the prediction lies three pixels beside all of it."""
    truth_HW = np.zeros((60, 60), np.uint8)
    truth_HW[:, 30:] = 1
    truth_HW[:40, 29:31] = IGNORE
    predicted_HW = np.zeros((60, 60), np.uint8)
    predicted_HW[:, 33:] = 1
    ruler = Ruler(tolerance=1)
    found = scores(count(truth_HW, predicted_HW, 2, ruler, classes=[1]), ruler).classes
    assert 3 <= found["hd_px"][1] < 4  # to the upper end of the surface, (2, 3) px away
    without_HW = np.where(truth_HW == IGNORE, 0, truth_HW)
    assert scores(count(without_HW, predicted_HW, 2, ruler), ruler).classes["hd_px"][1] == 3


def test_an_edge_towards_ignore_is_not_a_surface_and_one_of_the_image_is():
    labels_HW = np.zeros((4, 6), np.uint8)
    labels_HW[1:3, 1:3] = 1
    labels_HW[1:3, 3:5] = IGNORE
    marked = mark_surface(labels_HW)
    assert not marked[labels_HW == IGNORE].any()
    assert marked[1:3, 1:3].all()
    assert mark_surface(np.ones((3, 3), np.uint8)).tolist() == [
        [True, True, True],
        [True, False, True],
        [True, True, True],
    ]
    assert not mark_surface(np.uint8([[255] * 3, [255, 1, 255], [255] * 3])).any()


def test_what_is_predicted_where_truth_is_ignored_changes_nothing():
    rng = np.random.default_rng(2)
    truth_HW, predicted_HW = blob(rng, (40, 50)), blob(rng, (40, 50))
    truth_HW[10:25, 20:40] = IGNORE
    other_HW = np.where(truth_HW == IGNORE, rng.integers(0, 256, truth_HW.shape), predicted_HW)
    ruler = Ruler(tolerance=1)
    one = count(truth_HW, predicted_HW, 2, ruler)
    other = count(truth_HW, other_HW.astype(np.uint8), 2, ruler)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_scores_of_many_replicates_are_those_of_each():
    rng, ruler = np.random.default_rng(3), Ruler(tolerance=2)
    parts = [count(blob(rng, (30, 30)), blob(rng, (30, 30)), 3, ruler) for _ in range(6)]
    stacked = {k: np.stack([p[k] for p in parts]).reshape(2, 3, 3) for k in parts[0]}
    together = scores(stacked, ruler)
    for number, part in enumerate(parts):
        alone, place = scores(part, ruler), divmod(number, 3)
        for name, values in alone.classes.items():
            np.testing.assert_array_equal(together.classes[name][place], values)
        for name, values in alone.overall.items():
            np.testing.assert_array_equal(together.overall[name][place], values)


@pytest.mark.parametrize("num_classes", [254, 255])
def test_class_indices_up_to_254_are_measured(num_classes):
    labels_HW = np.zeros((5, 5), np.uint8)
    labels_HW[2, 2] = num_classes - 1
    found = count(labels_HW, labels_HW, num_classes, Ruler(tolerance=0))
    assert found["surface_images"][num_classes - 1] == 1
    assert found["surface_nsd"].sum() == 2


def test_a_map_without_pixels_counts_nothing():
    empty_HW = np.zeros((0, 4), np.uint8)
    found = count(empty_HW, empty_HW, 2, Ruler(tolerance=1))
    assert not any(values.any() for values in found.values())


@pytest.mark.parametrize("spacing_HW", [(0.0, 1.0), (1.0, -1.0), (1.0, float("nan"))])
def test_a_spacing_that_is_not_a_length_is_refused(spacing_HW):
    with pytest.raises(ConfigError, match=r"one pixel is .* mm .*give two numbers above 0"):
        Ruler(tolerance=1, spacing_HW=spacing_HW, unit="mm")


@pytest.mark.parametrize("tolerance", [-1.0, float("inf"), float("nan")])
def test_a_tolerance_that_is_not_a_length_is_refused(tolerance):
    with pytest.raises(ConfigError, match=r"tolerance .* px; give 0 or more"):
        Ruler(tolerance=tolerance)
