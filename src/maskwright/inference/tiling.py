"""Images larger than the network can take at once: tiles whose logits are blended in bands.

A plan places equal tiles with an overlap on the input of the network, at multiples of `UNIT`,
so that every convolution meets the same pixels as in the whole image. Their logits are summed
at their own resolution with weights that sum to one, one row of tiles at a time; the rows that
no later tile covers are given out, and one of them is held back, since pixels lie between two
rows of logits. So memory grows with the width of an image and not with its height.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.errors import ConfigError
from ..core.graph import Graph, TilingEffect
from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.intensity import Scaling
from ..core.logits import Axis, Logits
from .engine import Engine
from .resolution import resize_input

AUTO, OFF = "auto", "off"
UNIT = 32
"""Network pixels; the largest stride of the encoders, to which networks pad their input."""

TILE_PX = 1024
OVERLAP_PX, MOST_OVERLAP_PX = 128, 256
_IDLE_SHARE = 3 / 8
"""Of the overlap at each edge of a tile, where its weight is 0."""

MAX_MEMORY_BYTES = 4 << 30
BYTES_PER_PX = 256.0
"""Of models that do not state what they take per pixel of their input."""

ReadWindow = Callable[[slice, slice], Image]
"""Rows and columns of an image to its pixels, as `InputSpec.prepare` gives them."""


def pad_side(size: int) -> int:
    """A height or width, up to the next multiple of `UNIT`."""
    return math.ceil(size / UNIT) * UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class TileAxis:
    """Tiles along one axis of `size` network pixels; neighbours share `overlap` or more.

    The last tile ends where the padded input does.
    """

    size: int
    tile: int
    overlap: int

    @property
    def starts(self) -> list[int]:
        """Of the tiles, multiples of `UNIT`: as few as cover the axis."""
        last = max(0, pad_side(self.size) - self.tile)
        return [*range(0, last, self.tile - self.overlap), last] if last else [0]

    def weigh(self, stride: int) -> list[NDArray[np.float32]]:
        """The weight of each logit pixel of each tile; those of all tiles sum to one.

        A ramp goes over the middle quarter of the overlap: what is nearer to the edge of a
        tile, and so sees less of the image, has no weight.
        """
        num, starts = self.tile // stride, [start // stride for start in self.starts]
        ramp = np.clip(4 * stride / self.overlap * (np.arange(num) + 0.5) - 1.5, 0, 1)
        weights = [np.ones(num) for _ in starts]
        for before, after in pairwise(weights):
            np.multiply(before, ramp[::-1], out=before)
            np.multiply(after, ramp, out=after)
        total = np.zeros(starts[-1] + num)
        for start, weight in zip(starts, weights, strict=True):
            total[start : start + num] += weight
        return [
            (weight / total[start : start + num]).astype(np.float32)
            for start, weight in zip(starts, weights, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Where tiles lie on the input of the network for one image, and how many run at once."""

    rows: TileAxis
    columns: TileAxis
    batch: int = 1

    def to_json(self) -> dict[str, object]:
        """`tile` is height and width in network pixels."""
        return {
            "tile": [self.rows.tile, self.columns.tile],
            "overlap": self.rows.overlap,
            "tiles": [len(self.rows.starts), len(self.columns.starts)],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Which images are cut into tiles, and which tiles: the same on every machine and load.

    `tile` is `auto`, `off`, or height and width in network pixels. With `auto`, an image is cut
    where the model would need more than `max_memory` bytes for it, by `bytes_per_px`, that the
    Bundle states. `overlap` is that of neighbours, in network pixels; None takes as much as the
    receptive field needs, `reach_px` as `measure_reach` gives it, 0 where it is not known, and
    128 to 256. `effect` is what the Bundle says of tiles, None where it says nothing.

    Raises ConfigError for sizes that are no multiples of `UNIT`, or an overlap that is not
    between 2 `UNIT` and half of a tile.
    """

    tile: str | tuple[int, int] = AUTO
    overlap: int | None = None
    max_memory: int = MAX_MEMORY_BYTES
    bytes_per_px: float = BYTES_PER_PX
    reach_px: int = 0
    effect: TilingEffect | None = None

    def __post_init__(self) -> None:
        sides = (TILE_PX,) if isinstance(self.tile, str) else self.tile
        overlap = 2 * UNIT if self.overlap is None else self.overlap
        if any(n < 1 or n % UNIT for n in (*sides, overlap)):
            raise ConfigError(
                f"tile {self.tile} with overlap {overlap}: sides and overlap must be "
                f"multiples of {UNIT}; use --tile 1024x1024 --overlap 128"
            )
        if not 2 * UNIT <= overlap <= min(sides) // 2:
            raise ConfigError(
                f"overlap {overlap} of tiles of {min(sides)} px: use {2 * UNIT} to half "
                f"of the shorter side"
            )

    @classmethod
    def from_text(cls, tile: str, *, overlap: int | None, max_memory: str) -> Self:
        """Read `auto`, `off` or `HxW`, and a size such as 2GB or 800MB.

        Raises:
            ConfigError: Another text, or sizes that do not fit.
        """
        size = re.fullmatch(r"([1-9]\d{0,5})([MG])B", max_memory, re.ASCII)
        if size is None:
            raise ConfigError(f"max-memory is {max_memory!r}; use a size such as 2GB or 800MB")
        most_bytes = int(size[1]) << (30 if size[2] == "G" else 20)
        if tile in (AUTO, OFF):
            return cls(tile=tile, overlap=overlap, max_memory=most_bytes)
        sides = re.fullmatch(r"(\d{1,6})x(\d{1,6})", tile, re.ASCII)
        if sides is None:
            raise ConfigError(f"tile is {tile!r}; use auto, off or HxW, such as 1024x1024")
        pair = int(sides[1]), int(sides[2])
        return cls(tile=pair, overlap=overlap, max_memory=most_bytes)

    @property
    def most_px(self) -> float:
        """The network pixels that `max_memory` suffices for."""
        return self.max_memory / self.bytes_per_px

    def take_measured(self, graphs: Sequence[Graph], engine: Engine) -> "Tiling":
        """The tiling with what a Bundle says of the graph that the engine runs."""
        for graph in graphs:
            if graph.engine == engine.name and graph.bytes_per_px:
                return replace(
                    self,
                    bytes_per_px=graph.bytes_per_px,
                    reach_px=graph.reach_px,
                    effect=graph.tiling,
                )
        return self

    def plan(
        self, engine: Engine, spec: InputSpec, size_HW: tuple[int, int]
    ) -> TilePlan | None:
        """The tiles of an image of `size_HW`; None where it is run in one piece.

        An engine that takes one size alone has tiles of that size.
        """
        if self.tile == OFF or spec.size_rule is not None:
            return None
        size = spec.network_size(size_HW)
        tile = self._choose_tile(size, engine)
        if tile is None or (tile[0] >= size[0] and tile[1] >= size[1]):
            return None
        overlap = self._choose_overlap()
        axes = [
            TileAxis(size=n, tile=t, overlap=min(overlap, t // 2 // UNIT * UNIT) or UNIT)
            for n, t in zip(size, tile, strict=True)
        ]
        tile_bytes = self.bytes_per_px * tile[0] * tile[1]
        batch = max(1, min(engine.max_batch, int(self.max_memory / tile_bytes)))
        return TilePlan(axes[0], axes[1], batch)

    def _choose_overlap(self) -> int:
        """As asked; else so wide that what a tile cannot see has no weight, up to a limit."""
        if self.overlap is not None:
            return self.overlap
        needed = pad_side(math.ceil(self.reach_px / _IDLE_SHARE))
        return min(max(OVERLAP_PX, needed), MOST_OVERLAP_PX)

    def _choose_tile(self, size: tuple[int, int], engine: Engine) -> tuple[int, int] | None:
        """Height and width of a tile for a network input of `size`; None for one piece."""
        if engine.size_HW is not None:
            is_cut = min(engine.size_HW) >= 4 * UNIT and not any(
                n % UNIT for n in engine.size_HW
            )
            return engine.size_HW if is_cut and engine.size_HW != size else None
        tile = self.tile
        if isinstance(tile, str):
            if size[0] * size[1] <= self.most_px:
                return None
            side = min(TILE_PX, math.isqrt(int(self.most_px)) // UNIT * UNIT)
            tile = (max(side, 2 * self._choose_overlap()),) * 2
        return min(tile[0], pad_side(size[0])), min(tile[1], pad_side(size[1]))

    def to_json(self) -> dict[str, object]:
        """All settings, as the manifest and reports record them."""
        tile = self.tile if isinstance(self.tile, str) else f"{self.tile[0]}x{self.tile[1]}"
        return {
            "tile": tile,
            "overlap": self._choose_overlap(),
            "max_memory": self.max_memory,
            "bytes_per_px": self.bytes_per_px,
            "reach_px": self.reach_px,
            "effect": None if self.effect is None else self.effect.to_json(),
        }


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
        for index in range(0 if carry is None else carry.num_tiles, len(tops)):
            top = tops[index]
            self._add_tiles(sum_Khw, top, weights_y[index], engine, card)
            following = tops[index + 1] if index + 1 < len(tops) else top + plan.rows.tile
            num_final = (following - top) // stride
            first = top // stride
            # the logits of the padding are never between pixels of the image where stride is 1
            crop = size_hw if stride == 1 else (first + num_final, width)
            band_Khw = sum_Khw[:, : min(num_final, crop[0] - first), : crop[1]]
            yield band_Khw, sum_Khw[:, num_final:]
            sum_Khw[:, : height - num_final] = sum_Khw[:, num_final:]
            sum_Khw[:, height - num_final :] = 0

    def _add_tiles(
        self,
        sum_Khw: NDArray[np.float32],
        top: int,
        weight_h: NDArray[np.float32],
        engine: Engine,
        card: ModelCard,
    ) -> None:
        """Add the weighted logits of one row of tiles."""
        stride, columns = card.logits.stride, self.plan.columns
        needed = [
            (left // stride, weight_w, (top, left))
            for left, weight_w in zip(columns.starts, columns.weigh(stride), strict=True)
            if self._needs((top, left))
        ]
        for first in range(0, len(needed), self.plan.batch):
            batch = needed[first : first + self.plan.batch]
            x_BCHW = np.stack([self._cut(card.input, *place) for _, _, place in batch])
            for (left, weight_w, _), logits_Khw in zip(batch, engine(x_BCHW), strict=True):
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
