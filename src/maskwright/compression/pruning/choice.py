"""Choice of the channels that a smaller network keeps.

Channels are removed in the order of their importance, by Taylor relative to the multiplications
that they cost. Those of the same layers stay in multiples of 8, as engines like them, and at
least a tenth of them stays.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maskwright.core.errors import ConfigError
from maskwright.nn.channels import ChannelMap
from maskwright.nn.widths import IN, OUT, Side

from .importance import Scores

MULTIPLE = 8
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class ChannelChoice:
    """Chooses which channels of a network to keep; `scores` are those of `found.channels`."""

    found: ChannelMap
    scores: Scores

    @classmethod
    def by_cost(cls, found: ChannelMap, scores: Scores) -> "ChannelChoice":
        """Divide the scores by the multiplications that a channel costs."""
        costs = np.array(
            [
                sum(
                    found.layer_ops.get(path, 0) * len(at) / found.sizes[path][side == IN]
                    for (path, side), at in channel.places
                )
                for channel in found.channels
            ]
        )
        return cls(found, np.where(costs > 0, scores / np.maximum(costs, 1), np.inf))

    def reach(self, share: float, *, name: str) -> dict[Side, tuple[int, ...]]:
        """The channels that each side keeps so that at most `share` of the work is left.

        Raises:
            ConfigError: More has to stay; the message says how much, `name` is the network.
        """
        low, high = 0, len(self._order)
        most = share * self.found.total_ops
        if self.count_ops(self._keep(high)) > most:
            raise ConfigError(self._explain(share, name))
        while low < high:
            middle = (low + high) // 2
            if self.count_ops(self._keep(middle)) > most:
                low = middle + 1
            else:
                high = middle
        return self._keep(low)

    def count_ops(self, kept: dict[Side, tuple[int, ...]]) -> float:
        """Multiplications of the network with these channels."""
        total = float(self.found.other_ops)
        for path, num in self.found.layer_ops.items():
            sizes = zip((OUT, IN), self.found.sizes[path], strict=True)
            shares = [
                len(kept[path, side]) / size for side, size in sizes if (path, side) in kept
            ]
            total += num * math.prod(shares)
        return total

    @cached_property
    def _order(self) -> Sequence[int]:
        """The channels that can be removed at all, the least important first."""
        order: list[int] = np.argsort(self.scores, kind="stable").tolist()
        return [index for index in order if np.isfinite(self.scores[index])]

    @cached_property
    def _groups(self) -> list[list[int]]:
        """Channels of the same layers, the least important of each group first."""
        groups: dict[tuple[Side, ...], list[int]] = defaultdict(list)
        for index in self._order:
            groups[self.found.channels[index].sides].append(index)
        return list(groups.values())

    def _keep(self, num_removed: int) -> dict[Side, tuple[int, ...]]:
        """What is kept without the first channels in order, but for what has to stay."""
        wanted, removed = set(self._order[:num_removed]), []
        for group in self._groups:
            stay = sum(index not in wanted for index in group)
            stay = max(stay, MULTIPLE, math.ceil(LEAST_SHARE * len(group)))
            stay = min(len(group), math.ceil(stay / MULTIPLE) * MULTIPLE)
            removed += group[: len(group) - stay]
        gone: dict[Side, set[int]] = defaultdict(set)
        for index in removed:
            for side, positions in self.found.channels[index].places:
                gone[side].update(positions)
        return {
            (path, side): tuple(
                at for at in range(self.found.sizes[path][side == IN]) if at not in lost
            )
            for (path, side), lost in gone.items()
        }

    def _explain(self, share: float, name: str) -> str:
        least = self.count_ops(self._keep(len(self._order))) / self.found.total_ops
        fixed = 1 - self._find_free_share()
        why = (
            "no channel of it can be removed"
            if not self._order
            else f"{fixed:.0%} of its work is in layers whose channels other operations mix "
            f"(attention, normalisation over channels), and of every layer a tenth stays, at "
            f"least {MULTIPLE} channels"
        )
        return (
            f"{name}: {share:.0%} of its multiplications are wanted, and {least:.0%} are the "
            f"least that pruning reaches: {why}; choose a larger share, or train a smaller "
            f"network that learns from this one (maskwright distil)"
        )

    def _find_free_share(self) -> float:
        """The share of the work of layers of which channels can be removed."""
        free = {path for index in self._order for path, _ in self.found.channels[index].sides}
        free_ops = sum(num for path, num in self.found.layer_ops.items() if path in free)
        return free_ops / max(1, self.found.total_ops)
