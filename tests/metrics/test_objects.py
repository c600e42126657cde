"""Objects found, missed and invented, against SciPy's components judged one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from maskwright.core.labels import IGNORE
from maskwright.metrics.objects import SIZES, SIZES_PX, count, scores

NAMES = ("objects_truth", "objects_found", "objects_predicted", "objects_real")


def judged(labels_HW, other_HW, valid_HW, num_classes):
    """Number of objects, and of those half covered by their class in the other map."""
    everything = np.zeros((num_classes, len(SIZES)), int)
    good = np.zeros_like(everything)
    for c in range(num_classes):
        number_HW, last = ndimage.label(labels_HW == c, structure=np.ones((3, 3)))
        for n in range(1, last + 1):
            inside = (number_HW == n) & valid_HW
            if not inside.any():
                continue
            size = sum(inside.sum() >= edge for edge in SIZES_PX)
            everything[c, size] += 1
            good[c, size] += (other_HW[inside] == c).mean() >= 0.5
    return everything, good


def counted(truth_HW, predicted_HW, num_classes):
    valid_HW = truth_HW != IGNORE
    truth = judged(truth_HW, predicted_HW, valid_HW, num_classes)
    predicted = judged(predicted_HW, truth_HW, valid_HW, num_classes)
    return dict(zip(NAMES, (*truth, *predicted), strict=True))


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def patches(rng, size_HW, num_classes, *, ignored):
    height, width = (-(-n // 7) for n in size_HW)
    coarse = rng.integers(0, num_classes, (height, width)).astype(np.uint8)
    labels_HW = np.kron(coarse, np.ones((7, 7), np.uint8))[: size_HW[0], : size_HW[1]]
    changed = rng.random(size_HW)
    labels_HW[changed < 0.02] = num_classes - 1
    labels_HW[changed > 1 - ignored] = IGNORE
    return labels_HW


@given(
    *[
        arrays(np.uint8, (9, 11), elements=st.sampled_from([0, 1, 2, last]), fill=st.just(0))
        for last in (IGNORE, 1)
    ]
)
def test_counts_are_those_of_objects_judged_one_by_one(truth_HW, predicted_HW):
    assert_same(count(truth_HW, predicted_HW, 3), counted(truth_HW, predicted_HW, 3))


@pytest.mark.parametrize("num_classes", [2, 5, 254, 255])
def test_counts_are_those_of_scipy_on_larger_maps(num_classes):
    rng = np.random.default_rng(num_classes)
    truth_HW = patches(rng, (90, 120), num_classes, ignored=0.05)
    predicted_HW = np.where(
        rng.random((90, 120)) < 0.4, patches(rng, (90, 120), num_classes, ignored=0), truth_HW
    )
    predicted_HW[predicted_HW == IGNORE] = 0
    found = count(truth_HW, predicted_HW, num_classes)
    assert_same(found, counted(truth_HW, predicted_HW, num_classes))
    assert found["objects_truth"].dtype == np.int64


def scene():
    """One large object half covered, two small ones of which one is missed, one invented."""
    truth_HW, predicted_HW = np.zeros((2, 40, 60), np.uint8)
    truth_HW[0:20, 0:20] = 1
    predicted_HW[0:10, 0:20] = 1
    truth_HW[30:33, 5:8] = 1
    truth_HW[30:33, 15:18] = 1
    predicted_HW[31:34, 15:18] = 1
    predicted_HW[30:35, 40:45] = 1
    return truth_HW, predicted_HW


def test_a_missed_small_object_shows_beside_large_ones():
    found = scores(count(*scene(), 2), [0, 1])
    assert found.classes["objects_truth"].tolist() == [1, 3]
    assert found.classes["objects_predicted"].tolist() == [1, 3]
    assert found.classes["objects_missed"].tolist() == [0, 1]
    assert found.classes["objects_invented"].tolist() == [0, 1]
    assert found.classes["object_recall"].tolist() == pytest.approx([1, 2 / 3])
    assert found.classes["object_precision"].tolist() == pytest.approx([1, 2 / 3])
    assert found.classes["object_f1"].tolist() == pytest.approx([1, 2 / 3])
    assert found.overall["object_recall"] == pytest.approx(3 / 4)
    curve = found.class_curves["object_recall_by_size"]
    assert curve.at == SIZES
    np.testing.assert_array_equal(curve.values[1], [0.5, np.nan, np.nan, 1.0, np.nan, np.nan])
    numbers = found.class_curves["objects_truth_by_size"].values[1]
    assert numbers.tolist() == [2, 0, 0, 1, 0, 0]


def test_half_of_its_pixels_finds_an_object_and_less_does_not():
    truth_HW = np.uint8([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]])
    for covered, missed in ((2, 0), (1, 1)):
        predicted_HW = np.where(np.arange(10) < covered, 1, 0).astype(np.uint8)[None]
        found = scores(count(truth_HW, predicted_HW, 2), [0, 1])
        assert found.classes["objects_missed"][1] == missed


def test_two_objects_joined_by_a_bridge_are_both_found():
    truth_HW = np.uint8([[1, 1, 1, 0, 1, 1, 1]])
    found = scores(count(truth_HW, np.ones_like(truth_HW), 2), [0, 1])
    assert found.classes["object_recall"][1] == 1
    assert found.classes["object_precision"][1] == 1


def test_a_flood_finds_all_and_is_itself_invented():
    truth_HW = np.zeros((20, 20), np.uint8)
    truth_HW[2, 2] = truth_HW[9, 9] = 1
    found = scores(count(truth_HW, np.ones_like(truth_HW), 2), [0, 1])
    assert found.classes["object_recall"].tolist() == [0, 1]
    assert np.isnan(found.classes["object_precision"][0])
    assert found.classes["object_precision"][1] == 0
    assert found.classes["object_f1"].tolist() == [0, 0]


def test_a_class_on_neither_side_has_no_rate_and_on_one_side_an_f1_of_0():
    truth_HW = np.zeros((4, 4), np.uint8)
    predicted_HW = truth_HW.copy()
    predicted_HW[0, 0] = 2
    found = scores(count(truth_HW, predicted_HW, 3), [0, 1, 2]).classes
    assert np.isnan(
        [found[n][1] for n in ("object_recall", "object_precision", "object_f1")]
    ).all()
    assert np.isnan(found["object_recall"][2])
    assert (found["object_precision"][2], found["object_f1"][2]) == (0, 0)


def test_what_a_line_of_ignore_cuts_in_the_prediction_stays_one_object():
    truth_HW = np.uint8([[0, 0, 0, IGNORE, IGNORE, 1, 1, 1, 1, 1]])
    predicted_HW = np.uint8([[0, 0, 1, 1, 1, 1, 1, 1, 1, 1]])
    found = scores(count(truth_HW, predicted_HW, 2), [1]).classes
    # The pixel left of the border is part of the object right of it: 5 of 6 pixels are right.
    assert found["objects_predicted"].tolist() == [1, 1]
    assert found["objects_invented"].tolist() == [0, 0]
    sliver_HW = np.uint8([[0, 0, 1, 0, 0, 1, 1, 1, 1, 1]])
    assert scores(count(truth_HW, sliver_HW, 2), [1]).classes["objects_invented"][1] == 1


def test_what_is_predicted_in_ignored_pixels_alone_is_not_an_object():
    rng = np.random.default_rng(8)
    truth_HW = np.zeros((30, 40), np.uint8)
    truth_HW[:, 20:] = IGNORE
    predicted_HW = np.zeros((30, 40), np.uint8)
    predicted_HW[:, 21:] = rng.integers(0, 256, (30, 19))
    found = count(truth_HW, predicted_HW, 3)
    assert found["objects_predicted"].sum(axis=1).tolist() == [1, 0, 0]
    assert found["objects_real"].sum(axis=1).tolist() == [1, 0, 0]


def test_the_rates_of_the_set_leave_out_stuff():
    truth_HW, predicted_HW = np.zeros((2, 40, 60), np.uint8)
    truth_HW[5:9, 5:50:5] = 1  # nine columns of a defect, none found in a found background
    found = scores(count(truth_HW, predicted_HW, 2), [1])
    assert (found.overall["object_recall"], found.overall["objects_truth"]) == (0, 9)
    assert found.classes["object_recall"].tolist() == [1, 0]
    assert found.curves["objects_truth_by_size"].values.sum() == 9


def test_without_a_class_that_is_a_thing_the_set_has_no_object_scores():
    found = scores(count(*scene(), 2), [])
    assert all(np.isnan(values) for values in found.overall.values())
    assert all(np.isnan(curve.values).all() for curve in found.curves.values())
    assert found.classes["objects_truth"].tolist() == [1, 3]


def test_overall_rates_pool_the_objects_of_things():
    rng = np.random.default_rng(9)
    maps = [patches(rng, (80, 90), 4, ignored=share) for share in (0.1, 0)]
    counts = count(*maps, 4)
    found = scores(counts, [1, 3])
    total = {name: counts[name][[1, 3]].sum() for name in NAMES}
    assert found.overall["object_recall"] == total["objects_found"] / total["objects_truth"]
    assert (
        found.overall["object_precision"] == total["objects_real"] / total["objects_predicted"]
    )
    by_size = found.curves["objects_missed_by_size"].values
    assert by_size.sum() == found.overall["objects_missed"]


def test_scores_of_many_replicates_are_those_of_each():
    rng = np.random.default_rng(10)
    parts = [
        count(*(patches(rng, (40, 40), 4, ignored=share) for share in (0.1, 0)), 4)
        for _ in range(6)
    ]
    stacked = {k: np.stack([p[k] for p in parts]).reshape(2, 3, 4, 6) for k in NAMES}
    together = scores(stacked, [0, 2])
    for number, part in enumerate(parts):
        alone, place = scores(part, [0, 2]), divmod(number, 3)
        for name, values in alone.classes.items():
            np.testing.assert_array_equal(together.classes[name][place], values)
        for name, values in alone.overall.items():
            np.testing.assert_array_equal(together.overall[name][place], values)
        for name, curve in (*alone.curves.items(), *alone.class_curves.items()):
            kind = together.curves if curve.values.ndim == 1 else together.class_curves
            np.testing.assert_array_equal(kind[name].values[place], curve.values)


def test_an_empty_map_has_no_objects():
    empty_HW = np.zeros((0, 5), np.uint8)
    found = scores(count(empty_HW, empty_HW, 2), [0, 1])
    assert found.overall["objects_truth"] == 0
    assert np.isnan(found.overall["object_recall"])
