"""The picture of the page on rasters: a scene, its class map in an area, and its polygons.

    python benchmarks/raster_picture.py docs/images/raster.png

The scene is generated; its own labels stand for the class map of a model.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import shapely
from PIL import Image

from maskwright.data.pixels.imageref import ImageRef
from maskwright.inference.area import ImageArea
from maskwright.inference.vectors import simplify_borders, trace_polygons

SIDE_PX, SCALE, GAP_PX = 72, 4, 8
COLORS = np.array([(66, 96, 132), (164, 140, 98), (118, 158, 74), (44, 92, 52)], np.uint8)
RING = [(6, 8), (66, 4), (69, 60), (30, 69), (4, 45)]


def main(out: Path) -> None:
    """Draw the page."""
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(4, SIDE_PX, SIDE_PX)).astype(np.float32)
    labels_HW = np.argmax([cv2.GaussianBlur(p, (0, 0), 5) for p in noise], 0).astype(np.uint8)
    grain = rng.normal(1, 0.12, (SIDE_PX, SIDE_PX, 1))
    scene = (COLORS[labels_HW] * grain).clip(0, 255).astype(np.uint8)
    area = ImageArea(np.array([shapely.Polygon(RING)], object))
    inside_HW = area.mask((slice(0, SIDE_PX), slice(0, SIDE_PX)))
    labels_HW[~inside_HW] = 255
    classes = np.full((SIDE_PX, SIDE_PX, 3), 255, np.uint8)
    classes[inside_HW] = COLORS[labels_HW[inside_HW]]
    with TemporaryDirectory() as folder:
        Image.fromarray(labels_HW).save(Path(folder) / "map.png")
        polygons_N, _ = trace_polygons(ImageRef(Path(folder) / "map.png"))
    outlined = _enlarge(scene)
    for ring in shapely.get_rings(simplify_borders(polygons_N)):
        corners = np.rint(shapely.get_coordinates(ring) * SCALE).astype(np.int32)
        cv2.polylines(outlined, [corners], True, (255, 255, 255), 1, cv2.LINE_AA)
    gap = np.full((SIDE_PX * SCALE, GAP_PX, 3), 255, np.uint8)
    page = np.concatenate([_enlarge(scene), gap, _enlarge(classes), gap, outlined], axis=1)
    Image.fromarray(page).quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"{out}: {page.shape[1]} x {page.shape[0]} px")


def _enlarge(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.repeat(SCALE, axis=0).repeat(SCALE, axis=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
