import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.gap import find_gap

PX = PixelSize.pixels()
TALL = PixelSize("mm", (0.5, 0.2))
HEIGHT, WIDTH = 7, 9
MAPS = arrays(np.uint8, (HEIGHT, WIDTH), elements=st.sampled_from([0, 0, 0, 1, 2, 255]))


def pixels(*places_YX):
    mask_HW = np.zeros((HEIGHT, WIDTH), bool)
    for y, x in places_YX:
        mask_HW[y, x] = True
    return mask_HW


def naive(a_HW, b_HW, scale):
    """Square to square, over all pairs."""
    steps = np.abs(np.argwhere(a_HW)[:, None] - np.argwhere(b_HW)[None]) - 1
    return np.hypot(*np.moveaxis(np.maximum(steps, 0) * scale.pixel_HW, -1, 0)).min()


@pytest.mark.parametrize(
    ("other_YX", "distance"),
    [((2, 3), 0), ((3, 3), 0), ((2, 4), 1), ((2, 6), 3), ((5, 6), np.hypot(2, 3))],
)
def test_the_distance_is_from_edge_to_edge(other_YX, distance):
    gap = find_gap(pixels((2, 2)), pixels(other_YX), PX)
    assert gap.distance == pytest.approx(distance, abs=0)
    assert gap.touches == (distance == 0)


def test_the_ends_lie_on_the_borders():
    gap = find_gap(pixels((0, 0)), pixels((3, 5)), TALL)
    assert (gap.a_px, gap.b_px) == ((1, 1), (5, 3))
    assert gap.distance == pytest.approx(np.hypot(4 * 0.2, 2 * 0.5))


def test_pixels_that_are_high_decide_which_pair_is_nearest():
    a_HW, b_HW = pixels((0, 0)), pixels((2, 0), (0, 3))
    assert find_gap(a_HW, b_HW, PX).b_px[0] < 3
    assert find_gap(a_HW, b_HW, TALL).b_px == (3, 1)


def test_there_is_no_gap_to_an_empty_mask():
    assert find_gap(pixels(), pixels((1, 1)), PX) is None
    assert find_gap(pixels((1, 1)), pixels(), PX) is None


def test_masks_that_share_a_pixel_touch():
    gap = find_gap(pixels((1, 1), (1, 2)), pixels((1, 2)), PX)
    assert gap.touches
    assert gap.distance == 0


def test_the_gap_between_parallel_borders_is_in_their_middle():
    a_HW, b_HW = np.zeros((2, 21, 10), bool)
    a_HW[:, :3], b_HW[:, 5:] = True, True
    assert find_gap(a_HW, b_HW, PX).a_px == (3, 11)


@settings(deadline=None)
@given(MAPS, st.sampled_from([PX, TALL]))
def test_the_distance_is_that_of_the_nearest_pair_of_squares(labels_HW, scale):
    a_HW, b_HW = labels_HW == 1, labels_HW == 2
    gap = find_gap(a_HW, b_HW, scale)
    if gap is None:
        assert not (a_HW.any() and b_HW.any())
        return
    assert gap.distance == pytest.approx(naive(a_HW, b_HW, scale), abs=1e-12)
    assert gap.touches == (gap.distance == 0)
    ends = np.subtract(gap.b_px, gap.a_px)
    assert scale.length(ends) == pytest.approx(gap.distance)
    turned = find_gap(b_HW, a_HW, scale)
    assert turned.distance == pytest.approx(gap.distance)
    for (x, y), mask_HW in ((gap.a_px, a_HW), (gap.b_px, b_HW)):
        assert np.pad(mask_HW, 1)[y : y + 2, x : x + 2].any()
