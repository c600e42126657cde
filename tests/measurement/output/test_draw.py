import numpy as np
import pytest
from known_shapes import bar

from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.gap import find_gap
from maskwright.measurement.figures.regions import find_regions
from maskwright.measurement.figures.thin import measure_thin
from maskwright.measurement.output.draw import (
    SKY,
    draw_boxes,
    draw_gap,
    draw_length,
    draw_skeleton,
)

PX = PixelSize.pixels()
SIZE_HW = (240, 320)


@pytest.fixture
def blocks():
    """Two blocks of 40 pixels a side with a hundred pixels between them."""
    mask_HW = np.zeros((2, *SIZE_HW), bool)
    mask_HW[0, 100:140, 20:60] = True
    mask_HW[1, 100:140, 160:200] = True
    return mask_HW


def grey(size_HW=SIZE_HW):
    return np.full((*size_HW, 3), 128, np.uint8)


def has_color(picture_HW3, color):
    return (picture_HW3 == color).all(axis=-1)


def is_inked(picture_HW3):
    return (picture_HW3 != 128).any(axis=-1)


def test_the_gap_line_runs_from_border_to_border(blocks):
    drawn_HW3 = draw_gap(grey(), find_gap(*blocks, PX), PX)
    inked_HW = is_inked(drawn_HW3)
    assert inked_HW[119:121, 60:160].all()
    assert not inked_HW[:, :54].any()
    assert not inked_HW[:, 166:].any()


def test_masks_that_touch_get_a_mark_where_they_do(blocks):
    upper_HW, _ = blocks
    lower_HW = np.zeros(SIZE_HW, bool)
    lower_HW[140:150, 60:70] = True
    drawn_HW3 = draw_gap(grey(), find_gap(upper_HW, lower_HW, PX), PX)
    changed_HW = is_inked(drawn_HW3)
    assert changed_HW[137:144, 57:64].any()
    assert not changed_HW[:, :40].any()


def test_a_box_goes_around_its_region(blocks):
    drawn_HW3 = draw_boxes(grey(), find_regions(blocks[0], PX), PX)
    ys, xs = np.nonzero(is_inked(drawn_HW3[105:]))
    assert (xs.min(), xs.max()) == pytest.approx((19.5, 60), abs=4)
    assert ys.max() + 105 == pytest.approx(140, abs=4)
    assert not is_inked(drawn_HW3)[105:135, 25:55].any()


def test_the_skeleton_keeps_its_color_and_the_widest_place_is_circled():
    mask_HW = np.pad(bar(200, 20).draw(PX, 0, (0, 0)), 20)
    thin = measure_thin(mask_HW, PX)
    drawn_HW3 = draw_skeleton(grey(mask_HW.shape), thin, PX)
    skeleton = has_color(drawn_HW3, SKY)[thin.skeleton_HW]
    assert skeleton.mean() > 0.7
    x, y = np.array(thin.max_width_px, int)
    assert is_inked(drawn_HW3)[y + 8 : y + 13, x - 3 : x + 4].any()
    assert not is_inked(drawn_HW3)[y + 14 :].any()


def test_pixels_that_are_not_square_turn_the_disc_into_an_ellipse():
    scale = PixelSize("mm", (1.0, 0.5))
    mask_HW = np.zeros(SIZE_HW, bool)
    mask_HW[100:140, 60:260] = True
    drawn_HW3 = draw_skeleton(grey(), measure_thin(mask_HW, scale), scale)
    below = np.nonzero(is_inked(drawn_HW3[125:]))
    assert below[0].max() + 125 == pytest.approx(140, abs=3)
    lowest = np.nonzero(is_inked(drawn_HW3[130]))[0]
    assert np.ptp(lowest) == pytest.approx(2 * 40 * np.sqrt(1 - 0.5**2), abs=9)


