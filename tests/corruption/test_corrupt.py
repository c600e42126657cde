import io

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import color, filters

from maskwright.core.errors import ConfigError, UnknownNameError
from maskwright.corruption import blur, digital, geometry, noise, planes, weather
from maskwright.corruption.corrupt import (
    CAMERA,
    IMAGENET_C,
    KINDS,
    SEVERITIES,
    corrupt,
    corrupt_sample,
)


def draw_image(size_HW=(48, 64), channels=3, seed=0):
    """Smooth structure with an edge, float32 in 0..1."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((6, 8, channels), np.float32)
    image = np.atleast_3d(cv2.resize(coarse, size_HW[::-1], interpolation=cv2.INTER_LINEAR))
    image[size_HW[0] // 2 :, : size_HW[1] // 3] *= 0.3
    return image.astype(np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_benchmark_has_its_fifteen_corruptions():
    assert len(IMAGENET_C) == 15
    assert set(CAMERA) == {"gain", "color_temperature", "crop_shift"}
    assert set(KINDS) == {*IMAGENET_C, *CAMERA}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("channels", "dtype"), [(3, np.uint8), (1, np.uint8), (6, np.uint16), (4, np.float32)]
)
def test_any_bands_and_type_keep_their_shape_and_follow_the_seed(kind, channels, dtype):
    image = draw_image((37, 50), channels)
    white = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    image = (image * white).astype(dtype)
    before = image.copy()
    first = corrupt(image, kind, 3, rng(1))
    assert first.shape == image.shape
    assert first.dtype == dtype
    assert first.min() >= 0
    assert first.max() <= white
    assert (image == before).all()
    assert (first == corrupt(image, kind, 3, rng(1))).all()
    assert (first != image).any() or (kind == "color_temperature" and channels == 1)


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"elastic", "glass_blur", "fog", "frost"}))
def test_a_higher_severity_changes_the_image_more(kind):
    image = (draw_image((120, 160)) * 255).astype(np.uint8)
    changes = [
        np.abs(corrupt(image, kind, s, rng(2)).astype(float) - image).mean() for s in SEVERITIES
    ]
    assert changes[4] > changes[2] > changes[0] > 0


def test_the_mildest_gaussian_noise_has_a_deviation_of_008():
    noisy = noise.add_gaussian_noise(np.full((200, 200, 3), 0.5, np.float32), 1, rng())
    assert noisy.std() == pytest.approx(0.08, rel=0.02)


def test_shot_noise_has_the_variance_of_quanta():
    noisy = noise.add_shot_noise(np.full((200, 200, 3), 0.5, np.float32), 3, rng())
    assert noisy.mean() == pytest.approx(0.5, rel=0.02)
    assert noisy.var() == pytest.approx(0.5 / 12, rel=0.03)


def test_impulse_noise_makes_as_many_values_white_as_black():
    noisy = noise.add_impulse_noise(np.full((300, 300, 3), 0.5, np.float32), 5, rng())
    assert (noisy == 1).mean() == pytest.approx(0.135, rel=0.03)
    assert (noisy == 0).mean() == pytest.approx(0.135, rel=0.03)


def test_gaussian_blur_equals_scikit_image():
    image = draw_image(channels=5)
    expected = filters.gaussian(image, sigma=1.1, channel_axis=2)
    assert np.abs(planes.blur_gaussian(image, 1.1) - expected).max() < 2e-6


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.15, 2.5, 4.0])
def test_enlarging_the_middle_equals_scipy(factor):
    image = draw_image((56, 56))
    cut = int(np.ceil(56 / factor))
    top = (56 - cut) // 2
    zoomed = ndimage.zoom(image[top : top + cut, top : top + cut], (factor, factor, 1), order=1)
    trim = (zoomed.shape[0] - 56) // 2
    expected = zoomed[trim : trim + 56, trim : trim + 56]
    assert np.abs(planes.zoom_centre(image, factor) - expected).max() < 0.02  # 1/32 px steps


def test_brightness_is_that_of_hsv():
    image = draw_image()
    hsv = color.rgb2hsv(image)
    hsv[..., 2] = (hsv[..., 2] + 0.3).clip(0, 1)
    changed = weather.raise_brightness(image, 3, rng())
    assert np.abs(changed - color.hsv2rgb(hsv)).max() < 1e-5
    black = weather.raise_brightness(np.zeros((2, 2, 4), np.float32), 2, rng())
    assert black == pytest.approx(0.2)


def test_contrast_keeps_the_mean_of_each_band():
    image = draw_image()
    flat = digital.lower_contrast(image, 5, rng())
    assert flat.mean((0, 1)) == pytest.approx(image.mean((0, 1)), abs=1e-5)
    assert np.abs(flat - flat.mean((0, 1))).max() < 0.06


def test_jpeg_and_pixelation_equal_pillow():
    pixels = (draw_image() * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=7)
    assert (corrupt(pixels, "jpeg", 5, rng()) == np.asarray(Image.open(file))).all()
    box = Image.Resampling.BOX
    small = Image.fromarray(pixels).resize((int(64 * 0.4), int(48 * 0.4)), box)
    expected = np.asarray(small.resize((64, 48), box)).astype(int)
    assert np.abs(corrupt(pixels, "pixelate", 3, rng()).astype(int) - expected).max() <= 1


def test_motion_blur_is_the_weighted_sum_of_shifted_images():
    image = draw_image(channels=1)
    along = np.arange(21)
    weights = np.exp(-(along**2) / 18)
    padded = np.pad(image[..., 0], 20, mode="edge")
    expected = sum(
        w * padded[20 : 20 + 48, 20 + i : 20 + i + 64]
        for w, i in zip(weights / weights.sum(), along, strict=True)
    )
    assert np.abs(blur.blur_line(image, 10, 3, 0.0)[..., 0] - expected).max() < 1e-5


def test_defocus_keeps_a_flat_image_and_spreads_a_point_over_a_disk():
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    spread = blur.blur_defocus(point, 3, rng())[..., 0]
    inside = np.hypot(*np.mgrid[-20:21, -20:21]) <= 4
    assert spread[inside] == pytest.approx(1 / 113, rel=1e-3)  # 113 places within 6 px
    assert spread.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_glass_takes_the_pixels_that_the_published_loop_takes(most):
    height, width = 30, 41
    index = np.arange(height * width).reshape(height, width)
    draw = rng(3)
    for y in range(height - most, most, -1):
        for x in range(width - most, most, -1):
            dx, dy = draw.integers(-most, most, 2)
            index[y, x] = index[y + dy, x + dx]
    assert (blur.draw_near_pixels((height, width), most, rng(3)) == index.ravel()).all()


@pytest.mark.parametrize("sigma", [2.44, 20.0, 170.8])
def test_the_smooth_field_equals_a_gaussian_filter_with_reflection(sigma):
    field = geometry.draw_smooth_field((46, 60), sigma, rng(4))
    drawn = rng(4).uniform(-1, 1, (46, 60)).astype(np.float32)
    expected = ndimage.gaussian_filter(drawn, sigma, mode="reflect", truncate=8)
    assert np.abs(field - expected).max() < 2e-4


def test_plasma_is_between_0_and_1_and_smooth_where_the_decay_is_strong():
    smooth, rough = (weather.draw_plasma(128, decay, rng(5)) for decay in (3.0, 1.4))
    assert smooth.min() == 0
    assert smooth.max() == 1
    steps = [np.abs(np.diff(plasma, axis=0)).mean() for plasma in (smooth, rough)]
    assert steps[1] > 3 * steps[0]


def test_labels_move_with_the_image_and_come_from_nowhere_as_ignore():
    labels = np.tile(np.arange(64, dtype=np.uint8), (48, 1))
    image = np.repeat(labels[..., None] * 4, 3, axis=2)
    for kind in ("elastic", "crop_shift"):
        moved, moved_labels = corrupt_sample(image, labels, kind, 5, rng(6))
        inside = moved_labels != 255
        assert 0.5 < inside.mean() < 1
        difference = moved[..., 0][inside] / 4 - moved_labels[inside]
        assert np.median(np.abs(difference)) < 0.5
    _, same = corrupt_sample(image, labels, "fog", 5, rng(6))
    assert (same == labels).all()


def test_what_cannot_be_corrupted_is_refused():
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(UnknownNameError, match=r"fogg.*fog"):
        corrupt(image, "fogg", 1, rng())
    with pytest.raises(ConfigError, match="severity is 6, expected 1 to 5"):
        corrupt(image, "fog", 6, rng())
    with pytest.raises(ConfigError, match=r"shape \(4, 4\), expected \(H, W, C\)"):
        corrupt(image[..., 0], "fog", 1, rng())
    with pytest.raises(ConfigError, match="type int32"):
        corrupt(image.astype(np.int32), "fog", 1, rng())


@pytest.mark.parametrize("kind", KINDS)
def test_small_and_black_images_are_corrupted_too(kind):
    for size_HW in ((1, 1), (3, 9)):
        for severity in SEVERITIES:
            done = corrupt(np.zeros((*size_HW, 3), np.uint8), kind, severity, rng())
            assert done.shape == (*size_HW, 3)
