import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.core import IGNORE
from maskwright.core.inputspec import InputSpec
from maskwright.inference.resolution import to_network
from maskwright.training.recipe import AugmentOptions
from maskwright.training.samples.augment import Augmentation

from .options import COLOURLESS, STILL


def augmentation(crop_HW=(32, 32), **part):
    spec = InputSpec(channels=3, mean=(7 / 255,) * 3, std=(0.2,) * 3)
    return Augmentation(options=AugmentOptions(**part), crop_HW=crop_HW, spec=spec)


def painted(size_HW=(40, 50), num_classes=5, block=8):
    """An image whose grey value is 40 times the class of the pixel."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, num_classes, [-(-n // block) for n in size_HW])
    labels = np.kron(small, np.ones((block, block), int))[: size_HW[0], : size_HW[1]]
    labels = labels.astype(np.uint8)
    return np.repeat((40 * labels)[..., None], 3, axis=2), labels


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_labels_follow_the_image_through_scaling_turning_and_flipping(seed):
    image, labels = painted()
    move = augmentation(scale=(0.6, 2.0), rotate_deg=30.0, flip_vertical=0.5, **COLOURLESS)
    out, moved = move(image, labels, np.random.default_rng(seed))
    inside = moved[0] != IGNORE
    far = np.abs(out[..., 0] - 40.0 * moved[0]) > 20
    # Only where two classes meet may a blended image pixel be far from its own class.
    assert far[inside].mean() < 0.3
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4, IGNORE}


def test_no_augmentation_cuts_the_pixels_out_unchanged():
    image, labels = painted((32, 32))
    out, moved = augmentation(**STILL)(image, labels, np.random.default_rng(0))
    np.testing.assert_array_equal(moved[0], labels)
    np.testing.assert_array_equal(out, image)
    assert out.dtype == np.uint8


def test_beyond_the_image_labels_are_ignore_and_the_image_has_the_fill():
    image, labels = painted((16, 16))
    out, moved = augmentation(**STILL)(image, labels, np.random.default_rng(1))
    outside = moved[0] == IGNORE
    assert int(outside.sum()) == 32 * 32 - 16 * 16
    assert (out[outside] == 7).all()


def test_halving_takes_the_nearest_label_without_a_shift():
    labels = np.repeat(np.repeat(np.arange(4, dtype=np.uint8)[None], 4, 0), 2, 1)
    image = np.repeat((60 * labels)[..., None], 3, axis=2)
    half = augmentation((2, 4), **(STILL | {"scale": (0.5, 0.5)}))
    _, moved = half(image, labels, np.random.default_rng(0))
    assert moved[0].tolist() == [[0, 1, 2, 3]] * 2


def test_same_seed_same_pixels_and_another_seed_others():
    image, labels = painted()
    view = augmentation(blur=0.5, noise=0.5, jpeg=0.5)
    first, again, other = (
        view(image, labels, np.random.default_rng(seed))[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_any_number_of_channels_and_16_bits(channels):
    image = np.random.default_rng(0).integers(0, 60_000, (20, 20, channels), dtype=np.uint16)
    view = Augmentation(
        options=AugmentOptions(jpeg=0.0, blur=1.0, noise=1.0),
        crop_HW=(32, 32),
        spec=InputSpec(
            channels=channels, mean=(0.0,) * channels, std=(0.2,) * channels, max_value=65535
        ),
    )
    out, labels = view(image, np.zeros((20, 20), np.uint8), np.random.default_rng(0))
    assert out.shape == (32, 32, channels)
    assert labels.shape == (1, 32, 32)
    assert out.dtype == np.uint16
    assert out.max() > 10_000


def test_the_focus_stays_in_the_crop():
    labels = np.zeros((200, 300), np.uint8)
    labels[150, 250] = 1
    image = np.zeros((200, 300, 3), np.uint8)
    view = augmentation((48, 48), **(STILL | {"scale": (1.0, 1.5)}))
    for seed in range(20):
        _, moved = view(image, labels, np.random.default_rng(seed), (150, 250))
        assert (moved == 1).any()


def in_std(image, spec, seed=0, **part):
    options = AugmentOptions(**(STILL | {"unit": "std"} | part))
    view = Augmentation(options=options, crop_HW=image.shape[:2], spec=spec)
    return view(image, np.zeros(image.shape[:2], np.uint8), np.random.default_rng(seed))[0]


HOUNSFIELD = InputSpec(
    channels=1, kind="ct", window=((-200, 300),), mean=(50,), std=(100,), max_value=65535
)


def test_values_in_std_are_the_input_that_prediction_makes():
    image = np.random.default_rng(0).normal(0, 300, (32, 32, 1)).astype(np.float32)
    expected = HOUNSFIELD.measure_scaling(image).normalize(image)
    # (H, W, C) -> (C, H, W)
    found = in_std(image, HOUNSFIELD).transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(to_network(image, HOUNSFIELD), expected, atol=1e-6)


def test_brightness_in_std_adds_as_much_to_every_pixel_whatever_the_offset_of_the_values():
    image = np.random.default_rng(0).normal(0, 50, (32, 32, 1)).astype(np.float32)
    still = in_std(image, HOUNSFIELD)
    shifts = [(in_std(image, HOUNSFIELD, seed, brightness=0.3) - still) for seed in range(20)]
    assert all(float(shift.std()) < 1e-5 for shift in shifts)
    means = [float(shift.mean()) for shift in shifts]
    assert max(map(abs, means)) <= 0.3
    assert min(means) < -0.1
    assert max(means) > 0.1


def test_contrast_in_std_keeps_the_mean_of_the_crop():
    image = np.random.default_rng(0).normal(80, 50, (32, 32, 1)).astype(np.float32)
    still, changed = (in_std(image, HOUNSFIELD, 3, contrast=c) for c in (0.0, 0.5))
    assert float(changed.mean()) == pytest.approx(float(still.mean()), abs=1e-5)
    assert float(changed.std()) != pytest.approx(float(still.std()), rel=0.01)
