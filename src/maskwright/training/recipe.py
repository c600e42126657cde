"""Recipe: everything a run depends on; typed, strict, round-trips to YAML.

An unknown key is an error that names the nearest one. Comments in the YAML give the plan's
reasons; they are for people and are not read back.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from maskwright.core.errors import ConfigError, shorten, suggest
from maskwright.core.inputspec import InputSpec
from maskwright.core.intensity import Kind
from maskwright.core.strictmodel import StrictModel, list_keys
from maskwright.core.yamlfile import SCHEMA_LINE, dump_yaml, find_line, parse_yaml, read_yaml

from .distil_options import DistilOptions
from .model_options import ModelOptions
from .recipe_versions import SCHEMA

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


Settings = Mapping[str, object]
"""Values of a recipe by dotted key, as `--set optim.lr=3e-4` gives them."""

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


def _list_pair(value: object) -> object:
    """[[lowest, highest]] where `value` is [lowest, highest]."""
    if not isinstance(value, list) or len(value) != 2:
        return value
    return [value] if all(isinstance(end, int | float) for end in value) else value


class InputOptions(StrictModel):
    """The InputSpec of the network, as the recipe writes it; its rules are those of `spec`.

    A `window` of one pair is that of every channel. With `slices` above 1, images are slices
    of volumes with their neighbours: `channels` are those of all slices.
    """

    kind: Kind = "photograph"
    window: Annotated[tuple[tuple[float, float], ...], BeforeValidator(_list_pair)] = ()
    channels: Positive = 3
    max_value: Literal[255, 65535] = 255
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    scale_ratio: float = 1.0
    convert_channels: bool = False
    signed_offset: Annotated[int, Field(ge=0)] = 0
    bands: tuple[str, ...] = ()
    slices: Positive = 1

    @property
    def spec(self) -> InputSpec:
        """The InputSpec of the run, of its checkpoints and of its Bundle."""
        return InputSpec(**self.model_dump())

    @model_validator(mode="after")
    def _require_valid_spec(self) -> Self:
        try:
            _ = self.spec
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self


class DataOptions(StrictModel):
    """The splits, and how crops are drawn from the training images."""

    train_split: str = "train"
    val_split: str = "val"
    crop_px: tuple[Positive, Positive] = (352, 352)
    batch_size: Positive = 8
    rare_share: Share = 0.5
    copy_paste: Share = 0.0
    class_mix: Share = 0.0
    workers: Annotated[int, Field(ge=0)] = 0


class AugmentOptions(StrictModel):
    """Random changes: of geometry to image and labels alike, of colour to the image alone.

    `unit` is that of brightness, contrast and noise. "range": values lie in 0..1, brightness is
    a factor, and saturation, hue and JPEG apply. "std": values are standard deviations from the
    mean of `input`, brightness is added, and contrast is about the mean of the crop.
    `perspective`, another angle of the camera, is the largest change of scale from the middle
    of a crop to its border; `lens` is the largest radial term, see `training.samples.view`.
    """

    unit: Literal["range", "std"] = "range"
    scale: tuple[float, float] = (0.75, 1.5)
    flip_lr: Share = 0.5
    flip_vertical: Share = 0.0
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 5.0
    perspective: Annotated[float, Field(ge=0, le=0.4)] = 0.0
    lens: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.3
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.3
    saturation: Annotated[float, Field(ge=0, lt=1)] = 0.3
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    blur: Share = 0.1
    noise: Share = 0.1
    jpeg: Share = 0.1

    @model_validator(mode="after")
    def _require_range(self) -> Self:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                f"scale must be [smallest, largest] with 0 < smallest <= largest, got "
                f"{list(self.scale)}"
            )
        return self


class WeatherOptions(StrictModel):
    """Weather and light: the share of crops that get one kind, and the kinds' strengths.

    Each kind is drawn up to its strength, 0..1; a kind with strength 0 is never drawn.
    """

    share: Share = 0.0
    rain: Share = 0.7
    fog: Share = 0.7
    snow: Share = 0.7
    glare: Share = 0.7
    night: Share = 0.7
    motion_blur: Share = 0.7


class LossOptions(StrictModel):
    """The sum of losses (like "ce+dice"), the weights of classes, and settings by loss name."""

    sum: str = "ce+dice"
    class_weights: Literal["none", "inverse", "effective"] = "none"
    config: dict[str, dict[str, object]] = Field(default_factory=dict)


class OptimOptions(StrictModel):
    """The optimizer, its learning-rate schedule, and the moving average of weights (EMA).

    `momentum` is that of "sgd"; `clip_norm` 0 does not clip gradients.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    lr: Annotated[float, Field(gt=0)] = 2e-3
    encoder_lr_ratio: Annotated[float, Field(gt=0)] = 0.5
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    freeze_epochs: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    schedule: Literal["poly", "linear", "cosine"] = "poly"
    warmup_ratio: Share = 0.05
    clip_norm: Annotated[float, Field(ge=0)] = 5.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    accumulate: Positive = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"


