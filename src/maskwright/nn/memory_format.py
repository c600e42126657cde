"""Order of the values of a network in memory."""

from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def use_channels_last(model: ModuleT) -> ModuleT:
    """Keep the channels of a pixel side by side, which is faster on most machines.

    Dilated convolutions in groups keep the usual order on a CPU: there oneDNN's gradient of
    their weights is wrong in bfloat16 with channels last (values that were never written;
    measured with torch 2.13 and 2.15, groups of 1 and of 4 channels), while outputs and the
    gradient of the input are right.
    """
    model = model.to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and max(module.dilation) > 1:
            # one channel a group counts as both orders, so that contiguous() would do nothing
            module.weight.data = module.weight.data.clone(memory_format=torch.contiguous_format)
            module.register_forward_pre_hook(_use_usual_order)
    return model


def _use_usual_order(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x_BCHW, *rest = inputs
    return (x_BCHW.contiguous() if x_BCHW.device.type == "cpu" else x_BCHW, *rest)
