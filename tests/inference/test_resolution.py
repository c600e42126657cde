"""Source resolution to network resolution and back, against torch and SciPy-free arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.core import InputSpec
from maskwright.core.logits import Logits
from maskwright.inference import resolution
from maskwright.inference.resolution import decide, planes, to_network


def spec(channels=3, **choices):
    return InputSpec(
        channels=channels, mean=(0.5,) * channels, std=(0.25,) * channels, **choices
    )


def decided(logits_Khw, size_HW):
    decision = decide(Logits.of_image(logits_Khw, size_HW))
    return decision.labels_HW, decision.confidence_HW


def test_an_image_of_full_scale_is_only_normalised():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    expected = spec().measure_scaling(image).normalize(image)
    np.testing.assert_array_equal(to_network(image, spec()), expected)


def test_half_scale_is_the_mean_of_four_pixels():
    image = np.array([[[0], [40]], [[80], [120]]], np.uint8)
    x_CHW = to_network(image, spec(1, scale_ratio=0.5))
    np.testing.assert_allclose(x_CHW, [[[(60 / 255 - 0.5) / 0.25]]], rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_16_bit_images_of_any_number_of_channels_are_resized(channels):
    image = np.full((9, 13, channels), 65535, np.uint16)
    x_CHW = to_network(image, spec(channels, scale_ratio=0.3, max_value=65535))
    assert x_CHW.shape == (channels, 3, 4)
    np.testing.assert_allclose(x_CHW, 2.0, atol=1e-4)


@given(arrays(np.float32, (4, 3, 5), elements=st.floats(-50, 50, width=32)))
def test_the_decision_is_argmax_and_softmax(logits_KHW):
    labels_HW, confidence_HW = decided(logits_KHW, (3, 5))
    share_KHW = np.exp(logits_KHW.astype(np.float64))
    share_KHW /= share_KHW.sum(axis=0)
    np.testing.assert_array_equal(labels_HW, logits_KHW.argmax(axis=0))
    np.testing.assert_allclose(confidence_HW, share_KHW.max(axis=0), rtol=1e-5)
    assert (labels_HW.dtype, confidence_HW.dtype) == (np.uint8, np.float32)


@pytest.mark.parametrize("size_HW", [(11, 17), (24, 40), (7, 1), (12, 20)])
def test_enlarged_logits_are_those_of_torch(size_HW):
    torch = pytest.importorskip("torch")
    logits_Khw = np.random.default_rng(1).normal(size=(3, 6, 10)).astype(np.float32)
    labels_HW, confidence_HW = decided(logits_Khw, size_HW)
    larger_1KHW = torch.nn.functional.interpolate(
        torch.from_numpy(logits_Khw)[None], size=size_HW, mode="bilinear", align_corners=False
    )
    expected = larger_1KHW[0].softmax(0).max(0)
    assert (labels_HW != expected.indices.numpy()).mean() < 0.01  # ties within rounding
    np.testing.assert_allclose(confidence_HW, expected.values.numpy(), atol=1e-5)


def test_logits_are_enlarged_and_not_the_decision():
    """A lead of 3 that falls to -1 ends at five of eight pixels, not in the middle."""
    lead_Khw = np.array([[[3, -1]], [[0, 0]]], np.float32)
    labels_HW, _ = decided(lead_Khw, (1, 8))
    assert labels_HW.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]


def test_of_equal_scores_the_lower_index_wins():
    labels_HW, confidence_HW = decided(np.zeros((4, 2, 2), np.float32), (2, 2))
    assert not labels_HW.any()
    np.testing.assert_allclose(confidence_HW, 0.25)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_numbers_have_no_confidence(bad):
    logits_KHW = np.zeros((2, 1, 2), np.float32)
    logits_KHW[1, 0, 1] = bad
    _, confidence_HW = decided(logits_KHW, (1, 2))
    np.testing.assert_array_equal(np.isnan(confidence_HW), [[False, True]])
    _, confidence_HW = decided(logits_KHW, (3, 8))
    assert np.isnan(confidence_HW[:, -2:]).all()


@given(
    arrays(np.float32, (4, 3, 5), elements=st.floats(-60, 60, width=32)),
    st.floats(0.05, 20),
)
def test_a_temperature_divides_the_logits_and_leaves_the_labels(logits_KHW, temperature):
    logits = Logits.of_image(logits_KHW, (3, 5))
    one, other = decide(logits), decide(logits, temperature=temperature)
    np.testing.assert_array_equal(one.labels_HW, other.labels_HW)
    share_KHW = np.exp((logits_KHW - logits_KHW.max(axis=0)) / np.float64(temperature))
    expected = 1 / share_KHW.sum(axis=0)
    np.testing.assert_allclose(other.confidence_HW, expected, rtol=1e-4)


def test_logits_that_division_would_make_equal_keep_their_order():
    low = np.float32(1e-45)
    logits_KHW = np.array([[[0]], [[low]]], np.float32)
    assert np.float32(low / 20) == 0
    logits = Logits.of_image(logits_KHW, (1, 1))
    assert decide(logits, temperature=20).labels_HW.tolist() == [[1]]


@pytest.mark.parametrize("size_HW", [(6, 10), (11, 17)])
def test_a_decision_gives_the_share_of_every_class(size_HW):
    logits_Khw = np.random.default_rng(2).normal(0, 9, (5, 6, 10)).astype(np.float32)
    logits = Logits.of_image(logits_Khw, size_HW)
    decision = decide(logits, temperature=2.5)
    share_KHW = [
        np.exp((plane_HW - decision.best_HW) / decision.temperature) * decision.confidence_HW
        for plane_HW in planes(logits)
    ]
    np.testing.assert_allclose(np.sum(share_KHW, axis=0), 1, rtol=1e-5)
    np.testing.assert_array_equal(np.argmax(share_KHW, axis=0), decision.labels_HW)


@pytest.mark.parametrize(
    ("size_HW", "extent_hw"),
    [((50, 33), None), ((200, 132), None), ((190, 130), (47.5, 32.5)), ((70, 20), (49.3, 30))],
)
def test_strips_of_rows_decide_as_the_whole_image_does(monkeypatch, size_HW, extent_hw):
    rng = np.random.default_rng(5)
    values_Khw = rng.normal(size=(7, 50, 33)).astype(np.float32)
    logits = Logits.of_image(values_Khw, size_HW, extent_hw)
    whole = decide(logits, temperature=0.7)
    monkeypatch.setattr(resolution, "_STRIP_LOGITS", 700)
    strips = decide(logits, temperature=0.7)
    np.testing.assert_array_equal(strips.labels_HW, whole.labels_HW)
    for name in ("confidence_HW", "best_HW"):  # OpenCV sums in another order in other shapes
        np.testing.assert_allclose(getattr(strips, name), getattr(whole, name), atol=1e-5)
