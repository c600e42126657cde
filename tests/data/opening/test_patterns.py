"""Groups are found in keys by any regular expression, in bounded time."""

import pytest

from maskwright.core.errors import ConfigError
from maskwright.data.opening import patterns
from maskwright.data.opening.patterns import search_keys

KEYS = ("a12_street_x", "b7_yard_x", "none")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^([^_]+)_", ["a12", "b7", None]),
        (r"^([a-z])\d+_(street|yard)", ["a", "b", None]),
        (r"(?:\d)+", ["12", "7", None]),
    ],
)
def test_simple_and_other_expressions_find_the_same_groups(pattern, expected):
    assert search_keys(KEYS, pattern) == expected


def test_an_expression_that_would_take_for_ever_is_refused(monkeypatch):
    monkeypatch.setattr(patterns, "LIMIT_S", 1)
    with pytest.raises(ConfigError, match=r"takes over 1 s to match 1 keys; write an"):
        search_keys(["a" * 60 + "b"], r"(a+)+$")


@pytest.mark.parametrize("pattern", ["(", "[", "x{99999999999}"])
def test_what_is_not_an_expression_is_refused(pattern):
    with pytest.raises(ConfigError, match="is not a regular expression"):
        search_keys(KEYS, pattern)
