"""The early warning: cumulative sums, and the limit that the reference gives them."""

import numpy as np
import pytest

from maskwright.monitoring.cusum import Sums, choose_limit


def test_sums_by_hand():
    sums = Sums(np.array([10.0, 0.0]), np.array([2.0, np.inf]), 4.0)
    for value in (12.0, 13.0, 30.0, 9.0):
        sums.add(np.array([value, 7.0]))
    # z is 1, 1.5, 10 cut at 3, -0.5; a number that never varied counts for nothing
    assert sums.of_columns_2F.tolist() == [[0.5 + 1 + 2.5 - 1, 0], [0, 0]]
    assert sums.weigh() == 3
    sums.begin_again()
    assert sums.weigh() == 0


def test_the_limit_of_independent_normal_numbers_is_that_of_the_tables():
    # Montgomery 2013, table 9.3: k = 0.5, two-sided, 168 groups between false cries at h = 4
    reference = np.random.default_rng(0).normal(size=(4000, 1))
    limit = choose_limit(reference, 168, np.random.default_rng(1))
    assert limit == pytest.approx(4, abs=0.35)


def test_a_short_reference_and_more_numbers_ask_for_a_higher_limit():
    rng = np.random.default_rng(2)
    long, short, many = (rng.normal(size=shape) for shape in ((600, 9), (30, 9), (600, 40)))
    found = [choose_limit(one, 150, np.random.default_rng(1)) for one in (long, short, many)]
    assert found[0] + 0.8 < min(found[1:])


@pytest.mark.parametrize(("shift", "most"), [(1.0, 22), (2.0, 8), (-2.0, 8)])
def test_a_shift_is_found_in_few_groups(shift, most):
    rng = np.random.default_rng(3)
    sums = Sums.calibrate(rng.normal(size=(200, 4)), 200, np.random.default_rng(1))
    groups = 0
    while sums.weigh() < sums.limit:
        sums.add(rng.normal(size=4) + np.array([shift, 0, 0, 0]))
        groups += 1
    assert groups <= most


def test_groups_that_are_all_alike_warn_of_nothing():
    same_GF = np.full((60, 3), 0.25)
    sums = Sums.calibrate(same_GF, 1000, np.random.default_rng(0))
    sums.add(same_GF[0])
    assert sums.limit == 0.5
    assert sums.weigh() == 0.0
