"""Polygons are filled as by darwin-py."""

import hashlib
import time
import tracemalloc

import numpy as np

from maskwright.data.shapes import scanline
from maskwright.data.shapes.raster import fill

EXPECTED = (61332, "7907098df58bc946")


def polygons():
    """500 random polygons of one to three rings; each second one reaches past the image."""
    rng = np.random.default_rng(7)
    for number in range(500):
        size_HW = tuple(rng.integers(1, 40, 2).tolist())
        reach = 0.3 * (number % 2)
        yield (
            size_HW,
            [
                (rng.uniform(-reach, 1 + reach, (rng.integers(1, 9), 2)) * size_HW[::-1]).round(
                    number % 3
                )
                for _ in range(1 + number % 3)
            ],
        )


def drawn():
    digest, num = hashlib.sha256(), 0
    for size_HW, rings in polygons():
        inside_HW = fill(rings, size_HW, "darwin").to_mask(size_HW)
        digest.update(inside_HW.tobytes())
        num += int(inside_HW.sum())
    return num, digest.hexdigest()[:16]


def test_polygons_equal_those_of_darwin_py():
    """`render_polygons` of darwin.exporter.formats.mask (darwin-py 3.6.3, upolygon 0.2.3), each
    polygon alone with its bounding box widened to whole pixels.
    """
    assert drawn() == EXPECTED


def test_polygons_are_the_same_in_pieces(monkeypatch):
    monkeypatch.setattr(scanline, "_PIECE", 13)
    assert drawn() == EXPECTED


def test_a_square_has_its_outline_and_a_hole_too():
    square = np.array([[2, 2], [8, 2], [8, 8], [2, 8]], np.float64)
    hole = np.array([[3.6, 4.5], [6.4, 4.5], [6.4, 6], [3.6, 6]])
    assert fill([square], (12, 12), "darwin").area_px == 49
    assert fill([square, hole], (12, 12), "darwin").area_px == 48
    assert fill([square + 20], (12, 12), "darwin").area_px == 0


def test_many_long_edges_need_little_memory():
    rng = np.random.default_rng(0)
    ring = rng.uniform(0, 2000, (3000, 2))
    tracemalloc.start()
    began_s = time.thread_time()
    assert fill([ring], (2000, 2000), "darwin").area_px > 0
    assert time.thread_time() - began_s < 10
    assert tracemalloc.get_traced_memory()[1] < 400e6
    tracemalloc.stop()


def test_corners_far_outside_take_no_time():
    ring = np.array([[-60000, 0], [60000, 30]] * 5000, np.float64)
    began_s = time.thread_time()
    assert fill([ring], (40, 60), "darwin").area_px > 0
    assert time.thread_time() - began_s < 10
