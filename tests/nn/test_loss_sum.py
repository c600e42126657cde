import pytest
import torch

from maskwright.core.errors import ConfigError, UnknownNameError
from maskwright.nn.loss import WeightSchedule, build_loss, parse_terms


@pytest.fixture
def batch():
    return torch.randn(1, 3, 8, 8), torch.randint(0, 3, (1, 8, 8))


def test_a_sum_is_the_weighted_sum_of_its_terms(batch):
    ce, dice = (build_loss(n, {}, None)(*batch) for n in ("ce", "dice"))
    whole = build_loss("2*ce + 0.5*dice", {}, None)(*batch)
    torch.testing.assert_close(whole, 2 * ce + 0.5 * dice)
    assert parse_terms("2*ce + 0.5*dice") == {
        "cross_entropy": WeightSchedule(2.0, 2.0),
        "dice": WeightSchedule(0.5, 0.5),
    }


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("0..0.1*dice", WeightSchedule(0, 0.1)),
        ("1..0*dice", WeightSchedule(1, 0)),
        (".5...7*dice", WeightSchedule(0.5, 0.7)),
        ("0..1@0.5..0.8*dice", WeightSchedule(0, 1, 0.5, 0.8)),
        ("1.*dice", WeightSchedule(1, 1)),
    ],
)
def test_a_weight_that_changes_is_written_with_dots(text, weight):
    assert parse_terms(text) == {"dice": weight}


def test_a_weight_changes_linearly_from_first_to_last_and_stays():
    weight = WeightSchedule(1.0, 3.0, 0.25, 0.75)
    assert [weight.at(t) for t in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1.0, 1.0, 2.0, 3.0, 3.0]


def test_a_sum_has_the_weights_of_its_progress_by_default_those_of_the_end(batch):
    ce, dice = (build_loss(n, {}, None)(*batch) for n in ("ce", "dice"))
    loss = build_loss("1..0*ce + 0..0.5*dice", {}, None)
    torch.testing.assert_close(loss.at(0.0)(*batch), ce)
    torch.testing.assert_close(loss.at(0.5)(*batch), 0.5 * ce + 0.25 * dice)
    torch.testing.assert_close(loss(*batch), 0.5 * dice)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ce+dise", "did you mean 'dice'"),
        ("ce-dice", "cannot read 'ce-dice'"),
        ("0..1..2*ce", r"cannot read '0\.\.1\.\.2\*ce'"),
        ("ce+ce", "'ce' is repeated"),
        ("0*ce", r"'0\*ce' is repeated or never above 0"),
        ("0..0*ce", r"'0\.\.0\*ce' is repeated or never above 0"),
        ("0..1@0.8..0.5*ce", r"changes from 0\.8 to 0\.5 of the training; expected two rising"),
    ],
)
def test_a_sum_that_cannot_be_read_is_named(text, message):
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        parse_terms(text)


def test_settings_for_a_loss_that_is_not_used_are_refused():
    with pytest.raises(ConfigError, match=r"loss\.config has \['focal'\]"):
        build_loss("ce", {"focal": {"gamma": 1}}, None)
