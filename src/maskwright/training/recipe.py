"""Recipe: everything a run depends on; typed, strict, round-trips to YAML.

An unknown key is an error that names the nearest one. Comments in the YAML are the plan's
reasons; they are for people and are not read back.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from maskwright.core.errors import ConfigError, suggest

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelOptions(_Strict):
    """Which network, the weights its encoder starts from, and what normalises it.

    `norm`: "batch"; "sync", batch statistics over all GPUs; "frozen", those that the encoder
    came with; "group", which needs no batch and changes the graph. `checkpointing`: compute
    activations again in the backward pass, in less memory and more time; the same numbers.
    """

    arch: str = "unet"
    encoder: str = "mobilenet_v2"
    encoder_weights: str = "imagenet"
    norm: Literal["batch", "sync", "frozen", "group"] = "batch"
    checkpointing: bool = False
    config: dict[str, Any] = {}

    @property
    def graph(self) -> dict[str, Any]:
        """What a ModelCard keeps of it: all that makes the same graph again."""
        norm = {"norm": self.norm} if self.norm == "group" else {}
        return {"name": self.arch, "encoder": self.encoder, "config": self.config} | norm

    @model_validator(mode="after")
    def _has_statistics(self) -> Self:
        if self.norm == "frozen" and self.encoder_weights == "none":
            raise ValueError(
                "norm 'frozen' keeps statistics that the encoder came with, but it comes with "
                "none; give encoder_weights or use norm 'batch'"
            )
        return self


class InputOptions(_Strict):
    """What the network sees; becomes the InputSpec of the Bundle."""

    channels: Positive = 3
    max_value: Literal[255, 65535] = 255
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    scale_ratio: Annotated[float, Field(gt=0, le=4)] = 1.0


class DataOptions(_Strict):
    """Splits, crops and how they are drawn."""

    train_split: str = "train"
    val_split: str = "val"
    crop_px: tuple[Positive, Positive] = (352, 352)
    batch_size: Positive = 8
    rare_share: Share = 0.5
    copy_paste: Share = 0.0
    class_mix: Share = 0.0
    workers: Annotated[int, Field(ge=0)] = 0


class AugmentOptions(_Strict):
    """Geometry moves image and labels together; colour moves the image alone."""

    scale: tuple[float, float] = (0.75, 1.5)
    flip: Share = 0.5
    flip_vertical: Share = 0.0
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 5.0
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.3
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.3
    saturation: Annotated[float, Field(ge=0, lt=1)] = 0.3
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    blur: Share = 0.1
    noise: Share = 0.1
    jpeg: Share = 0.1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be two rising numbers above 0, got {self.scale}")
        return self


class WeatherOptions(_Strict):
    """`share` of the crops get one of the others, each up to this strength; 0 is never."""

    share: Share = 0.0
    rain: Share = 0.7
    fog: Share = 0.7
    snow: Share = 0.7
    glare: Share = 0.7
    night: Share = 0.7
    motion_blur: Share = 0.7


class LossOptions(_Strict):
    """A sum such as ce+dice, and how classes are weighted in it."""

    sum: str = "ce+dice"
    class_weights: Literal["none", "inverse", "effective"] = "none"
    config: dict[str, dict[str, Any]] = {}


class OptimOptions(_Strict):
    """AdamW with warm-up and decay; EMA of the weights is what is kept."""

    lr: Annotated[float, Field(gt=0)] = 2e-3
    encoder_lr_ratio: Annotated[float, Field(gt=0)] = 0.5
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    freeze_epochs: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    schedule: Literal["poly", "cosine"] = "poly"
    warmup_ratio: Share = 0.05
    clip_norm: Annotated[float, Field(gt=0)] = 5.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    accumulate: Positive = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"


class ScheduleOptions(_Strict):
    """How long, and how often to look."""

    epochs: Positive = 50
    validate_every: Positive = 1
    patience: Annotated[int, Field(ge=0)] = 0


class Recipe(_Strict):
    """The whole of it. `patience` counts validations, 0 never stops early; px are (H, W)."""

    version: Literal[1] = 1
    seed: Annotated[int, Field(ge=0)] = 0
    model: ModelOptions = ModelOptions()
    input: InputOptions = InputOptions()
    data: DataOptions = DataOptions()
    augment: AugmentOptions = AugmentOptions()
    weather: WeatherOptions = WeatherOptions()
    loss: LossOptions = LossOptions()
    optim: OptimOptions = OptimOptions()
    schedule: ScheduleOptions = ScheduleOptions()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        channels, jpeg = self.input.channels, self.augment.jpeg
        if jpeg and (channels not in {1, 3} or self.input.max_value != 255):
            raise ValueError(
                f"augment.jpeg needs 8-bit images of 1 or 3 channels, got {channels} channels "
                f"up to {self.input.max_value}; set augment.jpeg to 0"
            )
        if len(self.input.mean) != channels or len(self.input.std) != channels:
            raise ValueError(f"input.mean and input.std need {channels} numbers each")
        if self.optim.freeze_epochs and self.model.encoder_weights == "none":
            raise ValueError(
                "optim.freeze_epochs holds an encoder that has learnt nothing; give "
                "model.encoder_weights or set it to 0"
            )
        return self


def parse_recipe(document: Any, *, where: str) -> Recipe:
    """A Recipe from plain data.

    Raises:
        ConfigError: Unknown key (with the nearest), wrong type or value; names each place.
    """
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise ConfigError(
            f"{where}: " + "; ".join(_explain(e) for e in error.errors())
        ) from error


def read_recipe(path: Path) -> Recipe:
    """A Recipe from a YAML file."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the recipe: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such date
        raise ConfigError(f"{path}: not YAML: {error}") from error
    return parse_recipe(document, where=str(path))


