"""Spaces that a search draws values from, as `--over` writes them.

| text | space |
|---|---|
| `optim.lr=1e-4:1e-2:log` | numbers between the two, drawn by their logarithm |
| `augment.rotate_deg=0:20` | numbers between the two |
| `data.batch_size=4:16` | whole numbers, where both ends are |
| `model.arch=fpn,unet` | one of these values |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskwright.core.errors import ConfigError
from maskwright.core.yamlfile import parse_yaml

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Plain = bool | int | float | str
EXAMPLE = "--over optim.lr=1e-4:1e-2:log --over model.arch=fpn,unet"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both ends are."""

    low: float
    high: float
    is_log: bool = False

    def to_distribution(self) -> "BaseDistribution":
        """As Optuna has it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.is_log)
        return FloatDistribution(self.low, self.high, log=self.is_log)

    @property
    def first(self) -> Plain:
        """A value of it."""
        return self.low


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values."""

    values: tuple[Plain, ...]

    def to_distribution(self) -> "BaseDistribution":
        """As Optuna has it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    @property
    def first(self) -> Plain:
        """A value of it."""
        return self.values[0]


Space = Range | Choice


def parse_spaces(texts: Sequence[str]) -> dict[str, Space]:
    """The spaces by key.

    Raises:
        ConfigError: No space, a key twice, or a text that is none of a space.
    """
    if not texts:
        raise ConfigError(f"no --over: give the keys to search over, {EXAMPLE}")
    spaces: dict[str, Space] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or not key or not values:
            raise ConfigError(f"--over {text!r}: expected KEY=VALUES, for example {EXAMPLE}")
        if key in spaces:
            raise ConfigError(f"--over {key} is given twice; write its values in one --over")
        where = f"--over {text}"
        spaces[key] = _parse_range(values, where) if ":" in values else _parse(values, where)
    return spaces


def _parse_range(text: str, where: str) -> Range:
    low_text, high_text, *more = text.split(":")
    ends = [parse_yaml(end, where=where) for end in (low_text, high_text)]
    low, high = (end if _is_number(end) else None for end in ends)
    if low is None or high is None or more not in ([], ["log"]):
        raise ConfigError(f"{where}: expected LOW:HIGH or LOW:HIGH:log with two numbers")
    if not low < high:
        raise ConfigError(f"{where}: {low} is not below {high}")
    if more and low <= 0:
        raise ConfigError(f"{where}: log needs numbers above 0, got {low}")
    return Range(low, high, is_log=bool(more))


def _parse(text: str, where: str) -> Choice:
    values = tuple(parse_yaml(part, where=where) for part in text.split(","))
    for value in values:
        if not isinstance(value, bool | int | float | str):
            raise ConfigError(f"{where}: {value!r} is not a number, a text, true or false")
    if len(set(values)) < max(2, len(values)):
        raise ConfigError(f"{where}: expected two or more different values")
    return Choice(values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
