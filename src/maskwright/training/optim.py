"""The optimizer and its parameter groups, the learning-rate curve, the average of weights."""

import math
import re

import torch
from torch import Tensor, nn

from .recipe import OptimOptions

MATRICES = (
    nn.Linear,
    nn.modules.conv._ConvNd,
    nn.MultiheadAttention,
    nn.Bilinear,
    nn.RNNBase,
)
"""Modules whose parameters of two or more dimensions multiply features."""

POSITION_NETWORK = "cpb_mlp"
"""Part of the names of Swin V2's networks that give relative positions a bias."""


def make_optimizer(model: nn.Module, options: OptimOptions) -> torch.optim.Optimizer:
    """Make AdamW (Loshchilov and Hutter 2019) or SGD with momentum.

    Encoder parameters learn at `lr * encoder_lr_ratio * layer_decay ** depth`; for depth see
    `find_encoder_depths`. Only the parameters of `find_decayed` have weight decay.
    """
    depth, decayed = find_encoder_depths(model), find_decayed(model)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        in_encoder = name in depth
        ratio = (
            options.encoder_lr_ratio * options.layer_decay ** depth[name] if in_encoder else 1.0
        )
        decay = options.weight_decay if name in decayed else 0.0
        groups.setdefault((options.lr * ratio, decay), []).append(parameter)
    param_groups: list[dict[str, object]] = [
        {"params": parameters, "lr": lr, "peak_lr": lr, "weight_decay": decay}
        for (lr, decay), parameters in groups.items()
    ]
    if options.name == "sgd":
        return torch.optim.SGD(
            param_groups, lr=options.lr, momentum=options.momentum, foreach=True
        )
    return torch.optim.AdamW(param_groups, lr=options.lr, foreach=True)


def find_decayed(model: nn.Module) -> frozenset[str]:
    """Names of the parameters that have weight decay: the weights of linear and conv layers.

    The others are biases, normalisation, tables of positions, tokens, queries, factors of
    layers (layer scale), and what a network lists itself by timm's method `no_weight_decay`.
    Their size is no measure of complexity, and zero is not their natural value.
    """
    decayed, refused = set(), set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(prefix, recurse=False):
            if isinstance(module, MATRICES) and parameter.ndim > 1:
                decayed.add(name)
        listed = getattr(module, "no_weight_decay", None)
        if callable(listed):
            refused |= {f"{prefix}.{name}" if prefix else name for name in listed()}
    refused |= {name for name in decayed if POSITION_NETWORK in name}
    return frozenset(decayed - refused)


def compute_lr_ratio(step: int, num_steps: int, options: OptimOptions) -> float:
    """Compute the share of the peak learning rate at `step`: linear warm-up, then down to 0.

    "poly" is (1 - t)^0.9 (Liu et al. 2015), "linear" 1 - t, "cosine" half a cosine (Loshchilov
    and Hutter 2017), with t the share of the steps after the warm-up.
    """
    warmup = max(1, round(options.warmup_ratio * num_steps))
    if step < warmup:
        return (step + 1) / warmup
    t = (step - warmup) / max(1, num_steps - warmup)
    if options.schedule == "cosine":
        return (1 + math.cos(math.pi * t)) / 2
    return float((1 - t) ** (0.9 if options.schedule == "poly" else 1.0))


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


def find_encoder_depths(model: nn.Module) -> dict[str, int]:
    """Depth of each encoder parameter: 0 in the last block, 1 in the one before, and so on.

    What comes before the first block (patches, tokens, positions) has the depth of that block,
    a normalisation between two blocks that of the next, one after the last 0, as in EoMT's code
    (Kerssies et al. 2025); BEiT (Bao et al. 2022, section 2.5) begins one step later.
    """
    names = [n for n, _ in model.named_parameters() if ".encoder." in f".{n}"]
    blocks = [_find_block(name) for name in names]
    order = list(dict.fromkeys(block for block in blocks if block))
    depths, depth = {}, 0
    for name, block in zip(reversed(names), reversed(blocks), strict=True):
        depth = len(order) - 1 - order.index(block) if block else depth
        depths[name] = depth
    return depths


def _find_block(name: str) -> str:
    """The name of an encoder's block up to its index: "layer1.0", "blocks.3"; "" elsewhere."""
    inside = name.split("encoder.", 1)[1].removeprefix("model.")
    match = re.match(r"[A-Za-z_]\w*?(?:_\d+(?=\.)|\.[A-Za-z_]*\d+(?=\.))", inside)
    return match[0] if match else ""
