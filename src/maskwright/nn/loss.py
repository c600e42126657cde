"""Sums of losses, written as people write them: "ce+dice", "1*focal + 0.5*lovasz".

A weight may change linearly during training: "dice + 0..0.1*boundary" rises from 0 to 0.1,
"1..0*dice + 0..1*boundary" moves from one loss to the other, and "ce + 0..1@0.5..0.8*lovasz"
rises between 50 % and 80 % of the training and then stays.

With several annotators, losses that offer `build_for_votes` use every vote; the others use the
majority label. This depends on the data alone; there is no setting.
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from maskwright.core import parts
from maskwright.core.errors import ConfigError

from .protocols import LOSSES, LossPart, PixelLoss

SHORT = {"ce": "cross_entropy"}

_NUMBER = r"(\d+(?:\.(?!\.)\d*)?|\.\d+)"
_TERM = re.compile(
    rf"(?:{_NUMBER}(?:\.\.{_NUMBER}(?:@{_NUMBER}\.\.{_NUMBER})?)?\*)?([a-z_]\w*)"
)


class LossFunction(Protocol):
    """A loss of logits, labels and, with several annotators, their votes."""

    def __call__(
        self, logits_BKHW: Tensor, labels_BHW: Tensor, votes_BAHW: Tensor | None = None, /
    ) -> Tensor:
        """A scalar, float64 if the logits are, else float32."""


@dataclass(frozen=True, slots=True)
class WeightSchedule:
    """A weight that changes linearly from `first` to `last` between `begin` and `end`.

    `begin` and `end` are shares of the training in [0, 1]; before and after them the weight is
    constant.
    """

    first: float
    last: float
    begin: float = 0.0
    end: float = 1.0

    def at(self, progress: float) -> float:
        """The weight when the share `progress`, in [0, 1], of the training is done."""
        passed = (progress - self.begin) / (self.end - self.begin)
        return self.first + (self.last - self.first) * min(max(passed, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One summand: its weight, its loss of labels and, if it offers one, its loss of votes."""

    weight: WeightSchedule
    of_labels: PixelLoss
    of_votes: PixelLoss | None


@dataclass(frozen=True, slots=True)
class LossSum:
    """A weighted sum of losses; a `LossFunction` with the weights of the end of training."""

    terms: tuple[LossTerm, ...]

    def __call__(
        self, logits_BKHW: Tensor, labels_BHW: Tensor, votes_BAHW: Tensor | None = None
    ) -> Tensor:
        """The sum with the weights of the end of training, in float32 (float64 stays)."""
        return self.at(1.0)(logits_BKHW, labels_BHW, votes_BAHW)

    def at(self, progress: float) -> LossFunction:
        """The sum with the weights when the share `progress`, in [0, 1], is done."""
        weighted = [(t.weight.at(progress), t.of_labels, t.of_votes) for t in self.terms]

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


def parse_terms(text: str) -> dict[str, WeightSchedule]:
    """Loss names and their weights, in the order written.

    Raises:
        ConfigError: Not a sum of `name`, `number*name` and so on (see the module docstring); a
            name twice; a weight that is never above 0; an interval of the training that is
            empty or not in [0, 1].
        UnknownNameError: No such loss.
    """
    terms: dict[str, WeightSchedule] = {}
    for piece in text.replace(" ", "").split("+"):
        match = _TERM.fullmatch(piece)
        if match is None:
            raise ConfigError(
                f"loss {text!r}: cannot read {piece!r}; write a sum such as 'ce+dice', "
                f"'1*focal+0.5*lovasz' or, rising in training, 'dice+0..0.1*boundary'"
            )
        name = SHORT.get(match[5], match[5])
        load_loss_part(name)
        first = float(match[1] or 1)
        weight = WeightSchedule(
            first, float(match[2] or first), float(match[3] or 0), float(match[4] or 1)
        )
        if name in terms or max(weight.first, weight.last) <= 0:
            raise ConfigError(f"loss {text!r}: {piece!r} is repeated or never above 0")
        if not 0 <= weight.begin < weight.end <= 1:
            raise ConfigError(
                f"loss {text!r}: {piece!r} changes from {weight.begin:g} to {weight.end:g} "
                f"of the training; expected two rising numbers from 0 to 1"
            )
        terms[name] = weight
    return terms


def build_loss(
    text: str, config: dict[str, dict[str, Any]], class_weights_K: Tensor | None
) -> LossSum:
    """The weighted sum that `text` names.

    Args:
        text: See the module docstring.
        config: Settings by loss name, for example `{"focal": {"gamma": 1.5}}`.
        class_weights_K: K positive numbers, or None.

    Raises:
        ConfigError: `text` is malformed (see `parse_terms`), or a setting is unknown or wrong.
        UnknownNameError: No such loss.
    """
    schedules = parse_terms(text)
    foreign = sorted(set(config) - set(schedules))
    if foreign:
        raise ConfigError(f"loss.config has {foreign}, which loss {text!r} does not use")
    return LossSum(
        tuple(
            _build_term(name, weight, config.get(name, {}), class_weights_K)
            for name, weight in schedules.items()
        )
    )


def load_loss_part(name: str) -> LossPart:
    """The file of `nn.losses` called `name`.

    Raises:
        UnknownNameError: No such loss.
    """
    return parts.load(LOSSES, name, like=LossPart)


def _build_term(
    name: str, weight: WeightSchedule, config: dict[str, Any], class_weights_K: Tensor | None
) -> LossTerm:
    part = load_loss_part(name)
    settings = parts.configure(part, config, where=f"loss.config.{name}")
    return LossTerm(
        weight,
        of_labels=part.build(settings, class_weights_K),
        of_votes=part.build_for_votes(settings, class_weights_K),
    )
