"""Channels: which channels of which layers of a network belong together.

What is called a Channel here can be taken out of all its layers together, and the network
computes what it computed without it. Channels that are mixed with their neighbours outside of a
layer, as by attention, a group normalisation or a mean over channels, are none.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from .channel_follower import ChannelFollower
from .widths import LAYERS, Side, count_channels

_INPUT_HW = (64, 96)


@dataclass(frozen=True, slots=True)
class Channel:
    """The places of one channel: side of a layer, and positions there."""

    places: tuple[tuple[Side, tuple[int, ...]], ...]

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides of layers in which it occurs."""
        return tuple(side for side, _ in self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMap:
    """The channels that can be removed, and the multiplications that layers take.

    `layer_ops` are those of each layer for the traced input, `other_ops` those of products
    outside of layers, as in attention; `sizes` are the outputs and inputs of each layer.
    """

    channels: tuple[Channel, ...]
    layer_ops: dict[str, int]
    other_ops: int
    sizes: dict[str, tuple[int, int]]

    @property
    def total_ops(self) -> int:
        """All multiplications."""
        return sum(self.layer_ops.values()) + self.other_ops


def map_channels(network: nn.Module, in_channels: int) -> ChannelMap:
    """Follow the channels of a network, in eval mode and in training."""
    network = deepcopy(network).cpu()
    follower = ChannelFollower(network)
    x_BCHW = torch.zeros(2, in_channels, *_INPUT_HW)
    for training in (False, True):
        follower.start(network, training=training)
        with torch.no_grad(), follower:
            outputs = network(x_BCHW)
        follower.fix(tree_leaves(outputs))
    channels = tuple(
        Channel(tuple((side, tuple(found)) for side, found in places.items()))
        for places in follower.list_places()
    )
    layers = {p: m for p, m in network.named_modules() if isinstance(m, LAYERS)}
    return ChannelMap(
        channels=channels,
        layer_ops={path: num for path, num in follower.ops.items() if path},
        other_ops=follower.ops.get("", 0),
        sizes={path: count_channels(layer) for path, layer in layers.items()},
    )
