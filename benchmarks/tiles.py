"""A large image in tiles: blending at the resolution of the logits, beside the usual way.

    python benchmarks/tiles.py

Both ways get the same logits of each tile, which cost nothing here, so that the times are those
of joining tiles alone. The usual way enlarges the logits of each tile to its pixels, adds them
to accumulators of all classes at full resolution, divides by the sum of the weights and takes
the largest. Writes `benchmarks/tiles.md`, with the seams: the share of labels that differ
between the two ways, on the borders of tiles and in their interior.
"""

import platform
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.inputspec import InputSpec
from maskwright.core.kernels.kernel import kernel
from maskwright.core.labels import LabelSpec
from maskwright.core.logits import LogitsGrid
from maskwright.core.memory import measure_peak
from maskwright.inference.engine import Engine
from maskwright.inference.tiledimage import TiledImage
from maskwright.inference.tiling import Tiling

OUT = Path(__file__).with_name("tiles.md")
SIDE_PX, TILE_PX, OVERLAP_PX, STRIDE, NUM_CLASSES = 4096, 512, 128, 4, 19
WANTED_RATIO, WANTED_MIB, ROUNDS = 20, 100, 5


class Replay(Engine):
    """Returns the logits of a few tiles of smooth noise in turn, as a network would."""

    name = "replay"

    def __init__(self) -> None:
        side = TILE_PX // STRIDE
        rng = np.random.default_rng(0)
        coarse = rng.standard_normal((4, NUM_CLASSES, side // 8, side // 8)).astype(np.float32)
        self.logits_4Khw = np.stack(
            [[cv2.resize(plane, (side, side)) for plane in planes] for planes in coarse]
        )
        self.calls = 0

    def __call__(self, _image_BCHW: np.ndarray) -> np.ndarray:
        """The logits of the next tile."""
        self.calls += 1
        return self.logits_4Khw[self.calls % 4][None]


def main() -> None:
    """Run both ways and write the table."""
    labels = LabelSpec.from_names([f"class {index}" for index in range(NUM_CLASSES)])
    spec = InputSpec(channels=1, mean=(0.5,), std=(0.25,))
    card = ModelCard(labels=labels, input=spec, arch=ArchSpec(name="replay", encoder="own"))
    card = replace(card, logits=LogitsGrid(STRIDE, 32))
    cv2.setNumThreads(1)
    small, tiles = (cut(side, card) for side in (2 * TILE_PX, SIDE_PX))
    rows, added = {}, {}
    for name, way in (("full-resolution accumulators", by_pixels), ("maskwright", by_blocks)):
        way(small, card)  # compiles
        seconds = []
        for _ in range(ROUNDS):
            with measure_peak() as peak:
                begin = time.process_time()
                labels_HW = way(tiles, card)
                seconds.append(time.process_time() - begin)
        rows[name] = float(np.median(seconds)), labels_HW
        added[name] = (peak.num_bytes or 0) / 2**20
    write(rows, added, tiles)


def cut(side: int, card: ModelCard) -> TiledImage:
    """A square image in tiles."""
    tiling = Tiling(tile=(TILE_PX, TILE_PX), overlap=OVERLAP_PX)
    plan = tiling.plan(Replay(), card, (side, side))
    if plan is None:
        raise ValueError("the image is not cut")
    return TiledImage.of_array(plan, np.zeros((side, side, 1), np.uint8), card.input)


def by_blocks(tiles: TiledImage, card: ModelCard) -> np.ndarray:
    """The way of `predict`."""
    labels_HW = np.empty(tiles.size_HW, np.uint8)
    for block, _ in tiles.run_blocks(Replay(), card):
        (height, width), top, left = block.size_HW, block.rows.first, block.columns.first
        part_HW = kernel().upsample_argmax(block)
        labels_HW[top : top + height, left : left + width] = part_HW
    return labels_HW


def by_pixels(tiles: TiledImage, card: ModelCard) -> np.ndarray:
    """Accumulators of all classes at full resolution, with the same weights."""
    engine, (height, width) = Replay(), tiles.size_HW
    sum_KHW = np.zeros((len(card.labels), height, width), np.float32)
    total_HW = np.zeros((height, width), np.float32)
    rows, columns = tiles.plan.rows, tiles.plan.columns
    for top, weight_y in zip(rows.starts, rows.weigh(1), strict=True):
        for left, weight_x in zip(columns.starts, columns.weigh(1), strict=True):
            weight_hw = weight_y[:, None] * weight_x
            window = np.s_[top : top + rows.tile, left : left + columns.tile]
            for plane_hw, sum_HW in zip(engine(np.zeros(0))[0], sum_KHW, strict=True):
                sum_HW[window] += cv2.resize(plane_hw, (columns.tile, rows.tile)) * weight_hw
            total_HW[window] += weight_hw
    sum_KHW /= total_HW
    return sum_KHW.argmax(axis=0).astype(np.uint8)


def write(
    rows: dict[str, tuple[float, np.ndarray]], added: dict[str, float], tiles: TiledImage
) -> None:
    """Write the table, and how often the two ways differ on borders and inside of tiles."""
    (base, first), *_ = rows.values()
    source = (
        f"From `python benchmarks/tiles.py` on {platform.machine()}: {SIDE_PX} x {SIDE_PX} px, "
        f"{NUM_CLASSES} classes, tiles of {TILE_PX} px that share {OVERLAP_PX}, logits at 1/"
        f"{STRIDE}; without the network. Seconds of the processor, one thread, medians of "
        f"{ROUNDS} rounds, class maps included."
    )
    lines = [
        "# A large image in tiles",
        "",
        source,
        "",
        "| way | s | times as fast | MiB added | differs on borders of tiles | inside |",
        "|---|---|---|---|---|---|",
    ]
    is_border_HW = np.zeros(tiles.size_HW, np.bool_)
    for axis, view in ((tiles.plan.rows, is_border_HW), (tiles.plan.columns, is_border_HW.T)):
        for start in axis.starts[1:]:
            view[start : start + axis.overlap] = True
    for name, (seconds, labels_HW) in rows.items():
        differs_HW = labels_HW != first
        shares = [float(differs_HW[part].mean()) for part in (is_border_HW, ~is_border_HW)]
        lines.append(
            f"| {name} | {seconds:.2f} | {base / seconds:.1f} | {added[name]:.0f} | "
            f"{shares[0]:.2%} | {shares[1]:.2%} |"
        )
    goal = (
        f"To reach: {WANTED_RATIO} times as fast, less than {WANTED_MIB} MiB. Most of the time "
        "of the accumulators goes into fresh memory for them, which the system gives at "
        "different speeds: runs on this machine had 1.4 to 6.0 s for them and 0.10 to 0.22 s "
        "for maskwright, 10 to 42 times."
    )
    lines += ["", goal]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
