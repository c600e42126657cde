"""Plan: a recipe in the making, with the reason of each decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maskwright.data.check.findings import Finding

from ..model_options import ModelOptions
from ..pace import Pace
from ..recipe import Recipe, Settings, override, to_yaml
from .minutes import Part

SLIM = {"pyramid_channels": 128, "decoder_channels": 64}
"""`model.config` of an FPN of half the usual widths."""

INTERDEPENDENT = (
    "input.kind",
    "input.window",
    "input.channels",
    "input.slices",
    "input.bands",
    "input.convert_channels",
    "input.mean",
    "input.std",
    "input.max_value",
    "augment.unit",
    "augment.saturation",
    "augment.hue",
    "augment.jpeg",
    "weather.share",
)
"""Settings that are valid only together; they are checked when all are decided."""


@dataclass(slots=True)
class Plan:
    """A recipe in the making: values by dotted key, and the reason of each decision.

    Values that the user set are kept, whatever is decided. `pace` is what a budget was planned
    with. `remarks` say where the labels ask for another task than class maps. `histogram` are
    lines on the values of the pixels, none for photographs. `minutes` are the parts of the run
    with their times, where they were asked for.

    Raises:
        ConfigError: A setting of the user is wrong.
    """

    settings: Settings
    values: dict[str, object] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    pace: Pace | None = None
    remarks: tuple[Finding, ...] = ()
    histogram: tuple[str, ...] = ()
    minutes: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        for key, value in self.settings.items():
            self.values[key], self.reasons[key] = value, "given"
        _ = self.given  # which requires valid settings

    def decide(self, key: str, value: object, reason: str) -> None:
        """Set a value, unless the user set it or a part of it, and give the reason."""
        if not any(given == key or given.startswith(f"{key}.") for given in self.settings):
            self.values[key], self.reasons[key] = value, reason

    def decide_config(self, config: Mapping[str, object], reason: str) -> None:
        """Set those settings of the architecture that the user did not set."""
        merged = {**config, **self.given.model.config}
        self.values["model.config"] = merged
        if "model.config" not in self.settings:
            self.reasons["model.config"] = reason

    def keep(self, key: str, reason: str) -> None:
        """Keep the default of a value and give the reason."""
        self.reasons.setdefault(key, reason)

    def get(self, key: str) -> Any:
        """The value as decided so far, else its default."""
        section, _, name = key.partition(".")
        return self.values.get(key, getattr(getattr(Recipe(), section), name))

    @property
    def is_pretrained(self) -> bool:
        """Whether the encoder, or the whole network, starts from trained weights."""
        chosen = {key: self.get(f"model.{key}") for key in ("init", "encoder_weights")}
        return ModelOptions(**chosen).is_pretrained

    @property
    def given(self) -> Recipe:
        """The settings of the user over the defaults, without the interdependent ones."""
        checked = {k: v for k, v in self.settings.items() if k not in INTERDEPENDENT}
        return override(Recipe(), checked)

    @property
    def recipe(self) -> Recipe:
        """The values decided so far, over the defaults."""
        return override(Recipe(), self.values)

    def to_yaml(self) -> str:
        """The content of recipe.yaml."""
        return to_yaml(self.recipe, self.reasons)
