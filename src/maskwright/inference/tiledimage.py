"""Run one image in tiles: the plan of `tiling`, the logits blended in bands of rows.

The inputs of the next tiles are read while the network runs. The logits of tiles are summed at
their own resolution with weights that sum to one, one row of tiles at a time; the rows that no
later tile covers are given out, and one of them is held back, since pixels lie between two rows
of logits. So memory grows with the width of an image and not with its height.
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
from .tiling import UNIT, TilePlan

ReadWindow = Callable[[slice, slice], Image]
"""Rows and columns of an image to its pixels, as `InputSpec.prepare` gives them."""

_Batch = list[tuple[int, tuple[int, int]]]
"""Tiles that run together: the number of the column, top and left in network pixels."""


class Carry(NamedTuple):
    """What the bands of rows after some tiles need of those before them.

    `num_tiles` are the rows of tiles that are done, `num_rows` those of the image. `held_Khw`
    are rows of logits from row `origin` on, `sum_Khw` the weighted logits of the next rows.
    """

    num_tiles: int
    num_rows: int
    origin: int
    held_Khw: NDArray[np.float32]
    sum_Khw: NDArray[np.float32]


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
        """The logits of the whole image."""
        stride, axes = card.logits.stride, (self.plan.rows, self.plan.columns)
        bands = [band_Khw.copy() for band_Khw, _ in self._blend(engine, card, None)]
        return Logits.of_image(
            np.concatenate(bands, axis=1),
            self.size_HW,
            (axes[0].size / stride, axes[1].size / stride),
        )

    def run_bands(
        self, engine: Engine, card: ModelCard, carry: Carry | None = None
    ) -> Iterator[tuple[Logits, Carry]]:
        """Yield the logits of all rows of the image, some rows after the other.

        They are those of `run`: the rows of logits between which the next rows of the image lie
        are held back. With the Carry that was yielded with a band, go on after that band.
        """
        stride, (height, width) = card.logits.stride, self.size_HW
        rows = Axis(self.plan.rows.size / stride / height)
        columns = Axis(self.plan.columns.size / stride / width)
        place_H, tops = rows.locate(height), self.plan.rows.starts
        done, origin = (0, 0) if carry is None else (carry.num_rows, carry.origin)
        values_Khw = None if carry is None else carry.held_Khw
        for index, (band_Khw, sum_Khw) in enumerate(
            self._blend(engine, card, carry), start=0 if carry is None else carry.num_tiles
        ):
            held = [] if values_Khw is None else [values_Khw]
            values_Khw = np.concatenate([*held, band_Khw], axis=1)
            bottom = tops[index] // stride + band_Khw.shape[1]
            is_last = index == len(tops) - 1
            stop = height if is_last else int((np.ceil(place_H) < bottom).sum())
            axis = rows._replace(first=done, origin=origin)
            logits = Logits(values_Khw, (stop - done, width), axis, columns)
            first = bottom if is_last else min(max(math.floor(place_H[stop]), 0), bottom)
            values_Khw, origin, done = values_Khw[:, first - origin :], first, stop
            yield logits, Carry(index + 1, done, origin, values_Khw, sum_Khw)

    def _blend(
        self, engine: Engine, card: ModelCard, carry: Carry | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Yield rows of logits that no later tile covers, and the sum of those after them.

        Both are views, which the next rows overwrite.
        """
        stride, plan = card.logits.stride, self.plan
        tops, lefts = plan.rows.starts, plan.columns.starts
        weights_y = plan.rows.weigh(stride)
        height, width = plan.rows.tile // stride, (lefts[-1] + plan.columns.tile) // stride
        size_hw = tuple(math.ceil(axis.size / stride) for axis in (plan.rows, plan.columns))
        sum_Khw = np.zeros((len(card.labels), height, width), np.float32)
        if carry is not None:
            sum_Khw[:, : carry.sum_Khw.shape[1]] = carry.sum_Khw
        first_row = 0 if carry is None else carry.num_tiles
        batches = {
            index: self._list_batches(tops[index]) for index in range(first_row, len(tops))
        }
        with self._read_inputs(batches.values(), card.input) as inputs:
            for index, in_row in batches.items():
                top = tops[index]
                self._add_tiles(sum_Khw, weights_y[index], in_row, inputs, engine, card)
                following = tops[index + 1] if index + 1 < len(tops) else top + plan.rows.tile
                num_final = (following - top) // stride
                first = top // stride
                # the logits of the padding never lie between pixels where stride is 1
                crop = size_hw if stride == 1 else (first + num_final, width)
                band_Khw = sum_Khw[:, : min(num_final, crop[0] - first), : crop[1]]
                yield band_Khw, sum_Khw[:, num_final:]
                sum_Khw[:, : height - num_final] = sum_Khw[:, num_final:]
                sum_Khw[:, height - num_final :] = 0

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

    def _add_tiles(
        self,
        sum_Khw: NDArray[np.float32],
        weight_h: NDArray[np.float32],
        batches: Sequence[_Batch],
        inputs: Iterator[NDArray[np.float32]],
        engine: Engine,
        card: ModelCard,
    ) -> None:
        """Add the weighted logits of one row of tiles."""
        stride, columns = card.logits.stride, self.plan.columns
        weights_x = columns.weigh(stride)
        for batch in batches:
            logits_BKhw = engine(next(inputs))
            for (column, _), logits_Khw in zip(batch, logits_BKhw, strict=True):
                weight_w, left = weights_x[column], columns.starts[column] // stride
                weight_hw = weight_h[:, None] * weight_w
                sum_Khw[:, :, left : left + len(weight_w)] += logits_Khw * weight_hw

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


def run_in_tiles(
    plan: TilePlan, engine: Engine, card: ModelCard, images_BHWC: Sequence[Image]
) -> list[Logits]:
    """The logits of images of the size that the plan is made for."""
    tiled = (TiledImage.of_array(plan, image_HWC, card.input) for image_HWC in images_BHWC)
    return [image.run(engine, card) for image in tiled]
