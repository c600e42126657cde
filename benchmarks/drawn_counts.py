"""Counts of images for simulations: clips of images that err together; no pixels are drawn.

A clip (a group) of 3 to 13 images has six classes with 45 to 0.2 % of the pixels; the rarest
is in 40 % of the clips. Sizes and the shares of right pixels vary from clip to clip and, less,
from image to image. Missed pixels are predicted as the other classes of the image.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NAMES = (
    "truth",
    "predicted",
    "hit",
    "boundary_truth",
    "boundary_truth_near",
    "boundary_predicted",
    "boundary_predicted_near",
    "band_intersection",
    "band_union",
)
MOST_IMAGES = 13


@dataclass(frozen=True)
class World:
    """Shares of the classes, the shares of clips and of their images with each, and quality."""

    shares: tuple[float, ...] = (0.45, 0.30, 0.15, 0.07, 0.028, 0.002)
    in_clips: tuple[float, ...] = (1, 1, 1, 0.9, 0.7, 0.4)
    in_images: tuple[float, ...] = (1, 1, 1, 0.9, 0.8, 0.7)
    quality: tuple[float, ...] = (3.0, 2.5, 2.2, 1.8, 1.2, 0.6)
    """Mean logits of the share of right pixels."""
    size_spread: tuple[float, float] = (0.5, 0.3)
    quality_spread: tuple[float, float] = (0.8, 0.4)
    """From clip to clip and from image to image."""


SIX = World()
NINETEEN = World(
    shares=tuple((np.geomspace(1, 0.01, 19) / np.geomspace(1, 0.01, 19).sum()).tolist()),
    in_clips=(1,) * 19,
    in_images=(1,) * 19,
    quality=(2.7,) * 19,
    quality_spread=(0.3, 0.4),
)


def draw_groups(
    rng: np.random.Generator,
    size: tuple[int, int],
    world: World = SIX,
    *,
    gains: tuple[float, ...] = (0.0,),
) -> list[Array]:
    """Draw the counts of sets of groups by one model per gain, each (S, G, len(NAMES), C).

    The models agree on which clips and images are difficult by four fifths of the variance.
    """
    shape = (*size, MOST_IMAGES, len(world.shares))
    num_images = rng.integers(3, MOST_IMAGES + 1, size)
    used = (np.arange(MOST_IMAGES) < num_images[..., None])[..., None]
    present = (rng.random((*size, 1, shape[-1])) < world.in_clips) & used
    present &= rng.random(shape) < world.in_images
    sizes = np.exp(_vary(rng, shape, world.size_spread))
    sizes = np.array(world.shares) / world.in_clips * sizes * present
    truth = np.rint(1e5 * sizes / np.maximum(sizes.sum(axis=-1, keepdims=True), 1e-12))
    shared = _vary(rng, shape, world.quality_spread)
    pull = np.where(present, 1.0, 0.1) * np.sqrt(world.shares) * used
    pull = pull * np.exp(0.5 * rng.normal(size=(*size, 1, shape[-1])))
    drawn = []
    for gain in gains:
        own = _vary(rng, shape, world.quality_spread)
        mixed = np.sqrt(0.8) * shared + np.sqrt(0.2) * own
        drawn.append(_count(truth, mixed + world.quality + gain, pull))
    return drawn


def _vary(
    rng: np.random.Generator, shape: tuple[int, ...], spread: tuple[float, float]
) -> Array:
    of_clip = rng.normal(size=(*shape[:2], 1, shape[-1]))
    return spread[0] * of_clip + spread[1] * rng.normal(size=shape)


def _count(truth: Array, logits: Array, pull: Array) -> Array:
    """Counts summed over the images of each clip, (S, G, len(NAMES), C)."""
    hit = np.rint(truth / (1 + np.exp(-logits)))
    lost = (truth - hit).sum(axis=-1, keepdims=True)
    predicted = hit + np.rint(lost * pull / np.maximum(pull.sum(axis=-1, keepdims=True), 1e-12))
    outline, drawn = np.rint(3 * np.sqrt(truth)), np.rint(3 * np.sqrt(predicted))
    near = 1 / (1 + np.exp(-0.7 * logits))
    surplus = np.minimum(1, (truth + 1) / (predicted + 1))
    counts = [truth, predicted, hit, outline, np.rint(outline * near), drawn]
    counts += [np.rint(drawn * near * surplus), 0.5 * hit, 0.5 * (truth + predicted - hit)]
    return np.stack(counts, axis=-2).sum(axis=2)


def draw_chunks(
    rng: np.random.Generator,
    num_sets: int,
    num_groups: int,
    *,
    gains: tuple[float, ...] = (0.0,),
    world: World = SIX,
) -> Iterator[tuple[Array, ...]]:
    """Draw sets one after the other: for each the counts by each model, (G, len(NAMES), C)."""
    step = max(1, 5000 // num_groups)
    for start in range(0, num_sets, step):
        size = (min(step, num_sets - start), num_groups)
        yield from zip(*draw_groups(rng, size, world, gains=gains), strict=True)
