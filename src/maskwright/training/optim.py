"""The optimizer and its parameter groups, the learning-rate curve, the average of weights."""

import math
import re

import torch
from torch import Tensor, nn

from .recipe import OptimOptions


def make_optimizer(model: nn.Module, options: OptimOptions) -> torch.optim.AdamW:
    """Make AdamW (Loshchilov and Hutter 2019), without decay of biases and norms.

    Encoder parameters learn at `lr * encoder_lr_ratio * layer_decay ** depth`, where depth
    counts the encoder's blocks from its last one back (Bao et al. 2022, section 2.5).
    """
    depth = _encoder_depths(model)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        in_encoder = name in depth
        ratio = (
            options.encoder_lr_ratio * options.layer_decay ** depth[name] if in_encoder else 1.0
        )
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((options.lr * ratio, decay), []).append(parameter)
    param_groups: list[dict[str, object]] = [
        {"params": parameters, "lr": lr, "peak_lr": lr, "weight_decay": decay}
        for (lr, decay), parameters in groups.items()
    ]
    return torch.optim.AdamW(param_groups, lr=options.lr, foreach=True)


def compute_lr_ratio(step: int, num_steps: int, options: OptimOptions) -> float:
    """Compute the share of the peak learning rate at `step`: linear warm-up, then down to 0.

    "poly" is (1 - t)^0.9 (Liu et al. 2015), "cosine" half a cosine (Loshchilov and Hutter
    2017), with t the share of the steps after the warm-up.
    """
    warmup = max(1, round(options.warmup_ratio * num_steps))
    if step < warmup:
        return (step + 1) / warmup
    t = (step - warmup) / max(1, num_steps - warmup)
    return (1 - t) ** 0.9 if options.schedule == "poly" else (1 + math.cos(math.pi * t)) / 2


def set_lr(optimizer: torch.optim.Optimizer, ratio: float) -> None:
    """Scale every group's peak learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * ratio


LARGEST_USUAL_LR = 1e-2
"""AdamW rarely stays finite with more."""


def explain_learning_rate(lr: float) -> str:
    """What to do about a learning rate with which training did not stay finite."""
    lower = min(lr / 3, LARGEST_USUAL_LR)
    return f"lower the learning rate (--set optim.lr={lower:.2g})"


class MovingAverage:
    """Exponential moving average of a model's floating-point state, batch statistics included.

    The decay rises as (1 + step) / (10 + step) up to `decay`, so that early weights are
    forgotten (as in TensorFlow's ExponentialMovingAverage with num_updates).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Update the average from `model` after optimizer step number `step`, the first 1."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        averages, values = [], []
        for key, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                averages.append(self.state[key])
                values.append(value)
            else:
                self.state[key].copy_(value)
        torch._foreach_lerp_(averages, values, weight)


def _encoder_depths(model: nn.Module) -> dict[str, int]:
    """Depth of each encoder parameter: 0 in the last block, rising towards the input."""
    names = [n for n, _ in model.named_parameters() if ".encoder." in f".{n}"]
    blocks: list[str] = []
    for name in names:
        block = _block_name(name)
        if block not in blocks:
            blocks.append(block)
    return {name: len(blocks) - 1 - blocks.index(_block_name(name)) for name in names}


def _block_name(name: str) -> str:
    """The name of a parameter up to its second index or its leaf: "features.3", "layer1.0"."""
    inside = name.split("encoder.", 1)[1]
    match = re.match(r"(?:model\.)?[A-Za-z_]+\d*(?:\.[A-Za-z_]*\d+)?", inside)
    return match[0] if match else inside
