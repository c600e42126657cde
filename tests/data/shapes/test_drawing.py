"""One rule decides which of two overlapping shapes is visible; contested pixels are counted."""

import numpy as np
import pytest

from maskwright.core.codec import UNDRAWN
from maskwright.core.errors import DataError
from maskwright.data.shapes.drawing import Drawing, Shape, count_overlap_pixels, paint

NUMBERS = {UNDRAWN: 0, "car": 1, "pole": 2}.__getitem__


def box(label, left, top, right, bottom, **more):
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return Shape(label=label, rings=(np.array(corners, np.float64),), **more)


def drawn(*shapes):
    return Drawing(size_HW=(4, 6), shapes=shapes)


@pytest.mark.parametrize(
    ("overlap", "seen"),
    [("file", 1), ("z", 2), ("smaller_on_top", 2), (("car", "pole"), 1), (("pole",), 2)],
)
def test_the_rule_decides_which_shape_is_visible(overlap, seen):
    drawing = drawn(box("pole", 1, 1, 3, 3, z=5), box("car", 0, 0, 6, 4, z=1))
    painted_HW = paint(drawing, NUMBERS, overlap)
    assert painted_HW[1, 1] == seen
    assert painted_HW[0, 0] == 1
    assert count_overlap_pixels(drawing, overlap) == 4


def test_pixels_without_a_shape_have_a_label_of_their_own():
    painted_HW = paint(drawn(box("pole", 1, 1, 3, 3)), NUMBERS, "file")
    assert painted_HW.tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 2, 2, 0, 0, 0],
        [0, 2, 2, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_shapes_of_one_label_hide_nothing():
    assert (
        count_overlap_pixels(drawn(box("car", 0, 0, 4, 4), box("car", 2, 2, 6, 4)), "file") == 0
    )


def test_a_nested_class_survives_by_size_whatever_the_order():
    nested, around = box("pole", 2, 1, 3, 2), box("car", 0, 0, 6, 4)
    for shapes in ((nested, around), (around, nested)):
        assert (paint(drawn(*shapes), NUMBERS, "smaller_on_top") == 2).sum() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Drawing(size_HW=(0, 6), shapes=()), r"the image is 0 x 6"),
        (lambda: Drawing(size_HW=(10**6, 10**6), shapes=()), r"expected 1 to 1,073,741,824"),
        (lambda: drawn(box("car", 0, 0, 1e9, 2)), r"'car': a corner lies 1e\+09 px away"),
        (lambda: box("car", 0, 0, np.nan, 2), "expected finite x, y for each corner"),
    ],
)
def test_absurd_numbers_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize("overlap", ["file", "z", "smaller_on_top", ("car", "pole")])
def test_sorted_shapes_paint_the_same_in_the_order_of_the_file(overlap):
    drawing = drawn(box("pole", 1, 1, 3, 3, z=5), box("car", 0, 0, 6, 4, z=1))
    ordered = drawing.sort_by_overlap(overlap, {"pole": "car", "car": "pole"}.__getitem__)
    swapped = {UNDRAWN: 0, "car": 2, "pole": 1}.__getitem__
    np.testing.assert_array_equal(
        paint(ordered, swapped, "file"), paint(drawing, NUMBERS, overlap)
    )
    areas = [shape.fill((4, 6), "center").area_px for shape in ordered.shapes]
    assert [crop.area_px for crop in ordered.fill_shapes()] == areas
