"""ModelCard: what must be known to build and run a network; it lies beside its weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from .codefile import CodeFile
from .errors import BundleError, ConfigError, MaskwrightError, shorten
from .imagestats import ImageStatistics
from .inputspec import InputSpec
from .labels import LabelSpec
from .logits import FULL_SIZE, LogitsGrid
from .refinechain import RefineChain
from .typed import MALFORMED, require_types
from .verdict import VerdictRule

STATE_KEY = "studio_state"
"""Of `provenance`: the state of a project of the studio that a network was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchSpec:
    """The architecture of a network: all that `nn.build` needs to build the same graph again.

    `name` is a part of `nn.archs` or a user's function (`PATH.py:FUNCTION#HASH`), `encoder` its
    encoder or "own", `config` its settings, `norm` is "batch" or "group". `revision` is that of
    the architecture for which the weights were trained; cards without one have 1. `widths` are
    those of layers that pruning has narrowed, see `nn.widths`.
    """

    name: str
    encoder: str
    config: Mapping[str, Any] = field(default_factory=dict)
    norm: str = "batch"
    revision: int = 1
    widths: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def code(self) -> CodeFile | None:
        """The user's function; None for a part of `nn.archs`."""
        return CodeFile.parse(self.name)

    def to_json(self) -> dict[str, Any]:
        """A JSON object, `norm` and `widths` only where they say something; see `from_json`."""
        norm = {} if self.norm == "batch" else {"norm": self.norm}
        widths = {path: list(pair) for path, pair in self.widths.items()}
        network = {"name": self.name, "encoder": self.encoder, "config": dict(self.config)}
        narrowed = {"widths": widths} if widths else {}
        return network | norm | {"revision": self.revision} | narrowed

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`; raises TypeError where a key is missing or unknown."""
        arch = cls(**document)
        widths = {path: (pair[0], pair[1]) for path, pair in arch.widths.items()}
        return replace(arch, config=rename_settings(arch.name, arch.config), widths=widths)


def rename_settings(arch: str, config: Mapping[str, Any]) -> dict[str, object]:
    """The settings of an architecture by the names of today; unknown ones are kept.

    `annealing_steps` of EoMT was a number of steps, to be set to that of the whole run, and is
    now a share of the run.
    """
    renamed = dict(config)
    if arch == "eomt" and "annealing_steps" in renamed:
        renamed["annealing_ratio"] = 1.0 if renamed.pop("annealing_steps") else 0.0
    return renamed


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Labels, input and architecture of one network, and where it came from.

    `provenance` is for people: dataset and split fingerprints, versions, seed; the entry
    `imported` of a graph of others has its layout, which is read again. Logits are
    divided by `temperature` before the softmax that gives the confidence (Guo et al. 2017,
    eq. 9): fitted after training, 1 before and in old cards. `learnt` describes the training
    images; None before the end of a training and in old cards. `refine` are the refiners that
    every prediction goes through, and `decide` is the rule for verdicts, which comes after
    them; None where none was chosen. `logits` is the grid on which every graph of the
    model, and the network built from the card, gives its logits; old cards have the size of
    the input.

    Raises ConfigError for a temperature that is not a number above 0, or refiners or a rule
    that do not fit the classes.
    """

    labels: LabelSpec
    input: InputSpec
    arch: ArchSpec
    provenance: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    learnt: ImageStatistics | None = None
    refine: RefineChain | None = None
    decide: VerdictRule | None = None
    logits: LogitsGrid = FULL_SIZE

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError(
                f"temperature {self.temperature}: logits are divided by it, so it must be a "
                f"number above 0; 1 leaves them as they are"
            )
        if self.refine is not None:
            self.refine.require_classes(self.labels.names)
        if self.decide is not None:
            self.decide.require_classes(self.labels.names)

    @property
    def only_size_HW(self) -> tuple[int, int] | None:
        """The size that the network sees whatever the image; None where there are several."""
        rule = self.input.size_rule
        if rule is not None and rule.fixed_HW is not None and not rule.keep_aspect:
            return rule.fixed_HW
        size_HW = self.provenance.get("imported", {}).get("size_HW")  # of tiles
        return None if size_HW is None else (int(size_HW[0]), int(size_HW[1]))

    def to_json(self) -> dict[str, Any]:
        """A JSON object of what differs from its default; see `from_json`."""
        learnt = {} if self.learnt is None else {"learnt": self.learnt.to_json()}
        refine = {} if self.refine is None else {"refine": self.refine.to_json()}
        decide = {} if self.decide is None else {"decide": self.decide.to_json()}
        logits = {} if self.logits == FULL_SIZE else {"logits": self.logits.to_json()}
        return (
            {
                "labels": self.labels.to_json(),
                "input": self.input.to_json(),
                "arch": self.arch.to_json(),
                "provenance": self.provenance,
                "temperature": self.temperature,
            }
            | learnt
            | refine
            | decide
            | logits
        )

    @classmethod
    def from_json(cls, document: Any, *, where: str) -> Self:
        """Read a card.

        Raises:
            BundleError: A part is missing or malformed.
        """
        try:
            card = cls(
                labels=LabelSpec.from_json(document["labels"]),
                input=InputSpec.from_json(document["input"]),
                arch=ArchSpec.from_json(document["arch"]),
                provenance=dict(document["provenance"]),
                temperature=document.get("temperature", 1.0),
                learnt=ImageStatistics.from_json(document["learnt"])
                if "learnt" in document
                else None,
                refine=RefineChain.from_json(document["refine"])
                if "refine" in document
                else None,
                decide=VerdictRule.from_json(document["decide"])
                if "decide" in document
                else None,
                logits=LogitsGrid(**document["logits"]) if "logits" in document else FULL_SIZE,
            )
            require_types(card)
        except (*MALFORMED, MaskwrightError) as error:
            raise BundleError(
                f"{where}: not a model card ({shorten(repr(error), 200)}); write the "
                f"model again"
            ) from error
        return card
