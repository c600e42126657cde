"""Widths: a network with fewer channels than its architecture gives it, as pruning leaves it.

`Widths` has for each layer that was narrowed its outputs and its inputs, by its path in the
network: `{"encoder.layer1.0.conv1": (48, 64)}`; 0 leaves what the architecture gives, which
for the last layer is the number of classes. A normalisation and a PReLU have one number of
channels, written twice. Depthwise convolutions stay depthwise.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from maskwright.core.errors import BundleError

Widths = Mapping[str, tuple[int, int]]

OUT, IN = "out", "in"
Side = tuple[str, str]
"""The path of a layer, and whether its outputs or its inputs are meant."""

MIXING = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers whose outputs and inputs are different channels, unless they are depthwise."""

LAYERS = (*MIXING, nn.BatchNorm2d, nn.PReLU)
"""Layers that can be narrowed."""


def is_depthwise(layer: nn.Module) -> bool:
    """Whether each output of a convolution has one input of its own."""
    if not isinstance(layer, nn.Conv2d) or layer.groups == 1:
        return False
    return layer.groups == layer.in_channels == layer.out_channels


def find_axes(layer: nn.Module) -> tuple[int, int | None]:
    """The axes of outputs and inputs in the weight of a layer; None where there is one."""
    if isinstance(layer, nn.ConvTranspose2d):
        return 1, 0
    if isinstance(layer, MIXING) and not is_depthwise(layer):
        return 0, 1
    return 0, None


def narrow_layers(network: nn.Module, widths: Widths) -> None:
    """Leave the first channels of each layer, as many as `widths` say.

    Raises:
        BundleError: A layer is not in the network, or cannot be narrowed to its widths.
    """
    layers = dict(network.named_modules())
    for path, (num_outputs, num_inputs) in widths.items():
        layer = layers.get(path)
        if not isinstance(layer, LAYERS):
            raise BundleError(
                f"widths of {path!r}: {type(network).__name__} has no such layer to narrow; "
                f"train or export the model again"
            )
        outputs, inputs = count_channels(layer)
        wanted = (num_outputs or outputs, num_inputs or inputs)
        if not (0 < wanted[0] <= outputs and 0 < wanted[1] <= inputs):
            raise BundleError(
                f"widths of {path!r} are {wanted[0]} outputs of {wanted[1]} inputs, the "
                f"architecture gives {outputs} of {inputs}; expected no more, and at least 1"
            )
        _narrow(layer, *wanted)


def count_channels(layer: nn.Module) -> tuple[int, int]:
    """The outputs and the inputs of a layer; the channels, twice, where they are one."""
    given: Any = layer
    if isinstance(layer, nn.Linear):
        return given.out_features, given.in_features
    if isinstance(layer, MIXING):
        return given.out_channels, given.in_channels
    channels = given.num_parameters if isinstance(layer, nn.PReLU) else given.num_features
    return channels, channels


def _list_tensors(layer: nn.Module) -> list[tuple[str, Tensor]]:
    """The tensors of a layer that have channels, by name: all but counters of batches."""
    tensors = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
    return [(name, value) for name, value in tensors if value.ndim]


def _narrow(layer: Any, num_outputs: int, num_inputs: int) -> None:
    output_axis, input_axis = find_axes(layer)
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = num_outputs, num_inputs
    elif isinstance(layer, MIXING):
        if is_depthwise(layer):
            layer.groups = num_outputs
        layer.out_channels, layer.in_channels = num_outputs, num_inputs
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = num_outputs
    else:
        layer.num_features = num_outputs
    for name, value in _list_tensors(layer):
        first = value.detach()
        if name == "weight" and input_axis is not None:
            first = first.narrow(output_axis, 0, num_outputs).narrow(input_axis, 0, num_inputs)
        else:
            first = first.narrow(0, 0, num_outputs)
        first = first.clone()
        if isinstance(value, nn.Parameter):
            setattr(layer, name, nn.Parameter(first, requires_grad=value.requires_grad))
        else:
            setattr(layer, name, first)


def keep_channels(
    network: nn.Module, kept: Mapping[Side, Sequence[int]]
) -> tuple[Widths, dict[str, Tensor]]:
    """The widths and the state dict of a network that keeps these channels of some layers.

    Layers of one number of channels have the side `OUT` alone.
    """
    widths: dict[str, tuple[int, int]] = {}
    tensors = dict(network.state_dict())
    for (path, side), positions in kept.items():
        layer, index = network.get_submodule(path), torch.tensor(positions)
        num_outputs, num_inputs = widths.get(path, (0, 0))
        axes = find_axes(layer)
        if side == IN:
            widths[path] = (num_outputs, len(positions))
        else:
            both = axes[1] is None
            widths[path] = (len(positions), len(positions) if both else num_inputs)
        for name, _ in _list_tensors(layer):
            axis = axes[side == IN] if name == "weight" else 0 if side == OUT else None
            if axis is None:
                continue
            key = f"{path}.{name}" if path else name
            if key in tensors:
                tensors[key] = tensors[key].index_select(axis, index)
    return widths, tensors


def join_widths(old: Widths, new: Widths) -> dict[str, tuple[int, int]]:
    """The widths of a network that was narrowed twice; the later ones count."""
    joined = dict(old)
    for path, (num_outputs, num_inputs) in new.items():
        before = old.get(path, (0, 0))
        joined[path] = (num_outputs or before[0], num_inputs or before[1])
    return joined
