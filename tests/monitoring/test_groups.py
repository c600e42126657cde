"""Groups of neighbouring images, and how long a stream remembers."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.observation import FAMILIES, Observation
from maskwright.monitoring.groups import (
    Observed,
    average_groups,
    choose_group_size,
    measure_autocorrelation_time,
    to_features,
    to_values,
)


def make_stream(rho, length, seed):
    """An AR(1) process of variance 1: the autocorrelation at lag k is rho^k."""
    rng = np.random.default_rng(seed)
    values = np.empty(length)
    values[0] = rng.normal()
    for k in range(1, length):
        values[k] = rho * values[k - 1] + np.sqrt(1 - rho**2) * rng.normal()
    return values


def observe(values, *, source="a", key="k"):
    families = {name: {"x": 0.0} for name in FAMILIES} | {"image": {"x": float(values)}}
    return Observation(key=key, model="m", source=source, families=families)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_of_a_known_process_is_found(rho):
    times = [measure_autocorrelation_time(make_stream(rho, 4000, seed)) for seed in range(8)]
    assert np.mean(times) == pytest.approx((1 + rho) / (1 - rho), rel=0.15)


def test_a_constant_or_short_series_has_no_memory():
    assert measure_autocorrelation_time(np.ones(50)) == 1
    assert measure_autocorrelation_time(np.arange(3.0)) == 1


def test_groups_are_means_of_neighbours_of_one_source_and_none_is_left_out():
    values = np.arange(10.0)[:, None]
    sources = ["a"] * 3 + ["b"] * 7
    found = average_groups(values, sources, 3)
    assert found[:, 0].tolist() == [1.0, 4.5, 8.0]  # 0 1 2 | 3 4 5 6 | 7 8 9


def test_a_group_is_twice_as_long_as_the_stream_remembers():
    rows = [observe(value) for value in make_stream(0.9, 3000, 0)]
    assert 30 <= choose_group_size(Observed.gather(rows, where="log")) <= 50  # 2 x 19
    rows = [observe(value) for value in make_stream(0.0, 300, 0)]
    assert choose_group_size(Observed.gather(rows, where="log")) == 8


def test_observations_of_another_model_are_refused_with_their_line():
    other = Observation(
        key="k", model="m", source="", families={name: {"y": 0.0} for name in FAMILIES}
    )
    with pytest.raises(DataError, match=r"log: line 2: its image are y, those of line 1 x"):
        Observed.gather([observe(0), other], where="log")
    with pytest.raises(DataError, match="log: holds no observation"):
        Observed.gather([], where="log")


def test_shares_are_compared_as_ratios_and_back():
    shares = np.random.default_rng(0).dirichlet((1, 2, 3), 20)
    features = to_features("classes", shares)
    assert features.sum(axis=1) == pytest.approx(0, abs=1e-12)
    assert features[0, 0] - features[0, 1] == pytest.approx(
        np.log((shares[0, 0] + 1e-3) / (shares[0, 1] + 1e-3))
    )
    assert to_values("classes", features) == pytest.approx(shares)
    assert to_features("image", shares) is shares
