"""Choice: the thresholds that were chosen for a model, for what, and their rates."""

from dataclasses import asdict, dataclass

from ...core.errors import ConfigError
from ...core.labels import LabelSpec
from ...core.report import number
from ...core.verdict import By, VerdictRule
from ...core.versioned import Schema
from .choose import ClassCurve
from .rates import METHOD, Rate

FILE_NAME, PAGE_NAME = "decide.json", "decide.html"
SCHEMA = Schema(kind="choice of thresholds", version=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOptions:
    """What thresholds are chosen for.

    `miss` is the share of the parts with a class that may be missed, in (0, 1). `by` is what a
    part is. `classes` are those that are reported; None takes all things, or else all but the
    background. `split` is where thresholds are chosen. `group` is a regular expression whose
    match in a key is its group.

    Raises ConfigError where `miss` is outside its range.
    """

    miss: float = 0.01
    by: By = "image"
    classes: tuple[str, ...] | None = None
    split: str = "val"
    group: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.miss < 1:
            raise ConfigError(
                f"miss {self.miss:g}: expected a share above 0 and below 1 (100 %), such as 1%"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRates:
    """The rates of a rule on one split; `num_shown` parts show a class of the rule."""

    split: str
    num_images: int
    num_parts: int
    num_shown: int
    rates: tuple[Rate, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "split": self.split,
            "images": self.num_images,
            "parts": self.num_parts,
            "parts_with_a_class": self.num_shown,
            "rates": [rate.to_json() for rate in self.rates],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The thresholds that were chosen for a model, and their rates.

    `chosen_on` has the rates on the images of the choice, `tested_on` those on the test split,
    None where there is none.
    """

    model_id: str
    data: str
    labels: LabelSpec
    rule: VerdictRule
    chosen_on: SplitRates
    tested_on: SplitRates | None
    curves: dict[str, ClassCurve]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The content of decide.json."""
        return SCHEMA.stamp(
            {
                "model_id": self.model_id,
                "data": self.data,
                "rule": self.rule.to_json(),
                "chosen_on": self.chosen_on.to_json(),
                "tested_on": None if self.tested_on is None else self.tested_on.to_json(),
                "intervals": METHOD,
                "curves": {name: _curve_json(curve) for name, curve in self.curves.items()},
                "notes": list(self.notes),
            }
        )


def _curve_json(curve: ClassCurve) -> dict[str, object]:
    document = asdict(curve)
    return {
        key: [number(v) for v in value] if isinstance(value, tuple) else number(value)
        for key, value in document.items()
    }
