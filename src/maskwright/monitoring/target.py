"""Target: how many false alarms are accepted in how long."""

import re
from dataclasses import dataclass
from typing import Self

from ..core.duration import budget_seconds
from ..core.errors import ConfigError

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Target:
    """False alarms in a span of days, of all scopes together."""

    num: float
    days: float

    @classmethod
    def parse(cls, text: str, *, option: str = "--target") -> Self:
        """Read `1/90d`: one in 90 days.

        Raises:
            ConfigError: Not a number above 0 and a duration.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(.+)", text)
        if match is None or not float(match[1]):
            raise ConfigError(
                f"{option} {text!r}: write false alarms and a time, for example 1/90d"
            )
        return cls(float(match[1]), (budget_seconds(match[2], option=option) or 0) / _DAY_S)

    @property
    def days_between(self) -> float:
        """Days from one to the next."""
        return self.days / self.num

    def __str__(self) -> str:
        return f"{self.num:g}/{self.days:g}d"


ALARM = Target(1, 90)
WARNING = Target(1, 14)
