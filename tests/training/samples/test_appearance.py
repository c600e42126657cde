"""Colours are held against torchvision's, where no value is clipped on the way."""

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from maskwright.training.recipe import AugmentOptions
from maskwright.training.samples.appearance import LUMA, change_photograph

from .options import COLOURLESS


def middling(channels=3, dtype=np.uint8, largest=255):
    """Values from 30 to 60 % of the largest: nothing clips."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.3 * largest, 0.6 * largest, (40, 50, channels)).astype(dtype)


def change(image_HWC, seed=0, max_value=255, **options):
    part = AugmentOptions(**(COLOURLESS | options))
    return change_photograph(image_HWC, part, max_value, np.random.default_rng(seed))


def to_tensor(image_HWC):
    return torch.from_numpy(image_HWC.transpose(2, 0, 1).astype(np.float32) / 255)


def draws(seed, *spreads):
    """The factors that `change_photograph` draws; None where it changes no colour."""
    rng = np.random.default_rng(seed)
    if rng.random() >= 0.8:
        return None
    return [rng.uniform(1 - spread, 1 + spread) for spread in spreads]


@pytest.mark.parametrize("seed", range(8))
def test_brightness_contrast_and_saturation_are_those_of_torchvision(seed):
    image = middling()
    found = change(image, seed, brightness=0.2, contrast=0.2, saturation=0.3)
    factors = draws(seed, 0.2, 0.2, 0.3)
    if factors is None:
        np.testing.assert_array_equal(found, image)
        return
    expected = F.adjust_brightness(to_tensor(image), factors[0])
    mean = expected.mean()
    expected = (expected - mean) * factors[1] + mean
    expected = F.adjust_saturation(expected, factors[2])
    difference = found.transpose(2, 0, 1) - 255 * expected.numpy()
    assert np.abs(difference).max() < 1.0


def test_hue_turns_colours_about_grey_and_keeps_their_luma():
    image = middling()
    changed = [change(image, seed, hue=0.1) for seed in range(20)]
    turned = [each for each in changed if (each != image).any()]
    assert 4 < len(turned) < 16
    for each in turned:
        assert np.abs(each @ LUMA - image @ LUMA).max() < 1.5
    grey = np.repeat(middling(1), 3, axis=2)
    for seed in range(6):
        assert np.abs(change(grey, seed, hue=0.5).astype(int) - grey).max() <= 1


def test_a_small_turn_of_hue_is_about_that_of_torchvision():
    image = cv2.GaussianBlur(middling(), (9, 9), 3)
    seed = next(s for s in range(20) if (change(image, s, hue=0.05) != image).any())
    rng = np.random.default_rng(seed)
    if rng.random() < 0.8:
        rng.uniform(size=3)
    rng.random()
    turn = rng.uniform(-0.05, 0.05)
    expected = 255 * F.adjust_hue(to_tensor(image), turn).numpy().transpose(1, 2, 0)
    assert np.abs(change(image, seed, hue=0.05) - expected).mean() < 2


@pytest.mark.parametrize(
    ("channels", "dtype", "largest"),
    [(1, np.uint8, 255), (5, np.uint8, 255), (4, np.uint16, 65535)],
)
def test_any_number_of_bands_gets_one_brightness_and_one_contrast(channels, dtype, largest):
    image = middling(channels, dtype, largest)
    changed = change(image, 1, largest, brightness=0.2, contrast=0.2)
    assert changed.dtype == dtype
    gain, contrast = draws(1, 0.2, 0.2)
    mean = gain * float(image.mean())
    expected = (gain * image.astype(float) - mean) * contrast + mean
    np.testing.assert_allclose(changed, expected, atol=1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_noise_has_no_mean_and_the_standard_deviation_that_was_drawn(channels):
    image = np.full((200, 200, channels), 128, np.uint8)
    for seed in range(5):
        difference = change(image, seed, noise=1.0).astype(float) - 128
        assert abs(difference.mean()) < 0.1
        assert 0.005 * 255 - 0.4 < difference.std() < 0.03 * 255 + 0.4


def test_noise_of_16_bits_and_the_ends_of_the_range():
    image = np.full((50, 50, 2), 65535, np.uint16)
    changed = change(image, 0, 65535, noise=1.0)
    assert changed.max() == 65535
    assert 0.45 < (changed < 65535).mean() < 0.55
    black = change(np.zeros((50, 50, 3), np.uint8), 0, noise=1.0)
    assert black.min() == 0
    assert black.max() > 0


def test_jpeg_leaves_its_traces_on_one_and_three_bands():
    for channels in (1, 3):
        image = middling(channels)
        changed = change(image, 0, jpeg=1.0)
        assert changed.shape == image.shape
        assert 0 < np.abs(changed.astype(int) - image).mean() < 25