@pytest.mark.parametrize("size_HW", [(60, 80), SIZE_HW, (750, 1000)])
def test_pictures_keep_their_size_and_the_input_is_unchanged(size_HW):
    mask_HW = np.zeros(size_HW, bool)
    mask_HW[:5, :9], mask_HW[-5:, -9:] = True, True
    regions, thin = find_regions(mask_HW, PX), measure_thin(mask_HW, PX)
    first_HW = mask_HW & (np.arange(size_HW[1]) < 9)
    gap = find_gap(first_HW, mask_HW & ~first_HW, PX)
    before_HW3 = grey(size_HW)
    for drawn_HW3 in (
        draw_boxes(before_HW3, regions, PX),
        draw_skeleton(before_HW3, thin, PX),
        draw_gap(before_HW3, gap, PX),
    ):
        assert drawn_HW3.shape == before_HW3.shape
        assert drawn_HW3.dtype == np.uint8
        assert is_inked(drawn_HW3).any()
    assert (before_HW3 == 128).all()


def test_letters_and_lines_grow_with_the_picture(blocks):
    def share(factor):
        masks = [np.kron(mask_HW, np.ones((factor, factor), bool)) for mask_HW in blocks]
        drawn_HW3 = draw_gap(grey(masks[0].shape), find_gap(*masks, PX), PX)
        return is_inked(drawn_HW3).mean()

    assert share(6) == pytest.approx(share(3), rel=0.35)


def label_windows(regions, used_HW):
    """Whether each pixel has a label of the boxes."""
    before_HW = used_HW.copy()
    draw_boxes(grey(), regions, PX, used_HW)
    return used_HW & ~before_HW


def test_a_label_without_room_above_its_box_moves_to_another_side():
    mask_HW = np.zeros(SIZE_HW, bool)
    mask_HW[100:110, 100:120], mask_HW[112:116, 100:108] = True, True
    regions = find_regions(mask_HW, PX)
    first_HW = label_windows(regions[:1], np.zeros(SIZE_HW, bool))
    second_HW = label_windows(regions, np.zeros(SIZE_HW, bool)) & ~first_HW
    assert first_HW.any()
    assert second_HW.any()


def test_where_no_side_has_room_the_larger_region_is_labelled():
    mask_HW = np.zeros(SIZE_HW, bool)
    mask_HW[100:110, 100:120], mask_HW[112:116, 100:108] = True, True
    regions = find_regions(mask_HW, PX)
    used_HW = np.ones(SIZE_HW, bool)
    used_HW[82:99] = False  # a strip with room for one label
    both = draw_boxes(grey(), regions, PX, used_HW.copy())
    first = draw_boxes(grey(), regions[:1], PX, used_HW.copy())
    np.testing.assert_array_equal(both[:99], first[:99])


def test_the_scale_has_a_round_length_in_the_unit_of_the_picture():
    scale = PixelSize.square("mm", 0.5)
    drawn_HW3 = draw_length(grey(), scale)
    inked_HW = is_inked(drawn_HW3)
    (columns,) = np.nonzero(inked_HW[232])  # 20 mm are 40 px: a quarter of 160 mm, rounded down
    assert (columns.min(), columns.max()) == pytest.approx((8, 48), abs=3)
    assert inked_HW[200:228].any()
    np.testing.assert_array_equal(draw_length(grey(), PX), grey())


def test_without_figures_the_picture_is_unchanged():
    empty = measure_thin(np.zeros(SIZE_HW, bool), PX)
    np.testing.assert_array_equal(draw_skeleton(grey(), empty, PX), grey())
    np.testing.assert_array_equal(draw_boxes(grey(), [], PX), grey())


def test_labels_of_two_kinds_of_figures_do_not_lie_over_each_other(blocks):
    """The length of the gap is not written where the area of a box is."""
    used_HW = np.zeros(SIZE_HW, bool)
    draw_boxes(grey(), find_regions(blocks[0], PX), PX, used_HW)
    before_HW = used_HW.copy()
    assert before_HW.any()
    used_HW[:] = True  # no room is left
    gap = find_gap(*blocks, PX)
    without_HW3 = draw_gap(grey(), gap, PX, used_HW)
    with_HW3 = draw_gap(grey(), gap, PX, before_HW)
    assert is_inked(without_HW3).sum() < is_inked(with_HW3).sum()
