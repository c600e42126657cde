"""Durations as people write them: `90s`, `40m`, `1h30m`."""

import re

from .errors import ConfigError

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_BUDGET = re.compile(r"\s*".join(rf"(?:(?P<{u}>\d+(?:\.\d+)?)\s*{u})?" for u in _SECONDS), re.A)


def budget_seconds(budget: str | None, *, option: str = "--budget") -> float | None:
    """Read the duration of `option`: `40m` is 2400.0, `1h30m` is 5400.0.

    Raises:
        ConfigError: Not numbers with d, h, m or s, the largest unit first, or 0 in all.
    """
    if budget is None:
        return None
    match = _BUDGET.fullmatch(budget.strip())
    seconds = 0.0
    if match is not None:
        for unit, number in match.groupdict().items():
            seconds += float(number or 0) * _SECONDS[unit]
    if not seconds:
        raise ConfigError(
            f"{option} {budget!r}: write numbers with d, h, m or s, for example 40m or 1h30m"
        )
    return seconds
