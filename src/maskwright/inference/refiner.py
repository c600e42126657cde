"""Refiner: changes the Decision of an image, by the image or by the class map around a pixel.

A chain of refiners is chosen by a text: the name of one (`crf`), with settings where wanted
(`crf:theta_alpha=30,theta_beta=5`, `vote:classes=car+bus`), or a YAML file with several:

    families: {vehicle: [car, truck, bus]}
    steps:
      - {refiner: guided, radius_px: 8}
      - {refiner: vote, classes: [vehicle]}
      - {refiner: components, classes: [vehicle], area: 64 px}

The steps are applied in order. Those on shares (a CRF, the guided filter) compute new shares of
all classes and stand before those on classes, which change the class map and keep the shares of
the network: a changed pixel then has the share of its new class as its confidence. Pixels
without data are IGNORE before and after every step. A rule for verdicts is applied after the
chain.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pydantic import Field

from ..core import parts
from ..core.decision import Decision
from ..core.errors import ConfigError
from ..core.image import Image
from ..core.labels import IGNORE, LabelSpec
from ..core.refinechain import CLASSES, REFINER, RefineChain, RefineStep
from ..core.strictmodel import StrictModel
from ..core.versioned import Schema
from ..core.yamlfile import name_line, read_yaml, validate_yaml

if TYPE_CHECKING:
    from pydantic import BaseModel

REFINERS = "maskwright.inference.refine"
NONE = "none"
"""The text that leaves out the chain of a Bundle."""

SCHEMA = Schema(kind="chain.yaml", version=1, unversioned=1, error=ConfigError, key="version")
SUFFIXES = (".yaml", ".yml")
Input = Literal["shares", "classes"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceImage:
    """The image of a decision.

    `pixels_HWC` are as `data.pixels.images.read_image` gives them. `spacing_mm_HW` is the size
    of a pixel, None where the image does not say it. `where` is a file name or key, for the
    error message.
    """

    pixels_HWC: Image
    spacing_mm_HW: tuple[float, float] | None = None
    where: str = "image"


class Refiner(Protocol):
    """A callable that refines one image."""

    def __call__(self, decision: Decision, image: SourceImage, /) -> Decision:
        """The refined decision, at the image's own size.

        Args:
            decision: Of the network, or of the refiner before; IGNORE where there is no data.
            image: At the same size.

        Raises:
            DataError: The image is not of a kind that the refiner takes.
        """
        ...


class RefinerPart(Protocol):
    """What each file in `inference/refine` offers."""

    Config: "type[BaseModel]"
    """The settings; an unknown key is an error."""

    ON: Input
    """What it works on: "shares" gives new shares of all classes, "classes" a new class map."""

    NEEDS_CLASSES: bool = False
    """Whether a step must name the classes."""

    @abstractmethod
    def build(self, config: Any, classes: Sequence[int]) -> Refiner:
        """Make the refiner of these settings, a `Config`.

        `classes` are the indices of the classes that it may change, in their order.
        """


class ChainFile(StrictModel):
    """The content of a file of a chain; `families` are names for several classes."""

    families: dict[str, list[str]] = Field(default_factory=dict)
    steps: list[dict[str, Any]] = Field(min_length=1)


def parse_chain(text: str) -> RefineChain | None:
    """Read a chain from the text of `--refine`: a YAML file, a step, or "none".

    Raises:
        ConfigError: A setting has no value, or the file is not a chain.
        DataError: The file cannot be read.
    """
    if text == NONE:
        return None
    if text.endswith(SUFFIXES):
        return read_chain(Path(text))
    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for setting in filter(None, rest.split(",")):
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"{text!r}: {setting!r} has no value; write {key}=VALUE")
        settings[key] = value
    classes = tuple(filter(None, settings.pop(CLASSES, "").split("+")))
    chain = RefineChain((RefineStep(refiner=name, classes=classes, settings=settings),))
    _configure(chain.steps[0], where=repr(text))
    return chain


def read_chain(path: Path) -> RefineChain:
    """Read the file of a chain; families are replaced by their classes.

    Raises:
        ConfigError: Not a chain: an unknown key, refiner or setting, with file and line.
        DataError: The file cannot be read.
    """
    document = SCHEMA.read(read_yaml(path), where=str(path))
    file = validate_yaml(document, ChainFile, path=path)
    steps = []
    for index, entry in enumerate(file.steps):
        with name_line(path, ("steps", index)):
            steps.append(_read_step(entry, file.families))
    return RefineChain(tuple(steps))


def _read_step(entry: Mapping[str, Any], families: Mapping[str, Sequence[str]]) -> RefineStep:
    if not isinstance(entry.get(REFINER), str):
        raise ConfigError(
            f"a step names its refiner, such as '{REFINER}: crf'; got {dict(entry)}"
        )
    listed = entry.get(CLASSES, [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ConfigError(f"{CLASSES}: expected a list of names, got {listed!r}")
    names = [name for given in listed for name in families.get(given, [given])]
    step = RefineStep.from_json({**entry, CLASSES: list(dict.fromkeys(names))})
    _configure(step, where=step.refiner)
    return step


def _configure(step: RefineStep, *, where: str) -> "tuple[RefinerPart, BaseModel]":
    """The part of a step and its settings, checked."""
    part = parts.load(REFINERS, step.refiner, like=RefinerPart)
    config = parts.configure(part, step.settings, where=where)
    if part.NEEDS_CLASSES and not step.classes:
        raise ConfigError(
            f"{where}: the refiner {step.refiner!r} needs the classes that it works on, such "
            f"as {CLASSES}=car+bus"
        )
    return part, config


@dataclass(frozen=True, slots=True)
class Refinement:
    """The refiners of a chain, built for the classes of a model; `chain` has every setting."""

    chain: RefineChain
    refiners: tuple[Refiner, ...]

    @classmethod
    def from_chain(cls, chain: RefineChain, labels: LabelSpec) -> Self:
        """Build a chain.

        Raises:
            ConfigError: No refiner has a name of the chain, a setting is unknown or wrong, a
                class is not one of the model, or a refiner of shares follows one of classes.
        """
        chain.require_classes(labels.names)
        refiners, steps, changed_by = [], [], ""
        for step in chain.steps:
            part, config = _configure(step, where=step.refiner)
            if part.ON == "classes":
                changed_by = step.refiner
            elif changed_by:
                raise ConfigError(
                    f"the refiner {step.refiner!r} computes new shares and would undo what "
                    f"{changed_by!r} before it did; put {step.refiner!r} first"
                )
            classes = sorted(map(labels.index, step.classes)) or range(len(labels))
            refiners.append(part.build(config, tuple(classes)))
            settings = config.model_dump(mode="json")
            steps.append(
                RefineStep(refiner=step.refiner, classes=step.classes, settings=settings)
            )
        return cls(RefineChain(tuple(steps)), tuple(refiners))

    @classmethod
    def from_text(cls, text: str, labels: LabelSpec) -> Self | None:
        """Build the chain of a text, see `parse_chain`; None for "none".

        Raises:
            ConfigError: As `parse_chain` and `from_chain`.
        """
        chain = parse_chain(text)
        return None if chain is None else cls.from_chain(chain, labels)

    def __call__(self, decision: Decision, image: SourceImage, /) -> Decision:
        """Apply the refiners in order; see `Refiner`."""
        valid_HW = decision.labels_HW != IGNORE
        for refiner in self.refiners:
            decision = refiner(decision, image)
            if not valid_HW.all():
                decision = decision.leave_out(valid_HW)
        return decision

    def to_json(self) -> dict[str, object]:
        """The steps with every setting, for reports."""
        return self.chain.to_json()

    def __str__(self) -> str:
        """The steps as `parse_chain` reads each of them."""
        return str(self.chain)
