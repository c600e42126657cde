import numpy as np
import pytest

from maskwright.corruption.road_weather import KINDS, apply_weather
from maskwright.data.synth.streets import draw_street


@pytest.fixture(scope="module")
def street():
    image_HW3, _ = draw_street((96, 128), seed=0, number=7)
    return (image_HW3 / 255).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_any_number_of_channels_stays_in_range(kind, channels):
    image = np.random.default_rng(1).random((40, 33, channels), np.float32)
    out = apply_weather(kind, image, 1.0, np.random.default_rng(0))
    assert out.shape == image.shape
    assert out.dtype == np.float32
    assert 0 <= out.min() <= out.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_weather_and_another_seed_another(kind, street):
    first, again, other = (
        apply_weather(kind, street, 0.7, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("kind", KINDS)
def test_stronger_weather_changes_more(kind, street):
    def change(strength):
        seeds = range(6)
        views = [apply_weather(kind, street, strength, np.random.default_rng(s)) for s in seeds]
        return float(np.mean([np.abs(v - street).mean() for v in views]))

    assert 0.005 < change(0.3) < change(1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_moves(kind, seed):
    """A bright half stays where it is: the label of the pixel beside the edge stays right."""
    image = np.zeros((64, 64, 3), np.float32)
    image[:, 32:] = 0.8
    out = apply_weather(kind, image, 0.6, np.random.default_rng(seed)).mean(2)
    steps = np.diff(np.median(out, axis=0))
    assert abs(int(steps.argmax()) - 31) <= 2


@pytest.mark.parametrize("kind", ["fog", "night"])
def test_one_pixel_images_have_weather_too(kind):
    image = np.full((1, 1, 3), 0.4, np.float32)
    assert apply_weather(kind, image, 1.0, np.random.default_rng(0)).shape == (1, 1, 3)


def test_darkness_darkens_and_fog_takes_contrast(street):
    rng = np.random.default_rng(0)
    assert apply_weather("night", street, 1.0, rng).mean() < street.mean() / 2
    assert apply_weather("fog", street, 1.0, rng).std() < street.std() / 2
