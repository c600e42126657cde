"""Risk: the loss itself is tested, and the test is wrong no more often than it says."""

import numpy as np
import pytest

from maskwright.core.confusion import Confusion
from maskwright.core.errors import DataError
from maskwright.monitoring.risk import bound_mean, judge_risk, measure_loss, measure_period


def draw(mean, num, seed):
    return np.random.default_rng(seed).beta(5 * mean, 5 * (1 - mean), num).tolist()


def test_the_loss_of_an_image_by_hand():
    # classes 0 and 1: IoU 2 / 3 and 1 / 2
    assert measure_loss(Confusion(np.array([[2, 0], [1, 1]]))) == pytest.approx(5 / 12)
    assert measure_loss(Confusion.zero(2)) == 0


def test_the_bound_is_that_of_maurer_and_pontil():
    values = [0.0, 1.0] * 50
    spread, log = 25 / 99, np.log(2 / 0.05)
    expected = 0.5 + np.sqrt(2 * spread * log / 100) + 7 * log / (3 * 99)
    assert bound_mean(values, 0.05) == pytest.approx(expected)


def test_a_risk_within_the_limit_is_seldom_an_alarm_and_a_rise_is_found():
    calm = [judge_risk(draw(0.3, 200, k), draw(0.3, 400, 1000 + k)).alarm_at for k in range(60)]
    assert sum(each is not None for each in calm) <= 3
    risen = [judge_risk(draw(0.3, 200, k), draw(0.6, 400, 2000 + k)) for k in range(10)]
    assert all(each.alarm_at is not None and each.alarm_at < 120 for each in risen)
    assert risen[0].wealth > 1
    assert risen[0].current == pytest.approx(0.6, abs=0.03)
    assert risen[0].limit > risen[0].reference + 0.05


def test_even_at_the_limit_itself_alarms_are_within_alpha():
    reference = draw(0.3, 100, 0)
    limit = judge_risk(reference, []).limit
    rng = np.random.default_rng(1)
    cries = [
        judge_risk(reference, (rng.random(300) < limit).astype(float).tolist()).alarm_at
        for _ in range(200)
    ]
    assert sum(each is not None for each in cries) <= 9  # 2.5 % of 200 are 5


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(DataError, match="5 losses of the 30"):
        judge_risk([0.1] * 5, [])
    with pytest.raises(DataError, match=r"1 losses are not in \[0, 1\], such as 2"):
        judge_risk([0.1] * 30, [2.0])
    with pytest.raises(DataError, match="no image with truth"):
        measure_period([])


def test_the_miou_of_a_period_is_that_of_all_pixels_with_an_interval():
    rng = np.random.default_rng(2)
    images = []
    for _ in range(40):
        wrong = rng.integers(0, 30)
        images.append(Confusion(np.array([[100 - wrong, wrong], [5, 60]])))
    found = measure_period(images)
    total = sum((one for one in images), start=Confusion.zero(2)).counts_CC
    hit = np.diag(total)
    assert found.miou == pytest.approx((hit / (total.sum(0) + total.sum(1) - hit)).mean())
    low, high = found.interval
    assert low < found.miou < high
    assert high - low < 0.06
    assert measure_period(images[:1]).interval == (0, 1)
