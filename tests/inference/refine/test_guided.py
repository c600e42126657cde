"""The guided filter agrees with the paper's equations window by window, and with OpenCV."""

import cv2
import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.labels import LabelSpec
from maskwright.core.logits import Logits
from maskwright.inference.refine.guided import Config, GuidedFilter
from maskwright.inference.refiner import Refinement, SourceImage
from maskwright.inference.resolution import decide, planes

LABELS = LabelSpec.from_names(("a", "b", "c"))


def by_windows(image_HWC, plane_HW, valid_HW, config):
    """Eq. 14 to 16 with explicit windows, float64; eq. 5 and 6 follow for one channel."""
    height, width, channels = image_HWC.shape
    plane_HW = plane_HW.astype(np.float64)
    color = image_HWC / (255 if image_HWC.dtype == np.uint8 else 65_535)
    slopes, offsets = np.zeros(color.shape), np.zeros((height, width))

    def window(y, x):
        r = config.radius_px
        return slice(max(0, y - r), y + r + 1), slice(max(0, x - r), x + r + 1)

    for y, x in zip(*np.nonzero(valid_HW), strict=True):
        at = window(y, x)
        inside = valid_HW[at]
        i, p = color[at][inside], plane_HW[at][inside]
        spread = np.cov(i.T, bias=True).reshape(channels, channels)
        together = (i * p[:, None]).mean(axis=0) - i.mean(axis=0) * p.mean()
        slopes[y, x] = np.linalg.solve(spread + config.epsilon * np.eye(channels), together)
        offsets[y, x] = p.mean() - slopes[y, x] @ i.mean(axis=0)
    filtered = np.zeros((height, width))
    for y, x in zip(*np.nonzero(valid_HW), strict=True):
        at = window(y, x)
        inside = valid_HW[at]
        slope, offset = slopes[at][inside].mean(axis=0), offsets[at][inside].mean()
        filtered[y, x] = slope @ color[y, x] + offset
    return filtered


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_it_is_that_of_the_paper_also_beside_pixels_without_data(channels, dtype):
    rng = np.random.default_rng(channels)
    image_HWC = rng.integers(0, np.iinfo(dtype).max, (14, 17, channels), dtype=dtype)
    plane_HW = rng.random((14, 17), np.float32)
    valid_HW = rng.random((14, 17)) > 0.1
    config = Config(radius_px=3, epsilon=0.01)
    found = GuidedFilter(image_HWC, valid_HW, config).filter(plane_HW)
    expected = by_windows(image_HWC, plane_HW, valid_HW, config)
    np.testing.assert_allclose(found[valid_HW], expected[valid_HW], atol=1e-9)


@pytest.mark.skipif(not hasattr(cv2, "ximgproc"), reason="OpenCV without its extra modules")
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_that_of_opencv_inside(channels):
    rng = np.random.default_rng(0)
    image_HWC = rng.integers(0, 256, (60, 70, channels), dtype=np.uint8)
    plane_HW = rng.random((60, 70), np.float32)
    config = Config(radius_px=4, epsilon=0.01)
    found = GuidedFilter(image_HWC, np.ones((60, 70), bool), config).filter(plane_HW)
    guide = (image_HWC / 255).astype(np.float32)
    theirs = cv2.ximgproc.guidedFilter(guide, plane_HW, config.radius_px, config.epsilon)
    inside = slice(8, -8), slice(8, -8)
    np.testing.assert_allclose(found[inside], theirs[inside], atol=1e-5)


def test_two_pixels_by_hand():
    """One window of 0 and 1 whose variance is 1/4: the slope is 0.25 / (0.25 + 0.25)."""
    image_HWC = np.array([[[0], [255]]], np.uint8)
    plane_HW = np.array([[0.0, 1.0]], np.float32)
    guide = GuidedFilter(image_HWC, np.ones((1, 2), bool), Config(radius_px=1, epsilon=0.25))
    np.testing.assert_allclose(guide.filter(plane_HW), [[0.25, 0.75]], atol=1e-12)


def test_filtered_shares_sum_to_one_before_anything_is_cut_off():
    rng = np.random.default_rng(0)
    image_HWC = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    decision = decide(Logits.of_image(rng.normal(size=(3, 5, 8)).astype(np.float32), (20, 30)))
    guide = GuidedFilter(image_HWC, np.ones((20, 30), bool), Config())
    shares = (decision.shares(p) for p in planes(decision.logits))
    np.testing.assert_allclose(sum(map(guide.filter, shares)), 1, atol=1e-6)


def test_coarse_shares_move_to_the_edge_of_the_image():
    truth_HW = np.zeros((48, 64), np.uint8)
    truth_HW[:, 27:] = 1
    image_HWC = np.repeat((60 + 120 * truth_HW)[..., None], 3, axis=2).astype(np.uint8)
    coarse_KHW = np.stack(
        [
            cv2.resize(np.float32(truth_HW == k), (8, 6), interpolation=cv2.INTER_AREA)
            for k in range(3)
        ]
    )
    decision = decide(Logits.of_image(4 * coarse_KHW, (48, 64)))
    refined = Refinement.from_text("guided", LABELS)(decision, SourceImage(image_HWC))
    wrong = [(d.labels_HW != truth_HW).mean() for d in (decision, refined)]
    assert wrong[0] > 0.005
    assert wrong[1] == 0


def test_an_image_neither_grey_nor_rgb_is_refused():
    decision = decide(Logits.of_image(np.zeros((3, 4, 4), np.float32), (4, 4)))
    with pytest.raises(DataError, match=r"a\.png: image is \(4, 4, 5\), the guided filter"):
        Refinement.from_text("guided", LABELS)(
            decision, SourceImage(np.zeros((4, 4, 5), np.uint8), where="a.png")
        )
