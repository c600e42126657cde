"""Run the engine before the first request, and measure how many images a batch should have."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...inference.predictor import Predictor
from .batches import MAX_BATCH_PX

_NUM_RUNS = 3
"""Of each batch; the fastest counts, since other work on the machine only makes it slower."""

_WORTH_RATIO = 0.9
"""A larger batch is taken where an image then takes less than this share of its time."""

_MOST_S = 2.0
"""A batch that takes longer is not enlarged: others would wait for it."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """A size that was warmed up and the best batch of it."""

    size_HW: tuple[int, int]
    batch: int


def warm_up(model: Predictor, sizes: Iterable[tuple[int, int]]) -> list[WarmUp]:
    """Run each size of image in batches of 1, 2, 4 ... while a larger one saves time.

    Sizes that are cut into tiles have batches of their own, see `TilePlan`, and run once.
    """
    return [
        WarmUp(_find_shape(model, size_HW), _find_batch(model, size_HW))
        for size_HW in sizes
        if model.tiling.plan(model.engine, model.card, size_HW) is None
    ]


def _find_shape(model: Predictor, size_HW: tuple[int, int]) -> tuple[int, int]:
    """The input of the network for an image of this size."""
    if model.engine.size_HW is not None:
        return model.engine.size_HW
    multiple = model.engine.size_multiple
    height, width = model.card.input.network_size(size_HW)
    return height + -height % multiple, width + -width % multiple


def _find_batch(model: Predictor, size_HW: tuple[int, int]) -> int:
    height, width = _find_shape(model, size_HW)
    best, best_s = 1, float("inf")
    batch = 1
    while batch <= min(model.engine.max_batch, MAX_BATCH_PX // (height * width) or 1):
        x_BCHW = np.zeros((batch, model.card.input.channels, height, width), np.float32)
        model.engine(x_BCHW)  # the first run of a size allocates
        taken_s = min(_time(model, x_BCHW) for _ in range(_NUM_RUNS))
        if taken_s / batch >= _WORTH_RATIO * best_s:
            break
        best, best_s = batch, taken_s / batch
        if 2 * taken_s > _MOST_S:
            break
        batch *= 2
    return best


def _time(model: Predictor, x_BCHW: NDArray[np.float32]) -> float:
    began_s = time.perf_counter()
    model.engine(x_BCHW)
    return time.perf_counter() - began_s
