import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.core.labels import IGNORE
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.coverage import (
    WHOLE,
    Coverage,
    count_coverage,
    list_rows,
    sum_coverages,
)

MAP = np.array([[0, 0, 1, IGNORE], [0, 2, 2, IGNORE]], np.uint8)
MAPS = arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 1, 2, 255]),
)


def test_percent_is_of_labelled_pixels_and_ignored_of_all():
    coverage = Coverage.from_labels(MAP, 4, PixelSize("mm", (0.5, 0.2)))
    assert coverage.pixels_C.tolist() == [3, 1, 2, 0]
    np.testing.assert_allclose(coverage.percent, [50, 100 / 6, 100 / 3, 0])
    np.testing.assert_allclose(coverage.area_C, [0.3, 0.1, 0.2, 0])
    assert (coverage.ignored_px, coverage.ignored_percent) == (2, 25)
    assert coverage.ignored_area == pytest.approx(0.2)
    assert [(name, px, of) for name, px, _, _, of in list_rows(coverage, "abcd")] == [
        *[("a", 3, "labelled"), ("b", 1, "labelled"), ("c", 2, "labelled")],
        *[("d", 0, "labelled"), ("(ignored)", 2, "all")],
    ]


@settings(deadline=None)
@given(MAPS, MAPS)
def test_two_images_add_up_to_the_image_of_both(a_HW, b_HW):
    both = np.concatenate((a_HW.ravel(), b_HW.ravel()))[None]
    scale = PixelSize.square("m", 0.25)
    parts = [count_coverage(m, 3, scale, {}) for m in (a_HW, b_HW)]
    coverage, whole = sum_coverages(parts)[WHOLE], Coverage.from_labels(both, 3, scale)
    np.testing.assert_array_equal(coverage.pixels_C, whole.pixels_C)
    np.testing.assert_allclose(coverage.percent, whole.percent)
    assert coverage.ignored_px == whole.ignored_px == (both == IGNORE).sum()
    assert coverage.labelled_px + coverage.ignored_px == both.size


def test_images_of_two_scales_weigh_by_their_area():
    fine = Coverage.from_labels(np.zeros((2, 2), np.uint8), 2, PixelSize.square("m", 0.5))
    coarse = Coverage.from_labels(np.ones((1, 3), np.uint8), 2, PixelSize.square("m", 1.0))
    np.testing.assert_allclose((fine + coarse).percent, [25, 75])


def test_regions_of_interest_split_an_image():
    left_HW = np.zeros(MAP.shape, np.bool_)
    left_HW[:, :2] = True
    coverage = count_coverage(MAP, 3, PixelSize.pixels(), {"left": left_HW, "right": ~left_HW})
    assert coverage["left"].pixels_C.tolist() == [3, 0, 1]
    whole = coverage["left"] + coverage["right"]
    assert whole.pixels_C.tolist() == coverage[WHOLE].pixels_C.tolist()


@pytest.mark.parametrize(("fill", "ignored"), [(IGNORE, 100.0), (None, None)])
def test_there_is_no_percent_without_labelled_pixels(fill, ignored):
    size = (0, 0) if fill is None else (2, 2)
    coverage = Coverage.from_labels(np.full(size, IGNORE, np.uint8), 2, PixelSize.pixels())
    document = coverage.to_json(("a", "b"))
    assert document["classes"]["a"] == {"pixels": 0, "area": 0.0, "percent": None}
    assert document["ignored"]["percent_of_all"] == ignored


def test_254_and_255_classes_are_not_ignored():
    labels_HW = np.array([[253, 254, IGNORE]], np.uint8)
    assert Coverage.from_labels(labels_HW, 255, PixelSize.pixels()).pixels_C[-2:].tolist() == [
        1,
        1,
    ]
    assert Coverage.from_labels(labels_HW[:, :1], 254, PixelSize.pixels()).pixels_C[-1] == 1
