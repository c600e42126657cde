import numpy as np
import pytest

from maskwright.training.weights import BETA, MAX_RATIO, compute_class_weights

COUNTS = np.array([[80, 20, 0], [100, 0, 0]], np.int64)


def test_none_means_no_weights():
    assert compute_class_weights("none", COUNTS) is None


def test_inverse_frequency_has_mean_one_over_present_classes():
    weights = compute_class_weights("inverse", COUNTS).numpy()
    assert weights[1] / weights[0] == pytest.approx(9.0)
    assert weights[:2].mean() == pytest.approx(1.0)
    assert weights[2] == 1.0


def test_effective_number_of_images_follows_the_paper():
    weights = compute_class_weights("effective", COUNTS).numpy()
    expected = ((1 - BETA) / (1 - BETA**1)) / ((1 - BETA) / (1 - BETA**2))
    assert weights[1] / weights[0] == pytest.approx(expected)


def test_one_stray_pixel_does_not_rule():
    weights = compute_class_weights("inverse", np.array([[10**9, 1]], np.int64)).numpy()
    assert weights[1] / weights[0] == pytest.approx(MAX_RATIO)
