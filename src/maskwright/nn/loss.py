"""Sums of losses, written as people write them: "ce+dice", "1*focal + 0.5*lovasz"."""

import re
from collections.abc import Callable
from typing import Any

from torch import Tensor

from maskwright.core import parts
from maskwright.core.errors import ConfigError

LOSSES = "maskwright.nn.losses"
SHORT = {"ce": "cross_entropy"}

LossFunction = Callable[[Tensor, Tensor], Tensor]


def parse_terms(text: str) -> dict[str, float]:
    """Loss names and their weights, in the order written.

    Raises:
        ConfigError: Not a sum of `name` or `number*name`; a name twice; a weight <= 0.
        UnknownNameError: No such loss.
    """
    terms: dict[str, float] = {}
    for piece in text.replace(" ", "").split("+"):
        match = re.fullmatch(r"(?:(\d+\.?\d*|\.\d+)\*)?([a-z_]\w*)", piece)
        if match is None:
            raise ConfigError(
                f"loss {text!r}: cannot read {piece!r}; write a sum such as 'ce+dice' or "
                f"'1*focal+0.5*lovasz'"
            )
        name = SHORT.get(match[2], match[2])
        parts.load(LOSSES, name)
        if name in terms or float(match[1] or 1) <= 0:
            raise ConfigError(f"loss {text!r}: {piece!r} is repeated or not positive")
        terms[name] = float(match[1] or 1)
    return terms


def build_loss(
    text: str, config: dict[str, dict[str, Any]], class_weights_K: Tensor | None
) -> LossFunction:
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
    losses = [
        (weight, _build(name, config.get(name, {}), class_weights_K))
        for name, weight in terms.items()
    ]

    def total(logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        logits_BKHW = logits_BKHW.float()
        values = [weight * loss(logits_BKHW, labels_BHW) for weight, loss in losses]
        return sum(values[1:], start=values[0])

    return total


def _build(name: str, config: dict[str, Any], class_weights_K: Tensor | None) -> LossFunction:
    part = parts.load(LOSSES, name)
    settings = parts.configure(part, config, where=f"loss.config.{name}")
    function: LossFunction = part.build(settings, class_weights_K)
    return function
