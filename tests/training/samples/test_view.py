"""Views are held against torchvision's crop, resize, rotate and flip, and against cv2 alone."""

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from maskwright.core import IGNORE
from maskwright.training.recipe import AugmentOptions
from maskwright.training.samples.view import View, draw_view

from .options import STILL


def smooth_image(size_HW=(90, 120), channels=3, dtype=np.uint8, largest=255):
    """Values that change slowly, so that methods of interpolation differ little."""
    small = np.random.default_rng(0).uniform(0, largest, (6, 8, channels)).astype(np.float32)
    large = cv2.resize(small, size_HW[::-1], interpolation=cv2.INTER_CUBIC)
    large = np.clip(large.reshape(*size_HW, channels), 0, largest)
    return (np.rint(large) if dtype != np.float32 else large).astype(dtype)


def labels_of(size_HW=(90, 120)):
    return np.random.default_rng(1).integers(0, 9, size_HW).astype(np.uint8)


def view(image_HW, crop_HW, seed=0, **options):
    part = AugmentOptions(**(STILL | options))
    return draw_view(image_HW, crop_HW, part, np.random.default_rng(seed))


def to_tensor(image_HWC):
    return torch.from_numpy(image_HWC.transpose(2, 0, 1).astype(np.float32))


@pytest.mark.parametrize("scale", [2.0, 0.5, 0.25])
def test_scaling_is_that_of_torchvision_by_half_pixel_centres(scale):
    image, labels = smooth_image((96, 128)), labels_of((96, 128))
    size = [round(96 * scale), round(128 * scale)]
    whole = view((96, 128), tuple(size), scale=(scale, scale))
    expected = F.resize(to_tensor(image), size, InterpolationMode.BILINEAR, antialias=True)
    found = whole.sample_image(image, (0.0,) * 3).transpose(2, 0, 1).astype(np.float32)
    difference = np.abs(found - expected.numpy())[:, 4:-4, 4:-4]
    assert difference.mean() < 1.5  # a shift by half a pixel makes 3 to 10
    assert difference.max() < 6
    nearest = F.resize_image(
        torch.from_numpy(labels)[None], size, InterpolationMode.NEAREST_EXACT
    )
    np.testing.assert_array_equal(whole.sample_labels(labels), nearest[0].numpy())


def test_a_rotation_is_that_of_torchvision_about_the_middle():
    image = smooth_image((96, 96))
    seeds = range(40)
    views = [view((96, 96), (48, 48), seed, rotate_deg=30.0) for seed in seeds]
    turned = next(v for v in views if abs(v.matrix[0, 1]) > 0.2)
    angle = float(np.degrees(np.arctan2(turned.matrix[1, 0], turned.matrix[0, 0])))
    middle = turned.matrix @ [24, 24, 1]
    left, top = middle[0] - 48, middle[1] - 48
    moved = F.affine(
        to_tensor(image), 0.0, [-left, -top], 1.0, [0.0, 0.0], InterpolationMode.BILINEAR
    )
    expected = F.center_crop(F.rotate(moved, angle, InterpolationMode.BILINEAR), [48, 48])
    found = turned.sample_image(image, (0.0,) * 3).transpose(2, 0, 1)
    difference = np.abs(found.astype(np.float32) - expected.numpy())
    assert difference[:, 8:-8, 8:-8].max() < 4  # torchvision has no pixels for some corners


