"""Group normalisation in the place of batch normalisation, Wu and He 2018 (arXiv:1803.08494).

For batches of one or two images, whose statistics are too rough to normalise by. What an
encoder learnt with batch normalisation is scaled by other statistics afterwards, and has to be
learnt again in part.
"""

import math

from torch import nn

MAX_GROUPS = 32


def with_group_norm(network: nn.Module) -> nn.Module:
    """`network` with each BatchNorm2d turned into GroupNorm; scale and shift stay.

    At most 32 groups, of two channels at least: a group of one value has no spread.
    """
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _grouped(child))
    return network


def _grouped(norm: nn.BatchNorm2d) -> nn.Module:
    """Some libraries put the activation into their subclass; it comes after the groups."""
    channels = norm.num_features
    groups = math.gcd(channels, MAX_GROUPS)
    groups = groups // 2 if groups == channels and groups > 1 else groups
    found = nn.GroupNorm(groups, channels, eps=norm.eps, affine=norm.affine)
    if norm.affine:
        found.load_state_dict({"weight": norm.weight, "bias": norm.bias})
    after = [child for _, child in norm.named_children()]
    return nn.Sequential(found, *after) if after else found
