"""Weights and outputs of the library's networks, to compare ours with."""

import re

import torch
from torch import nn


def renamed(state, names):
    """Keys by their first matching beginning; packed projections taken apart."""
    found = {}
    for key, value in state.items():
        old = next((old for old in names if key.startswith(old)), None)
        if old is not None:
            found[names[old] + key.removeprefix(old)] = value
    return found


def packed(state, parts, name):
    """Tensors whose keys differ in one of `parts`, concatenated under `name`."""
    first, *others = parts
    found = {}
    for key, value in state.items():
        if first in key:
            tensors = [value, *(state[key.replace(first, other)] for other in others)]
            found[key.replace(first, name)] = torch.cat(tensors)
        elif not any(other in key for other in others):
            found[key] = value
    return found


def translated(state, patterns):
    """Keys after all substitutions of regular expressions, in their order."""
    found = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in patterns.items():
            name = re.sub(pattern, replacement, name)
        found[name] = value
    return found


def randomised(network):
    """Norms and biases too, which start at 1 and 0 and so would hide a mistake."""
    for parameter in network.parameters():
        if parameter.ndim < 2:
            nn.init.normal_(parameter, mean=0.5, std=0.3)
    return network.eval()


def scores_of(queries_logits, masks_logits):
    """Semantic post-processing of the library, at the network's own size."""
    masks = nn.functional.interpolate(masks_logits, scale_factor=4, mode="bilinear")
    classes = queries_logits.softmax(-1)[..., :-1]
    return torch.einsum("bqc,bqhw->bchw", classes, masks.sigmoid())