def override(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """`recipe` with dotted keys replaced, as `--set optim.lr=3e-4` does."""
    document = recipe.model_dump(mode="json")
    for key, value in settings.items():
        *parents, leaf = key.split(".")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else {}
        if not isinstance(place, dict):
            raise ConfigError(f"--set {key}: {'.'.join(parents)} holds a value, not keys")
        place[leaf] = value
    return parse_recipe(document, where="recipe with --set " + ", ".join(settings))


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`["optim.lr=3e-4"]` -> `{"optim.lr": 3e-4}`; values are read as YAML.

    Raises:
        ConfigError: A pair without `=`.
    """
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {pair!r}: write KEY=VALUE, say --set optim.lr=3e-4")
        settings[key.strip()] = _scalar(text)
    return settings


def to_yaml(recipe: Recipe, reasons: Mapping[str, str]) -> str:
    """The recipe with every value explicit and the reason of each decision as a comment."""
    lines = [
        "# maskwright recipe: every value a run depends on. Change any; unknown keys fail."
    ]
    for section, value in recipe.model_dump(mode="json").items():
        if not isinstance(value, dict):
            lines.append(_line("", section, value, reasons.get(section)))
            continue
        lines += ["", f"{section}:"]
        lines += [
            _line("  ", key, item, reasons.get(f"{section}.{key}"))
            for key, item in value.items()
        ]
    return "\n".join(lines) + "\n"


def _line(indent: str, key: str, value: Any, reason: str | None) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    text = text.removesuffix("...").strip()
    return f"{indent}{key}: {text}" + (f"  # {reason}" if reason else "")


def _scalar(text: str) -> Any:
    """YAML, but 3e-4 is a number too (YAML 1.1 wants 3.0e-4)."""
    if "e" in text.lower():
        with suppress(ValueError):
            return float(text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set: cannot read the value {text[:60]!r}") from error


def _explain(error: Any) -> str:
    place = ".".join(str(p) for p in error["loc"])
    if error["type"] != "extra_forbidden":
        message = error["msg"].removeprefix("Value error, ")
        return f"{place}: {message}" if place else message
    *parents, key = error["loc"]
    known = _fields_at(parents)
    return f"{place}: no such key{suggest(str(key), known)}"


def _fields_at(parents: list[Any]) -> tuple[str, ...]:
    model: Any = Recipe
    for parent in parents:
        model = model.model_fields[parent].annotation
    return tuple(model.model_fields)
