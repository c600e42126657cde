"""Sums of losses, written as people write them: "ce+dice", "1*focal + 0.5*lovasz".

A weight may move in a straight line while training goes on: "dice + 0..0.1*boundary" rises from
0 to 0.1, "1..0*dice + 0..1*boundary" hands over, and "ce + 0..1@0.5..0.8*lovasz" rises between
half and four fifths of the training, and stays.

Where several annotators drew, a term that can learns from all their votes, the others from what
most say: which data are there decides, nothing is switched.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from maskwright.core import parts
from maskwright.core.errors import ConfigError

LOSSES = "maskwright.nn.losses"
SHORT = {"ce": "cross_entropy"}

Term = Callable[[Tensor, Tensor], Tensor]
"""logits_BKHW and labels_BHW, or votes_BAHW, to a scalar: what a part builds."""

_NUMBER = r"(\d+(?:\.(?!\.)\d*)?|\.\d+)"
_TERM = re.compile(
    rf"(?:{_NUMBER}(?:\.\.{_NUMBER}(?:@{_NUMBER}\.\.{_NUMBER})?)?\*)?([a-z_]\w*)"
)


class LossFunction(Protocol):
    """Logits, labels and, where several annotators drew, their votes to a scalar."""

    def __call__(
        self, logits_BKHW: Tensor, labels_BHW: Tensor, votes_BAHW: Tensor | None = None, /
    ) -> Tensor:
        """Float32, or float64 where the logits are."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A factor that goes from `first` to `last` while progress goes from `begin` to `end`."""

    first: float
    last: float
    begin: float = 0.0
    end: float = 1.0

    def at(self, progress: float) -> float:
        """The factor when this share, 0 to 1, of the training is done."""
        passed = (progress - self.begin) / (self.end - self.begin)
        return self.first + (self.last - self.first) * min(max(passed, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Loss:
    """A sum of losses; called without saying when, it has the weights of the end.

    A term is its weight, its loss of labels, and its loss of votes if it has one.
    """

    terms: tuple[tuple[Weight, Term, Term | None], ...]

    def __call__(
        self, logits_BKHW: Tensor, labels_BHW: Tensor, votes_BAHW: Tensor | None = None
    ) -> Tensor:
        """The sum at the end of training, in float32 (float64 stays)."""
        return self.at(1.0)(logits_BKHW, labels_BHW, votes_BAHW)

    def at(self, progress: float) -> LossFunction:
        """The sum when this share, 0 to 1, of the training is done."""
        weighted = [(w.at(progress), labels, votes) for w, labels, votes in self.terms]

        def total(
            logits_BKHW: Tensor, labels_BHW: Tensor, votes_BAHW: Tensor | None = None
        ) -> Tensor:
            if logits_BKHW.dtype != torch.float64:
                logits_BKHW = logits_BKHW.float()
            values = [
                weight * of_labels(logits_BKHW, labels_BHW)
                if of_votes is None or votes_BAHW is None
                else weight * of_votes(logits_BKHW, votes_BAHW)
                for weight, of_labels, of_votes in weighted
            ]
            return sum(values[1:], start=values[0])

        return total


def parse_terms(text: str) -> dict[str, Weight]:
    """Loss names and their weights, in the order written.

    Raises:
        ConfigError: Not a sum of `name`, `number*name` and so on (see the module); a name
            twice; a weight that is 0 throughout; a part of training that is none.
        UnknownNameError: No such loss.
    """
    terms: dict[str, Weight] = {}
    for piece in text.replace(" ", "").split("+"):
        match = _TERM.fullmatch(piece)
        if match is None:
            raise ConfigError(
                f"loss {text!r}: cannot read {piece!r}; write a sum such as 'ce+dice', "
                f"'1*focal+0.5*lovasz' or, rising in training, 'dice+0..0.1*boundary'"
            )
        name = SHORT.get(match[5], match[5])
        parts.load(LOSSES, name)
        first = float(match[1] or 1)
        weight = Weight(
            first, float(match[2] or first), float(match[3] or 0), float(match[4] or 1)
        )
        if name in terms or max(weight.first, weight.last) <= 0:
            raise ConfigError(f"loss {text!r}: {piece!r} is repeated or not positive")
        if not 0 <= weight.begin < weight.end <= 1:
            raise ConfigError(
                f"loss {text!r}: {piece!r} moves from {weight.begin:g} to {weight.end:g} of "
                f"the training; give two rising shares from 0 to 1"
            )
        terms[name] = weight
    return terms


def build_loss(
    text: str, config: dict[str, dict[str, Any]], class_weights_K: Tensor | None
) -> Loss:
    """The weighted sum that `text` names.

    Args:
        text: See the module docstring.
        config: Settings by loss name, say `{"focal": {"gamma": 1.5}}`.
        class_weights_K: K positive numbers, or None.
    """
    terms = parse_terms(text)
    foreign = sorted(set(config) - set(terms))
    if foreign:
        raise ConfigError(f"loss.config has {foreign}, which loss {text!r} does not use")
    return Loss(
        tuple(
            (weight, *_build(name, config.get(name, {}), class_weights_K))
            for name, weight in terms.items()
        )
    )


def _build(
    name: str, config: dict[str, Any], class_weights_K: Tensor | None
) -> tuple[Term, Term | None]:
    part = parts.load(LOSSES, name)
    settings = parts.configure(part, config, where=f"loss.config.{name}")
    for_votes = getattr(part, "build_for_votes", None)
    of_votes = None if for_votes is None else for_votes(settings, class_weights_K)
    return part.build(settings, class_weights_K), of_votes
