"""The evidence grows by 1 a group where nothing changes, and quickly where something does."""

import numpy as np
import pytest

from maskwright.monitoring.conformal import Evidence, bet, rank_last

COLUMNS = {"image": slice(0, 2), "classes": slice(2, 5)}


def test_a_bet_wins_one_on_average():
    edges = np.geomspace(1e-9, 1, 20_001)
    middles = np.sqrt(edges[1:] * edges[:-1])
    assert (bet(middles) * np.diff(edges)).sum() == pytest.approx(1, abs=0.03)
    assert bet(np.array([1.0, 0.25])) == pytest.approx(
        [0.5, np.mean([e * 0.25 ** (e - 1) for e in np.arange(1, 10) / 10])]
    )


def test_ranks_by_hand():
    values = np.array([[1.0, 5.0, 2.0], [2.0, 4.0, 2.0], [3.0, 3.0, 2.0], [2.0, 9.0, 2.0]])
    assert rank_last(values, 0.5).tolist() == [(1 + 0.5 * 2) / 4, 0.5 / 4, 2 / 4]


def test_ranks_of_exchangeable_groups_are_uniform_and_do_not_depend_on_each_other():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        groups = rng.standard_t(2, size=(60, 1)).round(1)  # with ties
        found.append([rank_last(groups[:k], 1 - rng.random())[0] for k in range(31, 61)])
    ranks = np.array(found)
    counts, _ = np.histogram(ranks, 10, (0, 1))
    assert ((counts - 180) ** 2 / 180).sum() < 21.7  # chi-squared of 9, 1 %
    assert abs(np.corrcoef(ranks[:, :-1].ravel(), ranks[:, 1:].ravel())[0, 1]) < 0.06


def reference_evidence(groups, num_reference, chances):
    """The definition, by loops."""
    up, down, far = np.zeros(5), np.zeros(5), np.zeros(2)
    for index, chance in enumerate(chances):
        known = groups[: num_reference + index + 1]
        size = len(known)
        for column in range(5):
            values = known[:, column]
            p = ((values > values[-1]).sum() + chance * (values == values[-1]).sum()) / size
            up[column] = (1 + up[column]) * bet(np.array(p))
            down[column] = (1 + down[column]) * bet(np.array(1 - p))
        for number, at in enumerate(COLUMNS.values()):
            part = known[:, at]
            scores = (((part - part.mean(0)) / part.std(0)) ** 2).sum(1)
            p = ((scores > scores[-1]).sum() + chance * (scores == scores[-1]).sum()) / size
            far[number] = (1 + far[number]) * bet(np.array(p))
    halves = [np.concatenate([up[at], down[at]]).mean() for at in COLUMNS.values()]
    return np.mean([(half + one) / 2 for half, one in zip(halves, far, strict=True)])


def test_the_evidence_is_that_of_its_definition():
    rng = np.random.default_rng(1)
    groups, chances = rng.normal(size=(52, 5)), 1 - rng.random(12)
    groups[40:, 3] += 4
    found = Evidence(COLUMNS, groups[:40], 40)
    for group, chance in zip(groups[40:], chances, strict=True):
        found.add(group, chance)
    assert found.weigh() == pytest.approx(reference_evidence(groups, 40, chances))
    assert found.weigh() > 12
    assert max(found.weigh_families(), key=found.weigh_families().get) == "classes"


def test_without_a_change_the_limit_is_reached_no_more_often_than_promised():
    rng = np.random.default_rng(2)
    limit, length, num = 100.0, 40, 150
    cries = 0
    for _ in range(num):
        found = Evidence(COLUMNS, rng.normal(size=(40, 5)), 40)
        largest = 0.0
        for _ in range(length):
            found.add(rng.normal(size=5), 1 - rng.random())
            largest = max(largest, found.weigh())
        cries += largest >= limit
    assert 1 <= cries <= num * length / limit  # Doob: at most 40 % of the runs


def test_a_constant_number_that_stays_constant_is_no_evidence():
    found = Evidence({"image": slice(0, 1)}, np.full((40, 1), 0.3), 40)
    rng = np.random.default_rng(3)
    for _ in range(50):
        found.add(np.array([0.3]), 1 - rng.random())
    assert found.weigh() < 500
    for _ in range(10):
        found.add(np.array([0.4]), 1 - rng.random())
    assert found.weigh() > 1e4


def test_after_an_alarm_the_groups_that_ended_it_stay_and_those_of_the_change_go():
    rng = np.random.default_rng(4)
    reference, good = rng.normal(size=(40, 5)), rng.normal(size=(10, 5))
    found = Evidence(COLUMNS, reference, 40)
    for _ in range(12):
        found.add(rng.normal(5, 1, size=5), 1 - rng.random())
    found.end_alarm(good)
    assert found.weigh() == 0
    assert (found.groups_GF == np.concatenate([reference, good])).all()
    found.add(rng.normal(5, 1, size=5), 1 - rng.random())
    found.end_alarm(good)
    assert (found.groups_GF == np.concatenate([reference, good, good])).all()
    found.begin_again()
    assert (found.groups_GF == reference).all()


def count_alarms(end_alarm, num, limit=60.0):
    """Alarms of streams with a class that the reference has not; each is over in ten groups."""
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(num):
        groups, left = rng.normal(size=(190, 5)), 0
        is_there = (rng.random(190) < 0.4) & (np.arange(190) >= 40)
        groups[:, 3] = np.where(is_there, rng.uniform(1, 2, size=190), 0)
        evidence = Evidence(COLUMNS, groups[:40], 40)
        for index in range(40, 190):
            if left:
                left -= 1
                if not left:
                    end_alarm(evidence, groups[index - 9 : index + 1])
                continue
            evidence.add(groups[index], 1 - rng.random())
            if evidence.weigh() >= limit:
                found, left = found + 1, 10
    return found


def test_a_class_that_comes_for_the_first_time_is_no_alarm_again_and_again():
    known = count_alarms(Evidence.end_alarm, 8)
    forgotten = count_alarms(lambda evidence, good: evidence.begin_again(), 8)
    assert 8 <= known <= 16
    assert forgotten >= 1.5 * known
