"""The picture of the weather augmentations: one drawn street under each of them.

    python benchmarks/augment_picture.py docs/images/weather.png

A row a kind: the image as it is, then at a third, two thirds and all of the strength.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskwright.corruption.road_weather import KINDS, apply_weather
from maskwright.data.synth.streets import draw_street

SIZE_HW = (144, 192)
STRENGTHS = (1 / 3, 2 / 3, 1.0)
GAP_PX = 4
LABEL_PX = 92


def main(out: Path) -> None:
    """Draw the page."""
    image_HW3, _ = draw_street(SIZE_HW, seed=0, number=7)
    image = (image_HW3 / 255).astype(np.float32)
    rows = []
    for number, kind in enumerate(KINDS):
        views = [
            apply_weather(kind, image, s, np.random.default_rng(number)) for s in STRENGTHS
        ]
        rows.append(_spaced([_label(kind), *(_pixels(view) for view in (image, *views))]))
    page = np.concatenate(rows)[:-GAP_PX]
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page).quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"{out}: {page.shape[1]} x {page.shape[0]} px")


def _pixels(image: np.ndarray) -> np.ndarray:
    return (image * 255).round().astype(np.uint8)


def _label(kind: str) -> np.ndarray:
    tile = np.full((SIZE_HW[0], LABEL_PX, 3), 255, np.uint8)
    for line, word in enumerate(kind.split("_")):
        place = (6, SIZE_HW[0] // 2 + 24 * line)
        cv2.putText(tile, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40,) * 3, 1, cv2.LINE_AA)
    return tile


def _spaced(tiles: list[np.ndarray]) -> np.ndarray:
    gap = np.full((SIZE_HW[0], GAP_PX, 3), 255, np.uint8)
    row = np.concatenate([piece for tile in tiles for piece in (tile, gap)][:-1], axis=1)
    return np.pad(row, ((0, GAP_PX), (0, 0), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