class ScheduleOptions(StrictModel):
    """Length of the run and intervals of validation; `patience` 0 never stops early.

    An epoch has `steps_per_epoch` optimizer steps; 0: as many as show every image once.
    """

    epochs: Positive = 50
    steps_per_epoch: Annotated[int, Field(ge=0)] = 0
    validate_every: Positive = 1
    patience: Annotated[int, Field(ge=0)] = 0


class Recipe(StrictModel):
    """Every value that a run depends on. Sizes in px are (H, W)."""

    seed: Annotated[int, Field(ge=0)] = 0
    model: ModelOptions = ModelOptions()
    input: InputOptions = InputOptions()
    data: DataOptions = DataOptions()
    augment: AugmentOptions = AugmentOptions()
    weather: WeatherOptions = WeatherOptions()
    loss: LossOptions = LossOptions()
    optim: OptimOptions = OptimOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    distil: DistilOptions = DistilOptions()

    def to_json(self) -> dict[str, object]:
        """A JSON object with the version of recipes; `parse_recipe` undoes it."""
        return SCHEMA.stamp(self.model_dump(mode="json"))

    @model_validator(mode="after")
    def _require_compatible(self) -> Self:
        channels, jpeg = self.input.channels, self.augment.jpeg
        if jpeg and (channels not in {1, 3} or self.input.max_value != 255):
            raise ValueError(
                f"augment.jpeg needs 8-bit images of 1 or 3 channels, got {channels} channels "
                f"up to {self.input.max_value}; set augment.jpeg to 0"
            )
        self._require_unit()
        if self.distil.unlabelled and not self.distil.teachers:
            raise ValueError(
                "distil.unlabelled are images of which a teacher says the labels; give "
                "distil.teachers too"
            )
        changed = self.augment.saturation or self.augment.hue or jpeg
        if self.input.slices > 1 and changed:
            raise ValueError(
                "augment.saturation, hue and jpeg change colours, and the channels are slices "
                f"(input.slices is {self.input.slices}); set them to 0"
            )
        if self.optim.freeze_epochs and not self.model.is_pretrained:
            raise ValueError(
                "optim.freeze_epochs freezes the encoder, but its weights are random "
                "(model.encoder_weights is 'none'); give model.encoder_weights or model.init, "
                "or set optim.freeze_epochs to 0"
            )
        return self

    def _require_unit(self) -> None:
        options, kind = self.augment, self.input.kind
        if options.unit == "range" and kind != "photograph":
            raise ValueError(f"input.kind {kind!r} needs augment.unit 'std', got 'range'")
        if options.unit == "std" and (
            options.saturation or options.hue or options.jpeg or self.weather.share
        ):
            raise ValueError(
                "augment.saturation, hue and jpeg and weather need augment.unit 'range', got "
                "'std'; set them to 0"
            )


def parse_recipe(document: object, *, where: str) -> Recipe:
    """Make a Recipe of a document of this version or an older one.

    Raises:
        ConfigError: A newer version, an unknown key (with the nearest known one), a wrong type
            or value; the message begins with `where` and names each key.
    """
    return _validate(SCHEMA.read(document, where=where), where=where)


def read_recipe(path: Path) -> Recipe:
    """Read a Recipe from a YAML file.

    Raises:
        ConfigError: Not YAML, or not a recipe.
        DataError: The file cannot be read.
    """
    document = SCHEMA.read(read_yaml(path), where=str(path))
    return _validate(document, where=str(path), file=path)