def test_flips_turn_image_and_labels_round():
    image, labels = smooth_image((40, 60)), labels_of((40, 60))
    both = view((40, 60), (40, 60), flip_lr=1.0, flip_vertical=1.0)
    np.testing.assert_array_equal(both.sample_image(image, (0.0,) * 3), image[::-1, ::-1])
    np.testing.assert_array_equal(both.sample_labels(labels), labels[::-1, ::-1])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize(
    ("dtype", "largest"), [(np.uint8, 255), (np.uint16, 60_000), (np.float32, 1)]
)
def test_each_band_is_sampled_as_if_it_were_alone(channels, dtype, largest):
    image = smooth_image((60, 80), channels, dtype, largest)
    turned = view((60, 80), (32, 40), 3, scale=(0.6, 1.7), rotate_deg=40.0)
    fill = tuple(float(n) for n in range(channels))
    found = turned.sample_image(image, fill)
    assert found.dtype == dtype
    for band in range(channels):
        alone = turned.sample_image(image[..., band : band + 1], fill[band : band + 1])
        np.testing.assert_allclose(
            found[..., band].astype(float), alone[..., 0].astype(float), atol=largest / 250
        )


def test_an_image_that_shrinks_much_is_averaged_so_that_nothing_aliases():
    checks = np.indices((240, 240)).sum(0) % 2 * 255
    image = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    for scale in (0.45, 0.3, 0.11):
        small = view((240, 240), (20, 20), 1, scale=(scale, scale))
        assert np.abs(small.sample_image(image, (0.0,) * 3).astype(float) - 127.5).max() < 45


def test_outside_of_the_image_are_the_fill_and_ignore():
    image, labels = smooth_image((10, 10)), labels_of((10, 10))
    wide = view((10, 10), (30, 30))
    outside = wide.sample_labels(labels) == IGNORE
    assert int(outside.sum()) == 900 - 100
    assert (wide.sample_image(image, (7.0, 8.0, 9.0))[outside] == [7, 8, 9]).all()
    away = View(np.array([[1, 0, 500], [0, 1, 500], [0, 0, 1.0]]), (4, 5), (10, 10))
    assert (away.sample_labels(labels) == IGNORE).all()
    assert away.sample_image(image, (7.0, 8.0, 9.0)).tolist() == [[[7, 8, 9]] * 5] * 4


def test_perspective_changes_the_scale_across_the_crop_as_much_as_asked():
    image_HW = (400, 400)
    for seed in range(10):
        tilted = view(image_HW, (100, 100), seed, perspective=0.3)
        depth = [float(tilted.matrix[2] @ [x, 50, 1]) for x in (0, 50, 100)]
        assert depth[1] == pytest.approx(1)
        assert max(abs(depth[0] - 1), abs(depth[2] - 1)) <= 0.3 + 1e-9
    labels = np.kron(labels_of((50, 50)), np.ones((8, 8), np.uint8))
    image = np.repeat((20 * labels)[..., None], 3, axis=2)
    found = tilted.sample_image(image, (0.0,) * 3)[..., 0] / 20
    assert (np.rint(found) == tilted.sample_labels(labels)).mean() > 0.75


def test_a_lens_leaves_the_centre_and_moves_the_corners_outwards():
    labels = np.kron(labels_of((12, 16)), np.ones((10, 10), np.uint8))
    image = np.repeat((20 * labels)[..., None], 3, axis=2)
    plain = view((120, 160), (120, 160))
    bent = View(plain.matrix, (120, 160), (120, 160), lens=0.2)
    shown = bent.sample_labels(labels)
    assert shown[60, 80] == labels[60, 80]
    assert shown[0, 0] == IGNORE  # from a point 20 % further out
    # half way to the corner, r = 0.5: from 0.5 (1 + 0.2 * 0.25) = 0.525
    assert shown[30, 40] == labels[int(60 - 30 * 1.05), int(80 - 40 * 1.05)]
    inside = shown != IGNORE
    found = np.rint(bent.sample_image(image, (0.0,) * 3)[..., 0] / 20)
    assert (found == shown)[inside].mean() > 0.75


def test_the_window_of_a_large_image_alone_is_read():
    image = np.zeros((3000, 4000, 3), np.uint8)
    small = view(image.shape[:2], (64, 64), 5, scale=(0.5, 0.5))
    left, top, right, bottom = small._find_box(None)
    assert (right - left) * (bottom - top) < 140**2
