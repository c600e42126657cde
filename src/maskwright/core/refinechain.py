"""RefineChain: the refiners that a model's predictions go through, in order.

A card keeps a chain in a Bundle. Names and settings of refiners are checked where they are
built (`inference.refiner`); here are the classes and the form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from .errors import ConfigError, suggest

REFINER, CLASSES, STEPS = "refiner", "classes", "steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineStep:
    """One refiner by name, with its settings.

    `classes` are the names of the classes that it may change; all where empty.
    """

    refiner: str
    classes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """A JSON object, `classes` only where there are some; `from_json` undoes it."""
        classes = {CLASSES: list(self.classes)} if self.classes else {}
        return {REFINER: self.refiner, **classes, **self.settings}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`; raises KeyError or TypeError for another document."""
        settings = {k: v for k, v in document.items() if k not in {REFINER, CLASSES}}
        classes = document.get(CLASSES, ())
        if isinstance(classes, str):
            raise TypeError(f"{CLASSES} is the text {classes!r}, expected a list of names")
        return cls(refiner=document[REFINER], classes=tuple(classes), settings=settings)

    def __str__(self) -> str:
        """The text that `--refine` reads: `vote:classes=car+bus`."""
        values = {CLASSES: "+".join(self.classes)} if self.classes else {}
        values |= {name: _show(value) for name, value in self.settings.items()}
        shown = ",".join(f"{name}={value}" for name, value in values.items())
        return f"{self.refiner}:{shown}" if shown else self.refiner


@dataclass(frozen=True, slots=True)
class RefineChain:
    """Steps in the order in which they are applied; raises ConfigError where there is none."""

    steps: tuple[RefineStep, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise ConfigError("a chain of refiners needs at least one step")

    def require_classes(self, names: Sequence[str]) -> None:
        """Refuse a chain that names a class which is not among `names`.

        Raises:
            ConfigError: As said.
        """
        for step in self.steps:
            for name in step.classes:
                if name not in names:
                    raise ConfigError(
                        f"the refiner {step.refiner!r} names {name!r}, which is not a class of "
                        f"the model{suggest(name, names)}"
                    )

    def to_json(self) -> dict[str, object]:
        """A JSON object; `from_json` undoes it."""
        return {STEPS: [step.to_json() for step in self.steps]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`; raises KeyError, TypeError or ConfigError for another document."""
        return cls(tuple(RefineStep.from_json(step) for step in document[STEPS]))

    def __str__(self) -> str:
        return ", then ".join(map(str, self.steps))


def _show(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
