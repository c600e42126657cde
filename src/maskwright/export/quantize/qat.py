"""Quantisation-aware training: a graph of int8 learns to say what the network says.

The network is the teacher: the graph learns the shares of the classes at every pixel of random
crops of training images (Polino et al. 2018, arXiv:1802.05668), so that it stays a graph of
that network, and labels are not needed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div

from ...core.errors import ConfigError
from ...core.progress import Progress
from ...inference.engine import Engine
from ...inference.parity import Planes
from .onnxmodule import OnnxModule

DrawImage = Callable[[np.random.Generator], Planes]
"""Draws a training image, x_CHW as the network takes it."""

_CROP_PX = 256
_BATCH = 4
_LR = 5e-5
_SCALE_LR = 1e-3
_CLIP_NORM = 1.0
_CLOCK_STEPS = 100
"""The progress is told in so many parts of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QatOptions:
    """The time of the training, and its most steps; raises ConfigError for no time."""

    seconds: float
    most_steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ConfigError(f"--qat {self.seconds:g}s: expected a time above 0, such as 5m")


def train_graph(
    graph: OnnxModule,
    network: Engine,
    draw: DrawImage,
    options: QatOptions,
    progress: Progress,
) -> int:
    """Train the weights and scales of `graph` until the time is over; returns the steps.

    Crops have up to 256 px, those for a network of one size have that size. The rate falls to
    zero over the time.
    """
    rng = np.random.default_rng(options.seed)
    size_HW = network.size_HW or (_CROP_PX, _CROP_PX)
    rates = ((graph.weights, _LR), (graph.log_scales, _SCALE_LR))
    groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in rates]
    optimizer = torch.optim.Adam(groups)
    started_s, steps = time.monotonic(), 0
    shown = iter(progress(range(_CLOCK_STEPS), total=_CLOCK_STEPS, what="training int8"))
    told = next(shown, None)
    while not steps or (told is not None and steps != options.most_steps):
        passed = min(1.0, (time.monotonic() - started_s) / options.seconds)
        for group, (_, lr) in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = lr * (1 - passed)
        _step(graph, network, _draw_crops(draw, rng, size_HW), optimizer)
        steps += 1
        while told is not None and told < int(passed * _CLOCK_STEPS):
            told = next(shown, None)
    return steps


def _step(
    graph: OnnxModule, network: Engine, x_BCHW: Planes, optimizer: torch.optim.Optimizer
) -> None:
    """One step towards what the network says of the crops, in batches that it takes."""
    optimizer.zero_grad()
    for first in range(0, _BATCH, network.max_batch):
        part_BCHW = x_BCHW[first : first + network.max_batch]
        expected_BKhw = torch.from_numpy(network(part_BCHW))
        loss = _compare(graph(torch.from_numpy(part_BCHW)), expected_BKhw)
        torch.autograd.backward(loss * (len(part_BCHW) / _BATCH))
    nn.utils.clip_grad_norm_(graph.parameters(), _CLIP_NORM)
    optimizer.step()


def _compare(logits_BKhw: Tensor, expected_BKhw: Tensor) -> Tensor:
    """The mean divergence of the shares at a pixel."""
    given, wanted = (x.log_softmax(1) for x in (logits_BKhw, expected_BKhw))
    return kl_div(given, wanted, reduction="none", log_target=True).sum(1).mean()


def _draw_crops(draw: DrawImage, rng: np.random.Generator, size_HW: tuple[int, int]) -> Planes:
    """Crops of one size, at most `size_HW`, each mirrored or not: (B, C, H, W)."""
    images = [draw(rng) for _ in range(_BATCH)]
    height, width = (
        min(most, *(x.shape[axis] for x in images))
        for axis, most in zip((1, 2), size_HW, strict=True)
    )
    crops = []
    for x_CHW in images:
        top = int(rng.integers(x_CHW.shape[1] - height + 1))
        left = int(rng.integers(x_CHW.shape[2] - width + 1))
        crop_CHW = x_CHW[:, top : top + height, left : left + width]
        crops.append(crop_CHW[:, :, ::-1] if rng.random() < 0.5 else crop_CHW)
    return np.stack(crops)
