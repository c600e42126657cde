import numpy as np
import pytest

from maskwright.corruption.road_weather import KINDS
from maskwright.data.synth.streets import draw_street
from maskwright.training.recipe import WeatherOptions
from maskwright.training.samples.weather import Weather


@pytest.fixture(scope="module")
def street():
    image_HW3, _ = draw_street((96, 128), seed=0, number=7)
    return image_HW3


def test_off_by_default_and_on_for_a_share_of_the_crops(street):
    assert Weather(WeatherOptions())(street, np.random.default_rng(0)) is street
    weather = Weather(WeatherOptions(share=0.5))
    same = [weather(street, np.random.default_rng(s)) is street for s in range(60)]
    assert 15 < sum(same) < 45


def test_a_kind_of_no_strength_never_comes(street):
    part = WeatherOptions(share=1.0, rain=0, fog=0, snow=0, glare=0, night=1.0, motion_blur=0)
    for seed in range(5):
        assert Weather(part)(street, np.random.default_rng(seed)).mean() < street.mean()
    none = dict.fromkeys(KINDS, 0.0)
    assert (
        Weather(WeatherOptions(share=1.0, **none))(street, np.random.default_rng(0)) is street
    )