def override(recipe: Recipe, settings: Settings) -> Recipe:
    """Replace values of `recipe`; what was not set in it stays so.

    Raises:
        ConfigError: A key that does not exist, or a wrong value.
    """
    document = recipe.model_dump(mode="json", exclude_unset=True)
    every = recipe.model_dump(mode="json")
    for key, value in settings.items():
        *parents, leaf = key.split(".")
        section, known = document, every
        for parent in parents:
            section = section.setdefault(parent, {}) if isinstance(section, dict) else {}
            known = known.get(parent, {}) if isinstance(known, dict) else {}
        if not (isinstance(section, dict) and isinstance(known, dict)):
            raise ConfigError(f"--set {key}: {'.'.join(parents)} holds a value, not keys")
        section[leaf] = deepcopy(value)  # a later setting may change a part of it
    return _validate(document, where="recipe with --set " + ", ".join(settings))


def parse_settings(pairs: Sequence[str]) -> dict[str, object]:
    """`["optim.lr=3e-4"]` -> `{"optim.lr": 3e-4}`; values are read as YAML.

    A list may stand without brackets: `input.bands=B04,B08`.

    Raises:
        ConfigError: A pair without `=`, or a value that is not YAML or can be read in two ways.
    """
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"--set {pair!r}: expected KEY=VALUE, for example --set optim.lr=3e-4"
            )
        where = f"--set {shorten(pair)}"
        value = parse_yaml(text, where=where)
        if isinstance(value, str) and isinstance(_find_default(key.strip()), tuple):
            value = [parse_yaml(part, where=where) for part in value.split(",")]
        settings[key.strip()] = value
    return settings


def _find_default(key: str) -> object:
    """The default of a dotted key; None where there is no such key."""
    value: object = Recipe()
    for name in key.split("."):
        value = getattr(value, name, None)
    return value


def to_yaml(recipe: Recipe, reasons: Mapping[str, str]) -> str:
    """The recipe with every value explicit and the reason of each decision as a comment."""
    lines = [
        SCHEMA_LINE.format("recipe"),
        "# maskwright recipe: every value a run depends on. Change any; unknown keys fail.",
    ]
    for section, value in recipe.to_json().items():
        if not isinstance(value, dict):
            lines.append(_format_line("", section, value, reasons.get(section)))
            continue
        lines += ["", f"{section}:"]
        lines += [
            _format_line("  ", key, item, reasons.get(f"{section}.{key}"))
            for key, item in value.items()
        ]
    return "\n".join(lines) + "\n"


def _validate(document: object, *, where: str, file: Path | None = None) -> Recipe:
    """Make a Recipe; messages name the lines of `file`, from which it was read."""
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        lines = (
            f"line {find_line(file, e['loc'])}: " if file and e["loc"] else ""
            for e in error.errors()
        )
        problems = (line + _explain(e) for line, e in zip(lines, error.errors(), strict=True))
        raise ConfigError(f"{where}: {'; '.join(problems)}") from error


def _format_line(indent: str, key: str, value: object, reason: str | None) -> str:
    text = dump_yaml(value, flow=True, readable=False)
    return f"{indent}{key}: {text}" + (f"  # {reason}" if reason else "")


def _explain(error: "ErrorDetails") -> str:
    path = ".".join(map(str, error["loc"]))
    if error["type"] == "tuple_type":
        return f"{path}: {_explain_list(error)}"
    if error["type"] != "extra_forbidden":
        message = error["msg"].removeprefix("Value error, ")
        found = "" if isinstance(error["input"], dict) else f", got {_show(error['input'])}"
        return f"{path}: {message}{found}" if path else message
    *parents, key = map(str, error["loc"])
    known = list_keys(Recipe, parents)
    same_name = [
        f"{name}.{key}" for name in known if key in list_keys(Recipe, [*parents, name])
    ]
    if same_name:
        return f"{path}: no such key; did you mean {' or '.join(map(repr, same_name))}?"
    return f"{path}: no such key{suggest(key, known)}"


def _explain_list(error: "ErrorDetails") -> str:
    """Explain a single value in place of a list, by a list of the length of the default."""
    default = _find_default(".".join(map(str, error["loc"])))
    shown = _show(error["input"])
    length = len(default) if isinstance(default, tuple) else 0
    several = ", ".join([shown] * (length or 2))
    return f"expected values in brackets, for example [{several}], got {shown}"


def _show(value: object) -> str:
    return shorten(dump_yaml(value, flow=True))
