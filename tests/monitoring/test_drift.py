"""Drift is found where there is some, and cried as seldom as is promised."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.observation import FAMILIES, Observation
from maskwright.monitoring.drift import (
    adjust_by_holm,
    compare_observations,
    measure_energy,
)
from maskwright.monitoring.groups import Observed

from .test_groups import make_stream


def energy(one, two):
    """The definition, by loops."""
    mean = [
        np.mean([np.linalg.norm(a - b) for a in first for b in second])
        for first, second in ((one, two), (one, one), (two, two))
    ]
    return 2 * mean[0] - mean[1] - mean[2]


def test_the_distance_is_that_of_szekely_and_rizzo_in_spreads_of_the_reference():
    rng = np.random.default_rng(0)
    one, two = rng.normal(3, 2, (7, 4)), rng.normal(4, 2, (5, 4))
    scale = one.std(axis=0) * np.sqrt(4)
    found, p = measure_energy(one, two, rng, num_permutations=19)
    assert found == pytest.approx(energy(one / scale, two / scale))
    assert p in {k / 20 for k in range(1, 21)}


def test_a_shift_has_the_smallest_p_value_and_equal_sets_the_largest():
    rng = np.random.default_rng(1)
    one = rng.normal(size=(30, 3))
    assert measure_energy(one, one[:10] + 5, rng)[1] == 1 / 1000
    assert measure_energy(one, one.copy(), rng)[1] > 0.5


def test_p_values_of_independent_groups_are_uniform():
    rng = np.random.default_rng(2)
    p_values = np.array(
        [
            measure_energy(
                rng.normal(size=(30, 2)),
                rng.normal(size=(12, 2)),
                rng,
                num_permutations=99,
            )[1]
            for _ in range(400)
        ]
    )
    assert 0.025 <= (p_values <= 0.05).mean() <= 0.08
    assert p_values.mean() == pytest.approx(0.505, abs=0.05)


def test_holm_by_hand():
    found = adjust_by_holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert adjust_by_holm({"a": 0.7, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def make_set(length, seed, *, rho=0.9, shift=0.0, road=0.3, model="m", feature=None):
    light = make_stream(rho, length, seed)
    shares = np.clip(road + 0.05 * make_stream(rho, length, seed + 1000), 0.01, 0.9)
    rows = [
        Observation(
            key=str(k),
            model=model,
            source="cam",
            families={
                "image": {"mean 0": 0.5 + 0.1 * (light[k] + shift)},
                "classes": {"road": shares[k], "sky": 1 - shares[k]},
                "confidence": {"mean": 0.9},
                "shapes": {"border": 0.1},
            }
            | ({} if feature is None else {"encoder": {"feature 1": feature + light[k] / 9}}),
        )
        for k in range(length)
    ]
    return Observed.gather(rows, where="set")


def test_a_darker_stream_is_told_from_one_with_more_road_and_by_how_much():
    reference = make_set(2000, 0)
    dark = compare_observations(reference, make_set(600, 1, shift=-3))
    assert dark.changed == ("image",)
    (effect,) = dark.families["image"].effects
    assert effect.name == "mean 0"
    assert effect.after - effect.before == pytest.approx(-0.3, abs=0.08)
    low, high = effect.interval
    assert low < effect.after - effect.before < high < 0
    road = compare_observations(reference, make_set(600, 2, road=0.5))
    assert road.changed == ("classes",)
    assert dark.group_size >= 20


def test_features_of_the_encoder_tell_what_no_other_number_shows():
    found = compare_observations(make_set(2000, 0, feature=0.0), make_set(600, 1, feature=2.0))
    assert (found.changed, found.left_out) == (("encoder",), ())
    assert [e.name for e in found.families["encoder"].effects] == ["feature 1"]


@pytest.mark.parametrize("other", [{"feature": 2.0, "model": "n"}, {}])
def test_features_of_another_encoder_or_of_one_set_are_not_compared(other):
    found = compare_observations(make_set(2000, 0, feature=0.0), make_set(600, 1, **other))
    assert (found.changed, found.left_out) == ((), ("encoder",))
    assert set(found.families) == set(FAMILIES)


def test_a_stream_that_did_not_change_is_seldom_called_changed():
    calls = [
        compare_observations(make_set(1600, 10 + 2 * k), make_set(500, 11 + 2 * k)).changed
        for k in range(40)
    ]
    assert sum(bool(each) for each in calls) <= 6  # 2 are expected at 5 %


def test_a_short_reference_learns_and_calls_nothing_a_change():
    found = compare_observations(make_set(100, 0), make_set(300, 1, shift=9))
    assert found.learning
    assert found.changed == ()
    assert found.families["image"].p < 0.05


def test_too_few_images_to_judge_are_refused_with_the_fix():
    with pytest.raises(DataError, match=r"the images to judge: 1 of the 5 groups .*--indep"):
        compare_observations(make_set(400, 0), make_set(9, 1))
    alone = compare_observations(make_set(400, 0), make_set(9, 1), independent=True)
    assert alone.num_groups == (400, 9)


def test_the_document_has_every_family():
    document = compare_observations(make_set(400, 0), make_set(400, 1)).to_json()
    assert (document["schema_version"], set(document["families"])) == (1, set(FAMILIES))
