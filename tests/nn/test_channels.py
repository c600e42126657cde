"""Channels that belong together: without them, a network is one that does not read them."""

from collections import defaultdict
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from maskwright.core import parts
from maskwright.core.errors import BundleError
from maskwright.nn.build import new_model
from maskwright.nn.channels import map_channels
from maskwright.nn.protocols import ARCHS
from maskwright.nn.widths import (
    IN,
    OUT,
    find_axes,
    is_depthwise,
    join_widths,
    keep_channels,
    narrow_layers,
)

from ..small_archs import small_arch

EACH_KIND = ("enet", "lraspp", "pidnet_s", "segformer", "segnet")
"""PReLU, depthwise layers, scaled channels, two branches, linear layers and unpooling; the
others run in `make test-slow`."""

CASES = [
    pytest.param(name, marks=() if name in EACH_KIND else pytest.mark.long)
    for name in parts.names(ARCHS)
]


class Joined(nn.Module):
    """Two layers whose sum stands beside a third: 4 and 3 channels for the last."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)
        self.c = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(7)
        self.last = nn.Conv2d(7, 2, 1)

    def forward(self, x):
        return self.last(self.norm(torch.cat([self.a(x) + self.b(x), self.c(x)], 1)))


def test_a_sum_joins_channels_and_a_concatenation_puts_them_side_by_side():
    found = map_channels(Joined(), 1)
    places = sorted(sorted(one.places) for one in found.channels)
    assert len(places) == 7
    sums = [(("a", OUT), (0,)), (("b", OUT), (0,)), (("last", IN), (0,)), (("norm", OUT), (0,))]
    assert places[0] == sums
    assert places[6] == [(("c", OUT), (2,)), (("last", IN), (6,)), (("norm", OUT), (6,))]
    assert found.layer_ops["last"] == 2 * 62 * 94 * 7 * 2  # two images, each without a border
    assert found.other_ops == 0


class Mixed(Joined):
    """The mean over the channels of the sum reads all of them."""

    def forward(self, x):
        joined = self.a(x) + self.b(x)
        mixed = joined - joined.mean(1, keepdim=True)
        return self.last(self.norm(torch.cat([mixed, self.c(x)], 1)))


def test_a_channel_that_is_mixed_outside_of_a_layer_is_fixed():
    sides = {one.sides for one in map_channels(Mixed(), 1).channels}
    assert {path for one in sides for path, _ in one} == {"c", "norm", "last"}


def remove(network, chosen, found):
    """The network without the channels `chosen`: narrowed, and filled."""
    gone = defaultdict(set)
    for channel in chosen:
        for side, positions in channel.places:
            gone[side].update(positions)
    kept = {
        (path, side): [i for i in range(found.sizes[path][side == IN]) if i not in lost]
        for (path, side), lost in gone.items()
    }
    widths, tensors = keep_channels(network, kept)
    narrow = deepcopy(network)
    narrow_layers(narrow, widths)
    narrow.load_state_dict(tensors)
    return narrow


@torch.no_grad()
def silence(network, chosen):
    """Set to zero the weights that read the channels `chosen`."""
    for channel in chosen:
        for (path, side), positions in channel.places:
            layer = network.get_submodule(path)
            if side == IN and not is_depthwise(layer):
                layer.weight.movedim(find_axes(layer)[1], 0)[list(positions)] = 0


def run(network, x_BCHW, *, training):
    network.train(training)
    for module in network.modules():
        if "Drop" in type(module).__name__:
            module.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        return tree_leaves(network(x_BCHW))


@pytest.mark.parametrize("name", CASES)
def test_a_network_without_channels_is_one_that_does_not_read_them(name):
    torch.manual_seed(0)
    network = new_model(small_arch(name, "mobilenet_v2"), 3, 3).network
    found = map_channels(network, 3)
    network.double()  # in training, normalisation over few values enlarges rounding
    by_sides = defaultdict(list)
    for one in found.channels:
        by_sides[one.sides].append(one)
    chosen = [one for ones in by_sides.values() for one in ones[: len(ones) // 3]]
    narrow = remove(network, chosen, found)
    silence(network, chosen)
    x_BCHW = torch.rand(2, 3, 96, 64, dtype=torch.float64)
    for training in (False, True):
        outputs = (run(one, x_BCHW, training=training) for one in (network, narrow))
        for expected, given in zip(*outputs, strict=True):
            torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-6)
    sizes = (sum(p.numel() for p in one.parameters()) for one in (narrow, network))
    assert next(sizes) < 0.8 * next(sizes)


def test_widths_that_a_layer_cannot_have_are_refused():
    with pytest.raises(BundleError, match=r"widths of 'd': Joined has no such layer to narrow"):
        narrow_layers(Joined(), {"d": (1, 1)})
    with pytest.raises(BundleError, match=r"'c' are 4 outputs of 1 inputs, .* gives 3 of 1"):
        narrow_layers(Joined(), {"c": (4, 0)})


def test_later_widths_count():
    assert join_widths({"a": (4, 0), "b": (2, 2)}, {"a": (3, 5)}) == {"a": (3, 5), "b": (2, 2)}
