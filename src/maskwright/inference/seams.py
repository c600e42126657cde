"""What an export measures for tiles: memory and reach of a network, and what tiles change.

A network that pools over the whole image sees another image in each tile. Each image is cut
into tiles of about half its height and width, smaller than those of `predict`, so that what is
measured is rather more than what a larger image shows.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.graph import Graph, TilingEffect
from ..core.image import Image
from ..core.kernels.kernel import kernel
from .engine import Engine
from .need import measure_bytes_per_px
from .strategy import run_whole
from .tiledimage import TiledImage
from .tiling import LEAST_TILE_PX, UNIT, TilePlan, Tiling, pad_side

_TRIAL_PX = 512
_FELT_SHARE = 0.01


def measure_graph(
    graph: Graph, engine: Engine, card: ModelCard, images: Sequence[Image]
) -> Graph:
    """The graph that `engine` runs, with its memory and reach and what tiles change.

    A graph of one size alone stays as it is. `images` are as `InputSpec.prepare` gives them.
    """
    if engine.size_HW is not None:
        return graph
    reach_px = measure_reach(engine, card)
    return replace(
        graph,
        bytes_per_px=round(measure_bytes_per_px(engine, card.input.channels), 1),
        reach_px=reach_px,
        tiling=measure_tiling_effect(engine, card, images, reach_px=reach_px),
    )


def measure_tiling_effect(
    engine: Engine, card: ModelCard, images: Sequence[Image], *, reach_px: int
) -> TilingEffect | None:
    """Compare labels in tiles with labels of whole images, as `InputSpec.prepare` gives them.

    None where no image is larger than a tile of `LEAST_TILE_PX`, or the engine takes images
    of one size alone.
    """
    if engine.size_HW is not None:
        return None
    totals, changes, num_images = np.zeros(2, np.int64), np.zeros(2, np.int64), 0
    for index, image_HWC in enumerate(images):
        plan = _plan(engine, card, image_HWC, reach_px)
        if plan is None:
            continue
        num_images += 1
        whole, *_ = run_whole(engine, card, [image_HWC], where=f"image {index}")
        tiles = TiledImage.of_array(plan, image_HWC, card.input).run(engine, card)
        changed_HW = kernel().upsample_argmax(whole) != kernel().upsample_argmax(tiles)
        for kind, part_HW in enumerate((shared := mark_shared(plan, whole.size_HW), ~shared)):
            totals[kind] += np.count_nonzero(part_HW)
            changes[kind] += np.count_nonzero(changed_HW & part_HW)
    if not num_images:
        return None
    border, interior = (changes / np.maximum(totals, 1)).tolist()
    return TilingEffect(
        num_images=num_images,
        changed_share=float(changes.sum() / totals.sum()),
        border_share=border,
        interior_share=interior,
    )


def mark_shared(plan: TilePlan, size_HW: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels of an image lie in several tiles, (H, W)."""
    shared_HW = np.zeros(size_HW, np.bool_)
    for axis, view in ((plan.rows, shared_HW), (plan.columns, shared_HW.T)):
        ratio = len(view) / axis.size
        for before, after in pairwise(axis.starts):
            view[round(after * ratio) : round((before + axis.tile) * ratio)] = True
    return shared_HW


def _plan(engine: Engine, card: ModelCard, image_HWC: Image, reach_px: int) -> TilePlan | None:
    size_HW = image_HWC.shape[0], image_HWC.shape[1]
    halves = (-(-side // 2) for side in card.input.network_size(size_HW))
    sides = [max(LEAST_TILE_PX, pad_side(half)) for half in halves]
    tiling = Tiling(tile=(sides[0], sides[1]), reach_px=reach_px)
    return tiling.plan(engine, card, size_HW)


def measure_reach(engine: Engine, card: ModelCard) -> int:
    """How far a change of the input is felt in the logits, in network pixels.

    Half of the receptive field: beyond it, logits change by less than a hundredth of their
    largest change. Measured on noise of which a block of `UNIT` pixels in the middle changes.
    """
    rng, stride = np.random.default_rng(0), card.logits.stride
    noise = rng.standard_normal((card.input.channels, _TRIAL_PX, _TRIAL_PX))
    x_1CHW = noise.astype(np.float32)[None]
    start, stop = (_TRIAL_PX - UNIT) // 2, (_TRIAL_PX + UNIT) // 2
    changed_1CHW = x_1CHW.copy()
    changed_1CHW[:, :, start:stop, start:stop] *= -1
    change_hw = np.abs(engine(changed_1CHW) - engine(x_1CHW))[0].max(axis=0)
    felt_hw = change_hw > _FELT_SHARE * change_hw.max()
    reach_px = 0
    for axis in (0, 1):
        places = np.flatnonzero(felt_hw.any(axis=axis)) * stride
        if len(places):
            reach_px = max(reach_px, start - int(places[0]), int(places[-1]) + stride - stop)
    return reach_px
