"""Run one image in tiles: the plan of `tiling`, the logits blended and given out in blocks.

The inputs of the next tiles are read while the network runs. The logits of tiles are summed at
their own resolution with weights that sum to one. After each tile, the rows and columns that no
later tile covers are given out as a block; what tiles share waits for the next one, and so do
the last row and column of logits, since pixels lie between two of them. So memory holds a tile
and, across the image, the rows that tiles share.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.intensity import Scaling
from ..core.logits import Axis, Logits
from .engine import Engine
from .overlap import read_ahead
from .resolution import resize_input
from .tiling import UNIT, Part, TilePlan

ReadWindow = Callable[[slice, slice], Image]
"""Rows and columns of an image to its pixels, as `InputSpec.prepare` gives them."""

_Batch = list[tuple[int, tuple[int, int]]]
"""Tiles that run together: the number of the column, top and left in network pixels."""


class Carry(NamedTuple):
    """What rows of tiles need of those before them, across the image.

    `num_tiles` are the rows of tiles that are done. `held_Khw` are the last rows of logits that
    were given out and are needed again, `sum_Khw` the weighted logits of the rows after them.
    """

    num_tiles: int
    held_Khw: NDArray[np.float32]
    sum_Khw: NDArray[np.float32]


class Block(NamedTuple):
    """The logits of some rows and columns of an image.

    `after` comes with the last block of its rows: what the rows of tiles below need.
    """

    logits: Logits
    after: Carry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TiledImage:
    """One image that is run in tiles: its plan and size, how its pixels are read and scaled.

    `needs`, where given, says of a window whether anything in it is asked for. Tiles without
    are not run, their logits are 0.
    """

    plan: TilePlan
    size_HW: tuple[int, int]
    read: ReadWindow
    scaling: Scaling
    needs: Callable[[slice, slice], bool] | None = None

    @classmethod
    def of_array(cls, plan: TilePlan, image_HWC: Image, spec: InputSpec) -> Self:
        """An image in memory."""
        return cls(
            plan=plan,
            size_HW=image_HWC.shape[:2],
            read=lambda rows, columns: image_HWC[rows, columns],
            scaling=spec.measure_scaling(image_HWC),
        )

    def run(self, engine: Engine, card: ModelCard) -> Logits:
        """The logits of the whole image; its features are the means of those of its tiles."""
        stride, axes = card.logits.stride, (self.plan.rows, self.plan.columns)
        height, width = (
            axis.divide(stride, num)[-1].stop
            for axis, num in zip(axes, self.size_HW, strict=True)
        )
        values_Khw = np.empty((len(card.labels), height, width), np.float32)
        collecting = _CollectingEngine(engine)
        for part, _ in self.run_blocks(collecting, card):
            top, left = part.rows.origin, part.columns.origin
            _, h, w = part.values_Khw.shape
            values_Khw[:, top : top + h, left : left + w] = part.values_Khw
        extent_hw = axes[0].size / stride, axes[1].size / stride
        features_D = collecting.average()
        return Logits.of_image(values_Khw, self.size_HW, extent_hw, features_D=features_D)

    def run_blocks(
        self, engine: Engine, card: ModelCard, carry: Carry | None = None
    ) -> Iterator[Block]:
        """Yield the logits of all pixels in blocks: rows from the top, each from the left.

        They are those of `run`. With the Carry that came with a block, go on below it.
        """
        stride, size_HW = card.logits.stride, self.size_HW
        rows = self.plan.rows.divide(stride, size_HW[0])
        columns = self.plan.columns.divide(stride, size_HW[1])
        step_y = self.plan.rows.size / stride / size_HW[0]
        step_x = self.plan.columns.size / stride / size_HW[1]
        if carry is None:
            carry = Carry(0, *np.zeros((2, len(card.labels), 0, columns[-1].stop), np.float32))
        left = rows[carry.num_tiles :]
        with self._run_tiles(engine, card, left, columns) as tiles:
            for row in left:
                after = _start_carry(carry, rows)
                for column, block_Khw in zip(
                    columns, _join_row(row, columns, tiles, carry, after), strict=True
                ):
                    yield Block(
                        Logits(
                            block_Khw,
                            (_count(row.pixels), _count(column.pixels)),
                            Axis(step_y, row.pixels.start, row.origin),
                            Axis(step_x, column.pixels.start, column.origin),
                        ),
                        after if column is columns[-1] else None,
                    )
                carry = after

    @contextmanager
    def _run_tiles(
        self, engine: Engine, card: ModelCard, rows: Sequence[Part], columns: Sequence[Part]
    ) -> Iterator[Iterator[NDArray[np.float32]]]:
        """The weighted logits of the tiles of the last `rows`, 0 of those that are not run."""
        stride, tops = card.logits.stride, self.plan.rows.starts
        done = len(tops) - len(rows)
        weights_y, weights_x = (
            self.plan.rows.weigh(stride)[done:],
            self.plan.columns.weigh(stride),
        )
        batches = [self._list_batches(top) for top in tops[done:]]

        def run(inputs: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
            for row, weight_h, in_row in zip(rows, weights_y, batches, strict=True):
                needed = {number for batch in in_row for number, _ in batch}
                found = (logits_Khw for _ in in_row for logits_Khw in engine(next(inputs)))
                for number, column in enumerate(columns):
                    weight_hw = weight_h[row.used, None] * weights_x[number][column.used]
                    if number in needed:
                        yield next(found)[:, row.used, column.used] * weight_hw
                    else:
                        yield np.zeros((len(card.labels), *weight_hw.shape), np.float32)

        with self._read_inputs(batches, card.input) as inputs:
            yield run(inputs)

    def _list_batches(self, top: int) -> list[_Batch]:
        """The tiles of a row that are run, those of one batch together."""
        lefts = self.plan.columns.starts
        needed = [
            (column, (top, left))
            for column, left in enumerate(lefts)
            if self._needs((top, left))
        ]
        size = self.plan.batch
        return [needed[first : first + size] for first in range(0, len(needed), size)]

    @contextmanager
    def _read_inputs(
        self, batches: Iterable[Sequence[_Batch]], spec: InputSpec
    ) -> Iterator[Iterator[NDArray[np.float32]]]:
        """The inputs of all batches in order, the next one read while a network runs."""
        inputs = (
            np.stack([self._cut(spec, *place) for _, place in batch])
            for in_row in batches
            for batch in in_row
        )
        with read_ahead(inputs, depth=1) as arriving:
            yield (arrived.item for arrived in arriving)

    def _needs(self, place: tuple[int, int]) -> bool:
        """Whether anything in or within `UNIT` of the tile at (top, left) is asked for."""
        if self.needs is None:
            return True
        axes, windows = (self.plan.rows, self.plan.columns), []
        for start, axis, num in zip(place, axes, self.size_HW, strict=True):
            ratio = num / axis.size
            windows.append(
                slice(
                    max(0, math.floor((start - UNIT) * ratio)),
                    min(num, math.ceil((start + axis.tile + UNIT) * ratio)),
                )
            )
        return self.needs(windows[0], windows[1])

    def _cut(self, spec: InputSpec, top: int, left: int) -> NDArray[np.float32]:
        """The network input of one tile, (C, h, w), padded at the edges of the image."""
        axes, windows, inside = (self.plan.rows, self.plan.columns), [], []
        for start, axis, num in zip((top, left), axes, self.size_HW, strict=True):
            stop, ratio = min(start + axis.tile, axis.size), num / axis.size
            windows.append(slice(math.floor(start * ratio), min(num, math.ceil(stop * ratio))))
            inside.append(stop - start)
        size_hw = inside[0], inside[1]
        x_CHW = resize_input(self.read(*windows), spec, size_hw, self.scaling)
        below, right = axes[0].tile - size_hw[0], axes[1].tile - size_hw[1]
        if below or right:
            x_CHW = np.pad(x_CHW, ((0, 0), (0, below), (0, right)), mode="edge")
        return x_CHW


class _CollectingEngine(Engine):
    """Runs another engine, and keeps the features of every tile."""

    def __init__(self, inner: Engine) -> None:
        self.name = inner.name
        self._inner = inner
        self._features: list[NDArray[np.float32]] = []

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        logits_BKhw, features_BD = self._inner.run(image_BCHW)
        if features_BD is not None:
            self._features.extend(features_BD)
        return logits_BKhw

    def average(self) -> NDArray[np.float32] | None:
        """The mean of all tiles, (D,); None where there are no features."""
        if not self._features:
            return None
        return np.asarray(np.mean(self._features, axis=0, dtype=np.float32))


def _start_carry(before: Carry, rows: Sequence[Part]) -> Carry:
    """The Carry after the next row of tiles, to be filled."""
    row, following = rows[before.num_tiles], rows[before.num_tiles + 1 :][:1]
    num_shared = row.used.stop - row.used.start - (row.stop - row.first)
    sizes = [(row.stop - after.origin, num_shared) for after in following] or [(0, 0)]
    num_classes, _, width = before.sum_Khw.shape
    held, shared = (np.empty((num_classes, n, width), np.float32) for n in sizes[0])
    return Carry(before.num_tiles + 1, held, shared)


def _join_row(
    row: Part,
    columns: Sequence[Part],
    tiles: Iterator[NDArray[np.float32]],
    carry: Carry,
    after: Carry,
) -> Iterator[NDArray[np.float32]]:
    """Yield the logits that each tile of a row completes, and fill `after` for the next row."""
    num_rows, num_above = row.stop - row.first, carry.sum_Khw.shape[1]
    num_held, num_below = after.held_Khw.shape[1], after.sum_Khw.shape[1]
    top = row.first - row.origin
    shared_Khw = carry.sum_Khw[:, :0, :0]
    block_Khw = np.empty((len(shared_Khw), top + num_rows, 0), np.float32)
    for column, tile_Khw in zip(columns, tiles, strict=False):
        tile_Khw[:, : shared_Khw.shape[1], : shared_Khw.shape[2]] += shared_Khw
        num_columns, across = column.stop - column.first, slice(column.first, column.stop)
        shared_Khw, new_Khw = tile_Khw[:, :, num_columns:], tile_Khw[:, :, :num_columns]
        new_Khw[:, :num_above] += carry.sum_Khw[:, :, across]
        after.sum_Khw[:, :, across] = new_Khw[:, num_rows : num_rows + num_below]
        after.held_Khw[:, :, across] = new_Khw[:, num_rows - num_held : num_rows]
        left = column.first - column.origin
        beside_Khw = block_Khw[:, top:, block_Khw.shape[2] - left :]
        block_Khw = np.empty((len(tile_Khw), top + num_rows, left + num_columns), np.float32)
        block_Khw[:, :top] = carry.held_Khw[:, :, column.origin : column.stop]
        block_Khw[:, top:, :left] = beside_Khw
        block_Khw[:, top:, left:] = new_Khw[:, :num_rows]
        yield block_Khw


def _count(pixels: slice) -> int:
    return int(pixels.stop - pixels.start)


def run_in_tiles(
    plan: TilePlan, engine: Engine, card: ModelCard, images_BHWC: Sequence[Image]
) -> list[Logits]:
    """The logits of images of the size that the plan is made for."""
    tiled = (TiledImage.of_array(plan, image_HWC, card.input) for image_HWC in images_BHWC)
    return [image.run(engine, card) for image in tiled]
