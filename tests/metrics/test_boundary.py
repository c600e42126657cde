import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from maskwright.core.errors import ConfigError, DataError
from maskwright.metrics.boundary import BAND, TOLERANCE, BoundaryTolerance, count, scores

IGNORE = 255


def _blocks(rng, size_HW, num_classes, block_px):
    height, width = size_HW
    small = rng.integers(0, num_classes, (height // block_px + 1, width // block_px + 1))
    labels_HW = np.kron(small, np.ones((block_px, block_px), int))[:height, :width]
    return labels_HW.astype(np.uint8)


@st.composite
def pairs(draw, choices=(2, 3, 6, 254, 255)):
    """A truth with IGNORE, and a prediction shifted and with odd pixels of its own."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size_HW = draw(st.integers(2, 60)), draw(st.integers(2, 90))
    num_classes = draw(st.sampled_from(choices))
    truth = _blocks(rng, size_HW, num_classes, draw(st.integers(1, 25)))
    predicted = np.roll(truth, draw(st.integers(0, 4)), axis=draw(st.integers(0, 1)))
    truth[rng.random(size_HW) < 0.02] = IGNORE
    truth[:, : draw(st.integers(0, 3))] = IGNORE
    predicted[rng.random(size_HW) < 0.02] = rng.integers(0, num_classes)
    return truth, predicted, num_classes


def _seg2bmap(mask):
    """DAVIS, `_seg2bmap` at the size of the mask."""
    right, below, corner = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    right[:, :-1], below[:-1], corner[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    found = (mask ^ right) | (mask ^ below) | (mask ^ corner)
    found[-1] = mask[-1] ^ right[-1]
    found[:, -1] = mask[:, -1] ^ below[:, -1]
    found[-1, -1] = False
    return found


def _davis(truth, predicted, reach_px):
    """DAVIS, `f_measure`: what it divides; the disc is that of skimage.morphology.disk."""
    y, x = np.mgrid[-reach_px : reach_px + 1, -reach_px : reach_px + 1]
    disc = x**2 + y**2 <= reach_px**2
    a, b = _seg2bmap(truth), _seg2bmap(predicted)
    return (
        *(a.sum(), (a & ndimage.binary_dilation(b, disc)).sum()),
        *(b.sum(), (b & ndimage.binary_dilation(a, disc)).sum()),
    )


def _cheng(mask, depth_px):
    """Boundary IoU, `mask_to_boundary`: the mask less its erosion, the border as background."""
    import cv2

    ring = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(ring, np.ones((3, 3), np.uint8), iterations=depth_px)[1:-1, 1:-1]
    return mask & (eroded == 0)


@given(pairs(), st.integers(1, 9), st.integers(1, 20))
@settings(deadline=None)
def test_counts_are_those_of_the_authors_class_by_class(pair, reach_px, depth_px):
    truth, predicted, num_classes = pair
    truth = np.where(truth == IGNORE, 0, truth).astype(np.uint8)
    found = count(
        truth,
        predicted,
        num_classes,
        tolerance=BoundaryTolerance(reach_px, "px"),
        band=BoundaryTolerance(depth_px, "px"),
    )
    for index in {*np.unique(truth), *np.unique(predicted), 0}:
        masks = truth == index, predicted == index
        bands = [_cheng(mask, depth_px) for mask in masks]
        expected = (
            *_davis(*masks, reach_px),
            *((bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()),
        )
        assert tuple(values[index] for values in found.values()) == expected


@given(pairs())
@settings(deadline=None)
def test_what_is_predicted_where_truth_is_ignored_changes_nothing(pair):
    truth, predicted, num_classes = pair
    other = np.where(truth == IGNORE, IGNORE, predicted).astype(np.uint8)
    for a, b in zip(
        count(truth, predicted, num_classes).values(),
        count(truth, other, num_classes).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@given(pairs())
@settings(deadline=None)
def test_exchanging_the_maps_exchanges_precision_and_recall(pair):
    truth, predicted, num_classes = pair
    truth = np.where(truth == IGNORE, 0, truth).astype(np.uint8)
    there = scores(count(truth, predicted, num_classes)).classes
    back = scores(count(predicted, truth, num_classes)).classes
    np.testing.assert_array_equal(there["boundary_precision"], back["boundary_recall"])
    np.testing.assert_array_equal(there["boundary_f1"], back["boundary_f1"])
    np.testing.assert_array_equal(there["boundary_iou"], back["boundary_iou"])


def _square(top_px, left_px, side_px=10, size_px=40):
    labels = np.zeros((size_px, size_px), np.uint8)
    labels[top_px : top_px + side_px, left_px : left_px + side_px] = 1
    return labels


def test_a_square_moved_by_four_pixels_by_hand():
    counts = count(
        _square(10, 10),
        _square(10, 14),
        3,
        tolerance=BoundaryTolerance(3, "px"),
        band=BoundaryTolerance(2, "px"),
    )
    # The boundary is the ring of 40 px from (9, 9) to (19, 19). Of the one in truth column 9 is
    # 4 px from column 13, where the other begins: 11 px lost; and at column 19 rows 13 to 15
    # are 4 px or more from the level sides in rows 9 and 19, and from column 23: 3 px lost.
    assert counts["boundary_truth"].tolist() == [40, 40, 0]
    assert counts["boundary_truth_near"].tolist() == [26, 26, 0]
    # The bands of class 1 are frames of 100 - 36 = 64 px that share 4 rows of 6 px.
    assert counts["band_intersection"][1] == 24
    assert counts["band_union"][1] == 64 + 64 - 24
    found = scores(counts)
    assert found.classes["boundary_f1"][1] == pytest.approx(26 / 40)
    assert found.classes["boundary_iou"][1] == pytest.approx(24 / 104)
    assert found.overall["mean_boundary_f1"] == pytest.approx(26 / 40)


def test_a_class_in_neither_map_is_nan_and_in_one_map_zero():
    truth = _square(10, 10)
    predicted = np.where(truth == 1, 2, 0).astype(np.uint8)
    found = scores(count(truth, predicted, 4))
    np.testing.assert_array_equal(found.classes["boundary_f1"], [1, 0, 0, np.nan])
    np.testing.assert_array_equal(found.classes["boundary_iou"], [1, 0, 0, np.nan])
    np.testing.assert_array_equal(found.classes["boundary_recall"], [1, 0, np.nan, np.nan])
    assert found.overall["mean_boundary_f1"] == pytest.approx(1 / 3)


def test_a_map_of_one_class_has_no_boundary_but_a_band():
    labels = np.zeros((30, 30), np.uint8)
    found = scores(count(labels, labels, 1))
    assert np.isnan(found.classes["boundary_f1"][0])
    assert found.classes["boundary_iou"][0] == 1


def _ringed(ring_px=2):
    """An object in the middle, behind a ring of IGNORE, in a background."""
    truth = np.zeros((40, 40), np.uint8)
    truth[10:30, 10:30] = IGNORE
    truth[10 + ring_px : 30 - ring_px, 10 + ring_px : 30 - ring_px] = 1
    return truth


def test_an_object_missed_behind_a_ring_of_ignore_hits_no_boundary():
    missed = scores(count(_ringed(), np.zeros((40, 40), np.uint8), 2))
    assert np.isnan(missed.classes["boundary_f1"]).all()
    np.testing.assert_array_equal(missed.classes["boundary_iou"], [1, np.nan])
    assert np.isnan(missed.overall["mean_boundary_f1"])


def test_a_class_whose_whole_outline_is_ignored_has_no_boundary_score_where_it_is_drawn_apart():
    predicted = np.zeros((40, 40), np.uint8)
    predicted[16:24, 16:24] = 1
    predicted[2:5, 2:5] = 2
    found = scores(count(_ringed(), predicted, 3))
    np.testing.assert_array_equal(found.classes["boundary_f1"], [np.nan, np.nan, 0])
    assert np.isnan(found.classes["boundary_iou"][1])


def test_what_is_predicted_beside_an_open_boundary_is_not_held_against_it():
    """Left of column 20 a border with IGNORE on it, and below row 20 one without."""
    truth = np.zeros((40, 40), np.uint8)
    truth[:, 20:] = 1
    truth[:20, 19:21] = IGNORE
    predicted = np.zeros((40, 40), np.uint8)
    predicted[:, 22:] = 1
    counts = count(truth, predicted, 2, tolerance=BoundaryTolerance(3, "px"))
    assert counts["boundary_truth"].tolist() == [21, 21]
    assert counts["boundary_truth_near"].tolist() == [21, 21]
    # Rows 0 to 16 are beside the open boundary and without a partner: (3, 2) px is too far.
    assert counts["boundary_predicted"].tolist() == [23, 23]
    assert scores(counts).classes["boundary_f1"].tolist() == [1, 1]
    far = np.roll(predicted, 9, axis=1)
    far[:, :9] = 0
    worse = count(truth, far, 2, tolerance=BoundaryTolerance(3, "px"))
    assert worse["boundary_predicted"].tolist() == [40, 40]
    assert scores(worse).classes["boundary_f1"].tolist() == [0, 0]


@given(pairs(choices=(2, 3, 6)), st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_bands_leave_out_borders_with_ignore(pair, depth_px):
    """A pixel is in the band where its square holds an edge of two classes or of the image."""
    truth, predicted, num_classes = pair
    found = count(truth, predicted, num_classes, band=BoundaryTolerance(depth_px, "px"))
    predicted = np.where(truth == IGNORE, IGNORE, predicted).astype(np.uint8)
    band, predicted_band = (
        _band(m, depth_px, lambda v: v != IGNORE) for m in (truth, predicted)
    )
    predicted_band &= band | ~_band(truth, depth_px, lambda v: v >= 0)
    for index in range(num_classes):
        one, other = (truth == index) & band, (predicted == index) & predicted_band
        if found["band_union"][index]:  # 0 also where all of the outline is with IGNORE
            assert found["band_intersection"][index] == (one & other).sum()
            assert found["band_union"][index] == (one | other).sum()


def _band(labels, depth_px, counts):
    """Pixels whose square holds both sides of an edge between unlike values that count."""
    wide = np.pad(labels.astype(int), depth_px, constant_values=1000)
    height, width = labels.shape
    inside = np.zeros(labels.shape, bool)
    for y, x in np.ndindex(height, width):
        square = wide[y : y + 2 * depth_px + 1, x : x + 2 * depth_px + 1]
        for one, other in ((square[1:], square[:-1]), (square[:, 1:], square[:, :-1])):
            inside[y, x] |= ((one != other) & counts(one) & counts(other)).any()
    return inside


def test_an_image_of_ignore_counts_nothing():
    ignored = np.full((20, 30), IGNORE, np.uint8)
    counts = count(ignored, np.zeros((20, 30), np.uint8), 3)
    assert not any(values.any() for values in counts.values())
    assert np.isnan(scores(counts).overall["mean_boundary_f1"])


@given(st.lists(pairs(choices=(3,)), min_size=2, max_size=3))
@settings(deadline=None, max_examples=20)
def test_scores_take_leading_axes(images):
    all_counts = [count(*image) for image in images]
    stacked = {name: np.stack([c[name] for c in all_counts]) for name in all_counts[0]}
    together = scores(stacked)
    for i, alone in enumerate(all_counts):
        for name, values in scores(alone).classes.items():
            np.testing.assert_array_equal(together.classes[name][i], values)
        for name, value in scores(alone).overall.items():
            np.testing.assert_array_equal(together.overall[name][i], value)


def test_an_index_that_is_not_a_class_is_named():
    truth = _square(10, 10)
    with pytest.raises(DataError, match="prediction holds class index 7 of 2 classes"):
        count(truth, truth * 7, 2)
    with pytest.raises(DataError, match="prediction holds class index 255 of 2 classes"):
        count(truth, truth * 255, 2)
    with pytest.raises(DataError, match="truth holds class index 1 of 1 classes"):
        count(truth, truth, 1)


def test_tolerance_is_pixels_or_a_share_of_the_diagonal():
    size_HW = (1024, 2048)  # its diagonal is 2289.7 px
    assert BoundaryTolerance.parse("3px") == BoundaryTolerance(3, "px")
    assert BoundaryTolerance.parse(" 0.75 % ") == BoundaryTolerance() == TOLERANCE
    assert (TOLERANCE.px(size_HW), TOLERANCE.depth_px(size_HW)) == (18, 17)
    assert (BAND.px(size_HW), BAND.depth_px(size_HW)) == (46, 46)
    assert BoundaryTolerance.parse("3px").px(size_HW) == 3
    assert BoundaryTolerance(0.01).depth_px((10, 10)) == 1
    assert [str(BoundaryTolerance.parse(text)) for text in ("12px", ".5%")] == ["12px", "0.5%"]


@pytest.mark.parametrize("text", ["3", "three px", "0px", "1.5px", "0%", "-1%", "120%", ""])
def test_a_tolerance_that_is_none_is_refused_with_the_two_ways_to_write_it(text):
    with pytest.raises(ConfigError, match=r"tolerance is .*'3px'.*'0\.75%'"):
        BoundaryTolerance.parse(text)
