import numpy as np
import pytest

from maskwright.measurement.figures.finite import finite_or_none


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5, 1.5), (float("nan"), None), (np.inf, None), (-np.inf, None)]
)
def test_a_figure_that_does_not_exist_is_none(value, expected):
    assert finite_or_none(value) == expected


def test_the_value_is_a_python_float():
    assert type(finite_or_none(np.float64(2))) is float
