"""Which images are cut into tiles, and which tiles.

A plan places equal tiles with an overlap on the input of the network, at multiples of `UNIT`,
so that every convolution meets the same pixels as in the whole image. `tiledimage` runs them.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.errors import ConfigError
from ..core.graph import Graph, TilingEffect
from ..core.logits import Axis
from .engine import Engine

AUTO, OFF = "auto", "off"
UNIT = 32
"""Network pixels; the largest stride of the encoders, to which networks pad their input."""

TILE_PX, LEAST_TILE_PX = 1024, 4 * UNIT
LEAST_OVERLAP_PX, OVERLAP_PX, MOST_OVERLAP_PX = 2 * UNIT, 128, 256
_IDLE_SHARE = 3 / 8
"""Of the overlap at each edge of a tile, where its weight is 0."""

_SIDES_PER_OVERLAP = 8
"""Least sides of a tile in overlaps: what neighbours share is computed twice."""

_CALL_PX = TILE_PX * TILE_PX
"""Network pixels of the tiles that run together: beyond it a processor gains nothing."""

_CARRY_BYTES = 256 << 20
"""What the logits that rows of tiles share may take, across the image."""

_HELD_BLOCKS = 3
"""Blocks of logits beside the tile that is run: joined, waiting, and decided."""

MAX_MEMORY_BYTES = 4 << 30
_TILES_BYTES = 512 << 20
"""What the tiles of one call of the engine may take: beyond it they are fewer, then smaller."""

BYTES_PER_PX = 256.0
"""Of models that do not state what they take per pixel of their input."""

BESIDE_BYTES_PER_PX = 40.0
"""What an image in one piece takes beside the engine: three channels of 8 bits, prepared and
resized as floats (27), class, logit, confidence and the strip that is decided (13)."""


def pad_side(size: int) -> int:
    """A height or width, up to the next multiple of `UNIT`."""
    return math.ceil(size / UNIT) * UNIT


def is_tile(size_HW: tuple[int, int]) -> bool:
    """Whether images can be cut into tiles of this one size, in network pixels."""
    return min(size_HW) >= LEAST_TILE_PX and not any(n % UNIT for n in size_HW)


class Part(NamedTuple):
    """What one tile adds along one axis, and the pixels of the image that are known with it.

    The logit pixels of the tile in `used` have a weight. Those of the image from `first` up to
    `stop` have one in no later tile; with those from `origin` on, which earlier tiles gave, the
    pixels of the image in `pixels` lie between them.
    """

    used: slice
    origin: int
    first: int
    stop: int
    pixels: slice


@dataclass(frozen=True, slots=True, kw_only=True)
class TileAxis:
    """Tiles along one axis of `size` network pixels; neighbours share `overlap` or more.

    The last tile ends where the padded input does. Weights rise and fall over `ramp` pixels in
    the middle of the overlap; over its middle quarter for None.
    """

    size: int
    tile: int
    overlap: int
    ramp: int | None = None

    @property
    def starts(self) -> list[int]:
        """Of the tiles, multiples of `UNIT`: as few as cover the axis."""
        last = max(0, pad_side(self.size) - self.tile)
        return [*range(0, last, self.tile - self.overlap), last] if last else [0]

    def divide(self, stride: int, num_px: int) -> list[Part]:
        """The Part of each tile for logits at a stride, on an image of `num_px` pixels.

        Logits of the padding are left out at stride 1, where no pixel lies between them.
        """
        used = [np.flatnonzero(weight_n)[[0, -1]] for weight_n in self.weigh(stride)]
        starts = [start // stride for start in self.starts]
        firsts = [start + int(first) for start, (first, _) in zip(starts, used, strict=True)]
        end = self.size if stride == 1 else starts[-1] + self.tile // stride
        place_N = Axis(self.size / stride / num_px).locate(num_px)
        parts, origin, first_px = list[Part](), 0, 0
        for (low, high), (first, stop) in zip(used, pairwise([*firsts, end]), strict=True):
            is_last = stop == end
            stop_px = num_px if is_last else int((np.ceil(place_N) < stop).sum())
            pixels = slice(first_px, stop_px)
            parts.append(Part(slice(int(low), int(high) + 1), origin, first, stop, pixels))
            origin = stop if is_last else min(max(math.floor(place_N[stop_px]), 0), stop)
            first_px = stop_px
        return parts

    def weigh(self, stride: int) -> list[NDArray[np.float32]]:
        """The weight of each logit pixel of each tile; those of all tiles sum to one.

        A ramp goes over the middle of the overlap: what is nearer to the edge of a tile, and so
        sees less of the image, has no weight. The last tile may share more with the one before:
        that has all weight up to the last `overlap` pixels of it.
        """
        num, starts = self.tile // stride, [start // stride for start in self.starts]
        ramp = self.overlap // 4 if self.ramp is None else self.ramp
        places, slope, idle = np.arange(num) + 0.5, stride / ramp, (self.overlap / ramp - 1) / 2
        falling = np.clip(slope * (num - places) - idle, 0, 1)
        weights = [np.ones(num) for _ in starts]
        for (start, before), (following, after) in pairwise(zip(starts, weights, strict=True)):
            begin = start + num - self.overlap // stride - following
            np.multiply(before, falling, out=before)
            np.multiply(after, np.clip(slope * (places - begin) - idle, 0, 1), out=after)
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
    receptive field needs, `reach_px` as `measure_reach` gives it, 64 to 256, and 128 where it
    is not known (0). `effect` is what the Bundle says of tiles, None where it says nothing.

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
        overlap = LEAST_OVERLAP_PX if self.overlap is None else self.overlap
        if any(n < 1 or n % UNIT for n in (*sides, overlap)):
            raise ConfigError(
                f"tile {self.tile} with overlap {overlap}: sides and overlap must be "
                f"multiples of {UNIT}; use --tile 1024x1024 --overlap 128"
            )
        if not LEAST_OVERLAP_PX <= overlap <= min(sides) // 2:
            raise ConfigError(
                f"overlap {overlap} of tiles of {min(sides)} px: use {LEAST_OVERLAP_PX} to "
                f"half of the shorter side"
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

    def _count_tile_px(self, card: ModelCard) -> float:
        """The network pixels that all tiles of one call may have."""
        logit_bytes = 4 * len(card.labels) / card.logits.stride**2
        bytes_per_px = self.bytes_per_px + _HELD_BLOCKS * logit_bytes
        return min(self.max_memory, _TILES_BYTES) / bytes_per_px

    def take_measured(self, graphs: Sequence[Graph], engine: Engine) -> "Tiling":
        """The tiling with what a Bundle says of the graph that the engine runs.

        How far a pixel is felt belongs to the network: another engine takes it from any graph.
        """
        own = [g for g in graphs if g.engine == engine.name and g.bytes_per_px]
        known = own or [g for g in graphs if g.reach_px]
        if not known:
            return self
        tiling = replace(self, reach_px=known[0].reach_px, effect=known[0].tiling)
        if not own:
            return tiling
        return replace(tiling, bytes_per_px=own[0].bytes_per_px + BESIDE_BYTES_PER_PX)

    def plan(
        self, engine: Engine, card: ModelCard, size_HW: tuple[int, int]
    ) -> TilePlan | None:
        """The tiles of an image of `size_HW`; None where it is run in one piece.

        An engine that takes one size alone has tiles of that size.
        """
        if self.tile == OFF or card.input.size_rule is not None:
            return None
        size, most_px = card.input.network_size(size_HW), self._count_tile_px(card)
        tile = self._choose_tile(size, engine, most_px)
        if tile is None or (tile[0] >= size[0] and tile[1] >= size[1]):
            return None
        overlap = self._choose_overlap()
        rows, columns = (
            TileAxis(size=n, tile=t, overlap=min(overlap, t // 2 // UNIT * UNIT) or UNIT)
            for n, t in zip(size, tile, strict=True)
        )
        rows = replace(rows, ramp=min(rows.overlap // 4, _find_most_ramp(card, size[1])))
        batch = int(min(most_px, _CALL_PX) / (tile[0] * tile[1]))
        return TilePlan(rows, columns, max(1, min(engine.max_batch, batch)))

    def _choose_overlap(self) -> int:
        """As asked; else so wide that what a tile cannot see has no weight, up to a limit."""
        if self.overlap is not None:
            return self.overlap
        if not self.reach_px:
            return OVERLAP_PX
        needed = pad_side(math.ceil(self.reach_px / _IDLE_SHARE))
        return min(max(LEAST_OVERLAP_PX, needed), MOST_OVERLAP_PX)

    def _choose_tile(
        self, size: tuple[int, int], engine: Engine, most_px: float
    ) -> tuple[int, int] | None:
        """Height and width of a tile for a network input of `size`; None for one piece."""
        if engine.size_HW is not None:
            is_cut = engine.size_HW != size and is_tile(engine.size_HW)
            return engine.size_HW if is_cut else None
        tile = self.tile
        if isinstance(tile, str):
            if size[0] * size[1] <= self.most_px:
                return None
            overlap = self._choose_overlap()
            side = min(max(TILE_PX, _SIDES_PER_OVERLAP * overlap), math.isqrt(int(most_px)))
            tile = (max(side // UNIT * UNIT, 2 * overlap),) * 2
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


def _find_most_ramp(card: ModelCard, width: int) -> int:
    """The rows of network pixels whose logits, of an image `width` wide, may be carried on.

    Twice: those of the row of tiles above, and those for the row below.
    """
    row_bytes = 2 * 4 * len(card.labels) * width / card.logits.stride**2
    return max(1, int(_CARRY_BYTES / row_bytes))
