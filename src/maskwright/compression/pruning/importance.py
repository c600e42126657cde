"""Importance of channels: how the loss would change without them, or the size of their weights.

Taylor: the squared product of the weights of a channel and their gradients, summed over the
layers that make it (Molchanov et al. 2019, arXiv:1906.10771, eq. 8). Magnitude: the norm of its
weights, relative to the mean of the channels beside it (Li et al. 2017, arXiv:1608.08710).
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskwright.core.labels import IGNORE
from maskwright.nn.channels import Channel, ChannelMap
from maskwright.nn.widths import OUT, Side, find_axes

KINDS = ("taylor", "magnitude")

Scores = NDArray[np.float64]
"""One number for each channel of a ChannelMap."""


def measure_taylor(
    model: nn.Module,
    network: nn.Module,
    found: ChannelMap,
    samples: Iterable[tuple[Tensor, Tensor]],
) -> Scores:
    """The sum over samples, each x_BCHW with labels_BHW.

    `model` gives logits of the size of the labels, and is left in eval mode; `found` are the
    channels of `network` in it.
    """
    layers = _find_makers(network, found.channels)
    sums = {path: torch.zeros(found.sizes[path][0], dtype=torch.float64) for path in layers}
    model.eval()
    for x_BCHW, labels_BHW in samples:
        model.zero_grad()
        logits_BKHW = model(x_BCHW)
        loss = cross_entropy(logits_BKHW, labels_BHW, ignore_index=IGNORE)
        torch.autograd.backward(loss)
        for path, layer in layers.items():
            axis = find_axes(layer)[0]
            for name, value in layer.named_parameters(recurse=False):
                if value.grad is not None:
                    product = (value.detach() * value.grad).double()
                    moved = product.movedim(axis if name == "weight" else 0, 0)
                    sums[path] += moved.reshape(len(moved), -1).sum(1).square()
    model.zero_grad()
    return _sum_places(found.channels, {path: total.numpy() for path, total in sums.items()})


def measure_magnitude(network: nn.Module, found: ChannelMap) -> Scores:
    """The norm of the weights of each channel, 1 in the mean over the same layers."""
    squares = {}
    for path, layer in _find_makers(network, found.channels).items():
        squares[path] = np.zeros(found.sizes[path][0])
        for weight in list(layer.parameters(recurse=False))[:1]:
            moved = weight.detach().double().movedim(find_axes(layer)[0], 0)
            squares[path] = moved.reshape(len(moved), -1).square().sum(1).numpy()
    norms = np.sqrt(_sum_places(found.channels, squares))
    beside: dict[tuple[Side, ...], list[int]] = defaultdict(list)
    for index, channel in enumerate(found.channels):
        beside[channel.sides].append(index)
    for indices in beside.values():
        norms[indices] /= max(norms[indices].mean(), 1e-12)
    return norms


def _find_makers(network: nn.Module, channels: Iterable[Channel]) -> dict[str, nn.Module]:
    """The layers that make or scale channels."""
    paths = {path for one in channels for path, side in one.sides if side == OUT}
    return {path: network.get_submodule(path) for path in sorted(paths)}


def _sum_places(channels: Iterable[Channel], values: dict[str, Scores]) -> Scores:
    """The sum over the places of each channel where it is made or scaled."""
    return np.array(
        [
            sum(
                values[path][list(positions)].sum()
                for (path, side), positions in channel.places
                if side == OUT
            )
            for channel in channels
        ]
    )
