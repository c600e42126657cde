from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.core.errors import DataError
from maskwright.data.georef.geodesic import metric_size
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.data.georef.placement import Placement
from maskwright.data.georef.units import Unit

NORTH_UP = (0.5, 0.0, 733601.0, 0.0, -0.25, 3725139.0)


def placement(affine=NORTH_UP, *, epsg=32616, metres=1.0):
    return Placement(affine=affine, epsg=epsg, unit=Unit(metres), origin=Path("a.tif"))


def test_the_corner_and_the_scale_of_a_map_with_north_up():
    found = placement()
    assert found.to_ground([[0, 0], [2, 4]]).tolist() == [
        [733601.0, 3725139.0],
        [733602.0, 3725138.0],
    ]
    assert metric_size(found) == PixelSize("m", (0.25, 0.5))
    assert metric_size(placement(metres=0.3048)).pixel_HW == pytest.approx((0.0762, 0.1524))


@settings(deadline=None)
@given(st.floats(0, 6.28), st.floats(0.01, 100), st.floats(0.01, 100))
def test_pixels_come_back_from_the_ground_and_a_turned_grid_keeps_its_size(angle, wide, high):
    cosine, sine = np.cos(angle), np.sin(angle)
    affine = (wide * cosine, high * sine, 500.0, wide * sine, -high * cosine, -70.0)
    found = placement(tuple(map(float, affine)))
    points = np.array([[0, 0], [3.5, 7], [100, 2]])
    np.testing.assert_allclose(found.to_pixels(found.to_ground(points)), points, atol=1e-6)
    np.testing.assert_allclose(metric_size(found).pixel_HW, (high, wide))


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        ((1.0, 0.5, 0.0, 0.0, 1.0, 0.0), "skews the pixels; resample the map"),
        ((0.0, 0.0, 0.0, 0.0, 1.0, 0.0), "gives no pixel size"),
        ((float("nan"), 0.0, 0.0, 0.0, 1.0, 0.0), "gives no pixel size"),
    ],
)
def test_a_grid_that_is_not_a_grid_is_refused(affine, message):
    with pytest.raises(DataError, match=message):
        metric_size(placement(affine))
