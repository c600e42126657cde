import json

import numpy as np
import pytest
from tests.studio.golden_vectors import FILE, draw_case

from maskwright.core.labels import IGNORE
from maskwright.studio.edit import Edit
from maskwright.studio.raster import draw_edit

VECTORS = json.loads(FILE.read_text())


def _draw(size_HW, **geometry):
    blank_HW = np.full(size_HW, IGNORE, np.uint8)
    edit = Edit.model_validate({"tool": "test", "value": 1, "geometry": geometry})
    return draw_edit(blank_HW, edit) == 1


def _distance(points, size_HW):
    """Distance in pixels of each centre from the line through points, by its definition."""
    centers = np.stack(np.mgrid[: size_HW[0], : size_HW[1]][::-1], axis=-1) + 0.5
    nearest = np.full(size_HW, np.inf)
    points = np.array(points, float).reshape(-1, 2) / 8
    for start, end in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        step = end - start
        along = (centers - start) @ step / max(step @ step, 1e-12)
        foot = start + along.clip(0, 1)[..., None] * step
        nearest = np.minimum(nearest, np.linalg.norm(centers - foot, axis=-1))
    return nearest


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_numpy_gives_the_golden_pixels(number):
    assert draw_case(VECTORS[number]) == VECTORS[number]["tiles_sha256"]


@pytest.mark.parametrize("radius", [4, 12, 81])
@pytest.mark.parametrize("num_points", [1, 2, 7])
def test_a_stroke_has_the_pixels_within_its_radius(radius, num_points):
    rng = np.random.default_rng(radius + num_points)
    points = rng.integers(-40, 700, 2 * num_points).tolist()
    inside_HW = _draw((70, 80), kind="stroke", radius=radius, points=points)
    distance_HW = _distance(points, (70, 80))
    assert inside_HW[distance_HW < radius / 8 - 1e-9].all()
    assert not inside_HW[distance_HW > radius / 8 + 1e-9].any()


def test_a_dab_of_three_pixels_is_a_plus_with_corners_left_out():
    inside_HW = _draw((5, 5), kind="stroke", radius=12, points=[20, 20])
    assert inside_HW.astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]
    assert _draw((5, 5), kind="stroke", radius=8, points=[20, 20]).sum() == 5


def test_a_ring_inside_a_ring_is_a_hole_and_corners_may_lie_outside():
    outer, inner = [-80, -80, 160, -80, 160, 160, -80, 160], [32, 32, 64, 32, 64, 64, 32, 64]
    inside_HW = _draw((30, 30), kind="polygon", rings=[outer, inner])
    assert inside_HW.sum() == 20 * 20 - 4 * 4
    assert not inside_HW[4:8, 4:8].any()


def test_the_thinnest_line_has_no_gaps():
    for end in ([700, 92], [252, 604], [604, 252]):
        inside_HW = _draw((80, 90), kind="stroke", radius=4, points=[20, 20, *end])
        rows, columns = np.nonzero(inside_HW)
        long = columns if end[0] > end[1] else rows
        assert set(long.tolist()) == set(range(2, (max(end) - 4) // 8 + 1))
