import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core.errors import ConfigError
from maskwright.data.georef.pixel_scale import PixelSize, middle_of_mask

SIDES = st.floats(1e-3, 1e3)


def test_without_a_unit_all_figures_are_in_pixels():
    scale = PixelSize.pixels()
    assert (scale.unit, scale.area_unit, scale.pixel_HW) == ("px", "px2", (1.0, 1.0))
    assert scale.area(7) == 7
    assert scale.length((3, 4)) == 5


def test_a_pixel_higher_than_wide():
    scale = PixelSize("mm", (0.5, 0.2))
    assert scale.area_unit == "mm2"
    assert scale.area(10) == pytest.approx(1.0)
    assert scale.length((10, 0)) == pytest.approx(2.0)
    assert scale.length((0, 10)) == pytest.approx(5.0)
    np.testing.assert_allclose(scale.points([[1, 1], [5, 2]]), [[0.2, 0.5], [1.0, 1.0]])


@given(SIDES, st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_square_pixels_scale_every_direction_alike(side, x, y):
    scale = PixelSize.square("m", side)
    assert scale.length((x, y)) == pytest.approx(side * np.hypot(x, y))


@pytest.mark.parametrize("pixel_HW", [(0, 1), (1, -1), (float("nan"), 1), (1, float("inf"))])
def test_a_size_that_is_not_above_zero_is_refused(pixel_HW):
    with pytest.raises(ConfigError, match="give two numbers above 0"):
        PixelSize("mm", pixel_HW)


def test_another_unit_is_refused_with_the_list():
    with pytest.raises(ConfigError, match="unit 'inch' is not one of px, mm, m"):
        PixelSize("inch", (1, 1))


def test_a_size_is_a_scale_that_is_the_same_at_every_place():
    size = PixelSize("mm", (0.5, 0.2))
    assert size.at(0, 0) is size.at(1e4, -3) is size


def test_the_middle_of_a_mask_is_that_of_its_bounding_box():
    mask_HW = np.zeros((6, 9), bool)
    assert middle_of_mask(mask_HW) == (3, 4.5)
    mask_HW[1:3, 4:8] = True
    assert middle_of_mask(mask_HW) == (2, 6)
