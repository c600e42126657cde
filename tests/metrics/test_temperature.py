"""The fitted temperature, against SciPy's minimiser and against what was put in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from maskwright.metrics.temperature import TEMPERATURES, fit_temperature


def nll(temperature, logits_PK, truth_P):
    log_share_PK = log_softmax(logits_PK.astype(np.float64) / temperature, axis=1)
    return -log_share_PK[np.arange(len(truth_P)), truth_P].mean()


def drawn(rng, num_pixels, num_classes, temperature):
    """Logits, and a truth drawn from their softmax at `temperature`."""
    logits_PK = rng.normal(0, 4, (num_pixels, num_classes)).astype(np.float32)
    noise_PK = rng.gumbel(size=logits_PK.shape)
    return logits_PK, (logits_PK / temperature + noise_PK).argmax(axis=1).astype(np.uint8)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 6.0])
def test_the_temperature_that_drew_the_truth_is_found(temperature):
    sample = drawn(np.random.default_rng(1), 60_000, 7, temperature)
    assert fit_temperature(*sample) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("num_classes", [2, 3, 19, 255])
def test_it_is_the_minimum_that_scipy_finds(num_classes):
    sample = drawn(np.random.default_rng(num_classes), 500, num_classes, 1.7)
    found = minimize_scalar(nll, args=sample, bounds=TEMPERATURES, options={"xatol": 1e-9})
    assert fit_temperature(*sample) == pytest.approx(found.x, rel=1e-5)


@given(
    arrays(np.float32, (6, 3), elements=st.floats(-60, 60, width=32)),
    arrays(np.uint8, 6, elements=st.integers(0, 2)),
)
def test_no_temperature_is_better(logits_PK, truth_P):
    found = nll(fit_temperature(logits_PK, truth_P), logits_PK, truth_P)
    for other in np.geomspace(*TEMPERATURES, 40):
        assert found <= nll(other, logits_PK, truth_P) + 1e-6


def test_two_classes_made_by_hand():
    """Logits of (2, 0) that are right three times in four call for log(3), so T = 2 / log 3."""
    logits_PK = np.tile(np.float32([2, 0]), (4, 1))
    found = fit_temperature(logits_PK, np.uint8([0, 0, 0, 1]))
    assert found == pytest.approx(2 / np.log(3))


def test_a_minimum_beyond_the_limits_ends_at_them():
    logits_PK = np.float32([[3, 0], [0, 3]])
    assert fit_temperature(logits_PK, np.uint8([0, 1])) == pytest.approx(TEMPERATURES[0])
    assert fit_temperature(logits_PK, np.uint8([1, 0])) == pytest.approx(TEMPERATURES[1])


def test_equal_logits_keep_the_temperature_at_one():
    assert fit_temperature(np.full((5, 4), 7, np.float32), np.zeros(5, np.uint8)) == 1.0
