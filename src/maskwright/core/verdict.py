"""Verdict: whether an image shows a class that inspection looks for, and by which rule.

A class of the rule is reported where its share of the softmax reaches its threshold in an
8-connected region of at least its smallest area. The other classes are what a good part looks
like; of these, the largest logit decides. A model without a rule gives no verdicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, cast, get_args

from .errors import ConfigError

By = Literal["image", "group"]
"""What a part is: one image, or the images of one group."""

OK = "ok"


def parse_by(text: str) -> By:
    """Read "image" or "group"; raises ConfigError for another text."""
    if text in get_args(By):
        return cast("By", text)
    raise ConfigError(f"parts by {text!r}: expected 'image' or 'group'")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRule:
    """When one class is reported: share of at least `threshold`, in (0, 1], and a region.

    `smallest_area_px` counts pixels of the image. Raises ConfigError outside these ranges.
    """

    threshold: float
    smallest_area_px: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold {self.threshold}: expected a share above 0, up to 1")
        if self.smallest_area_px < 1:
            raise ConfigError(f"smallest area {self.smallest_area_px} px: expected 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRule:
    """The rule of every class that is reported, by name.

    `miss` is the share of parts with the class, in [0, 1], that could be missed when the rule
    was chosen, and `by` what a part was. Raises ConfigError where no class is reported.
    """

    classes: Mapping[str, ClassRule]
    miss: float
    by: By = "image"

    def __post_init__(self) -> None:
        if not self.classes:
            raise ConfigError("a rule for verdicts needs at least one class that is reported")

    def require_classes(self, names: Sequence[str]) -> None:
        """Refuse a rule that does not fit the classes of a model, in their order.

        Raises:
            ConfigError: A class is unknown, or none is left that a good part shows.
        """
        for name in self.classes:
            if name not in names:
                raise ConfigError(
                    f"the rule for verdicts names {name!r}, which is not a class of the model; "
                    f"its classes are {', '.join(names)}"
                )
        if len(self.classes) == len(names):
            raise ConfigError(
                "every class of the model would be reported, so no image could be ok; leave "
                "out the class of what a good part shows"
            )

    def __str__(self) -> str:
        return ", ".join(
            f"{name} from {rule.threshold:g} and {rule.smallest_area_px:,} px"
            for name, rule in self.classes.items()
        )

    def to_json(self) -> dict[str, object]:
        """A JSON object; `from_json` undoes it."""
        classes = {name: asdict(rule) for name, rule in self.classes.items()}
        return {"miss": self.miss, "by": self.by, "classes": classes}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`; raises TypeError, KeyError or ConfigError for another document."""
        classes = {name: ClassRule(**rule) for name, rule in document["classes"].items()}
        return cls(classes=classes, miss=document["miss"], by=document["by"])


def read_rule(document: Mapping[str, Any] | None) -> VerdictRule | None:
    """Read a rule from JSON; None where there is none."""
    return None if document is None else VerdictRule.from_json(document)


def describe_difference(
    a: VerdictRule | None, b: VerdictRule | None, names: tuple[str, str]
) -> str:
    """Say how two rules differ in what they report; "" where they do not.

    `names` stand for what was made by each. None is no rule: the largest logit decides.
    """
    if (a and a.classes) == (b and b.classes):
        return ""
    shown = (f"{name} {rule or 'none'}" for name, rule in zip(names, (a, b), strict=True))
    return f"The thresholds for verdicts differ: {'; '.join(shown)}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The classes that are reported in one image, by name; none where the image is ok."""

    classes: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether nothing is reported."""
        return not self.classes

    def __str__(self) -> str:
        return f"defect: {', '.join(self.classes)}" if self.classes else OK
