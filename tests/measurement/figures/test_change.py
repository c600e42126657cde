import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.change import ClassChange
from maskwright.measurement.figures.coverage import Coverage

PX = PixelSize.pixels()
BEFORE = np.array([[0, 0, 1], [1, 2, IGNORE]], np.uint8)
AFTER = np.array([[0, 1, 1], [0, IGNORE, 2]], np.uint8)
PAIRS = arrays(
    np.uint8,
    st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 1, 2, 255]),
)


def test_a_hand_computed_change():
    change = ClassChange.from_maps(BEFORE, AFTER, 3, PixelSize.square("m", 2.0))
    assert change.pixels_CC.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert change.gained.tolist() == [4, 4, 0]
    assert change.lost.tolist() == [4, 4, 0]
    assert (change.only_before_px, change.only_after_px) == (1, 1)
    assert (change.total, change.changed_percent) == (16, 50)
    assert change.largest(5) == [(0, 1), (1, 0)]


def test_rows_are_before_and_columns_after():
    change = ClassChange.from_maps(np.zeros((1, 4), np.uint8), np.array([[0, 1, 1, 1]]), 2, PX)
    assert change.pixels_CC.tolist() == [[1, 3], [0, 0]]
    assert (change.gained.tolist(), change.lost.tolist(), change.net.tolist()) == (
        [0, 3],
        [3, 0],
        [-3, 3],
    )
    assert change.to_json(("a", "b"))["classes"]["b"] == {
        "gained": 3.0,
        "lost": 0.0,
        "net": 3.0,
    }


@settings(deadline=None)
@given(PAIRS)
def test_net_is_the_difference_of_coverages_and_the_matrix_is_that_of_scikit_learn(maps):
    before_HW, after_HW = maps
    change = ClassChange.from_maps(before_HW, after_HW, 3, PX)
    both_HW = (before_HW != IGNORE) & (after_HW != IGNORE)
    covers = [Coverage.from_labels(m[both_HW], 3, PX).pixels_C for m in maps]
    np.testing.assert_array_equal(change.net, covers[1] - covers[0])
    assert change.gained.sum() == change.lost.sum()
    if both_HW.any():
        expected = confusion_matrix(before_HW[both_HW], after_HW[both_HW], labels=range(3))
        np.testing.assert_array_equal(change.pixels_CC, expected)
    else:
        assert change.to_json("abc")["changed_percent"] is None


@settings(deadline=None)
@given(PAIRS)
def test_going_back_swaps_gain_and_loss(maps):
    there = ClassChange.from_maps(*maps, 3, PX)
    back = ClassChange.from_maps(maps[1], maps[0], 3, PX)
    np.testing.assert_array_equal(there.gained, back.lost)
    np.testing.assert_array_equal((there + back).net, 0)
    assert there.only_before_px == back.only_after_px


def test_255_classes_and_ignore_stay_apart():
    change = ClassChange.from_maps(np.array([[254, 255]]), np.array([[0, 254]]), 255, PX)
    assert change.pixels_CC[254, 0] == 1
    assert (change.pixels_CC.sum(), change.only_after_px) == (1, 1)


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(DataError, match=r"before is \(2, 3\) \(H, W\), the map after \(3, 3\)"):
        ClassChange.from_maps(BEFORE, np.zeros((3, 3), np.uint8), 3, PX)
