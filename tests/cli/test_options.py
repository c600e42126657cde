"""Options that several verbs share."""

import pytest

from maskwright.cli.options import crop_size
from maskwright.core.duration import budget_seconds
from maskwright.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("40m", 2400),
        ("2.5h", 9000),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1d 2h 3m 4s", 93_784),
        (None, None),
    ],
)
def test_a_budget_is_read_in_days_hours_minutes_and_seconds(text, seconds):
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "40", "m", "30m1h", "1h-3m", "1w", "1e3s", "-1h"])
def test_what_is_not_a_budget_is_refused_with_examples(text):
    with pytest.raises(ConfigError, match=r"--budget .*: write numbers with d, h, m or s, for"):
        budget_seconds(text)


def test_a_crop_is_height_times_width_and_one_number_is_a_square():
    assert crop_size("256x512") == [256, 512]
    assert crop_size("256") == [256, 256]
    assert crop_size(None) is None


@pytest.mark.parametrize("text", ["", "a", "1x2x3", "2.5x3", "-1x3", "²"])
def test_a_crop_that_is_not_whole_numbers_is_refused(text):
    with pytest.raises(ConfigError, match="expected HxW, for example 256x512"):
        crop_size(text)
