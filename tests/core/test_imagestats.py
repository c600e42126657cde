"""Statistics of training images: exact numbers, limits, and the way through JSON."""

import json

import numpy as np
import pytest

from maskwright.core.imagestats import ImageStatistics
from maskwright.core.inputspec import InputSpec

PHOTOGRAPH = InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3)


@pytest.fixture
def learnt():
    dark, light = np.full((40, 60, 3), 51, np.uint8), np.full((50, 80, 3), 102, np.uint8)
    return ImageStatistics.from_images([dark, light], PHOTOGRAPH)


def test_two_flat_images_have_these_statistics(learnt):
    assert learnt.mean == pytest.approx((0.3,) * 3)
    assert learnt.std == learnt.spread == pytest.approx((0.1,) * 3)
    assert learnt.size_HW == (45, 70)


def test_statistics_survive_json(learnt):
    assert ImageStatistics.from_json(json.loads(json.dumps(learnt.to_json()))) == learnt


def test_sides_of_more_than_twice_or_less_than_half_are_another_scale(learnt):
    sizes = [(22, 34), (23, 35), (45, 70), (90, 140), (91, 141), (140, 90)]
    assert [learnt.is_other_scale(size) for size in sizes] == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(("value", "far"), [(0, False), (178, False), (181, True)])
def test_a_mean_beyond_four_spreads_is_another_colour(learnt, value, far):
    image_HW3 = np.full((9, 9, 3), 77, np.uint8)
    image_HW3[..., 2] = value
    assert learnt.is_other_color(image_HW3, PHOTOGRAPH) == far


def test_no_image_is_an_error():
    with pytest.raises(ValueError, match="no image to measure"):
        ImageStatistics.from_images([], PHOTOGRAPH)
