import numpy as np
import pytest
import torch

from maskwright.data.synth.streets import draw_street
from maskwright.training.recipe import WeatherOptions
from maskwright.training.samples.weather import KINDS, Weather, apply_weather


@pytest.fixture(scope="module")
def street():
    image_HW3, _ = draw_street((96, 128), seed=0, number=7)
    return torch.from_numpy(image_HW3).permute(2, 0, 1) / 255


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_any_number_of_channels_stays_in_range(kind, channels):
    image = torch.rand(channels, 40, 33)
    out = apply_weather(kind, image, 1.0, np.random.default_rng(0))
    assert out.shape == image.shape
    assert out.dtype == torch.float32
    assert 0 <= out.min() <= out.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_weather_and_another_seed_another(kind, street):
    first, again, other = (
        apply_weather(kind, street, 0.7, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_stronger_weather_changes_more(kind, street):
    def change(strength):
        seeds = range(6)
        views = [apply_weather(kind, street, strength, np.random.default_rng(s)) for s in seeds]
        return float(np.mean([(v - street).abs().mean() for v in views]))

    assert 0.005 < change(0.3) < change(1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_moves(kind, seed):
    """A bright half stays where it is: the label of the pixel beside the edge stays right."""
    image = torch.zeros(3, 64, 64)
    image[:, :, 32:] = 0.8
    out = apply_weather(kind, image, 0.6, np.random.default_rng(seed)).mean(0)
    columns = out.median(0).values
    steps = columns.diff()
    assert abs(int(steps.argmax()) - 31) <= 2


@pytest.mark.parametrize("kind", ["fog", "night"])
def test_one_pixel_images_have_weather_too(kind):
    assert apply_weather(kind, torch.rand(3, 1, 1), 1.0, np.random.default_rng(0)).shape == (
        3,
        1,
        1,
    )


def test_darkness_darkens_and_fog_takes_contrast(street):
    rng = np.random.default_rng(0)
    assert apply_weather("night", street, 1.0, rng).mean() < street.mean() / 2
    assert apply_weather("fog", street, 1.0, rng).std() < street.std() / 2


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
