"""Edits and the hashes of the tiles that they give: `python tests/studio/golden_vectors.py`.

NumPy and the browser both have to give these hashes. The file changes only with the rules of
drawing, and then stored edits cannot be drawn again as they were.
"""

import json
from pathlib import Path

import numpy as np

from maskwright.core.labels import IGNORE
from maskwright.studio.edit import Edit
from maskwright.studio.raster import draw_edit
from maskwright.studio.tiles import cut_map

FILE = Path(__file__).with_name("golden.json")

GOLDEN_MASK = (
    (0, 0, 0, 0, 0, 0),
    (0, 1, 1, 1, 0, 0),
    (0, 1, 0, 1, 0, 1),
    (0, 1, 1, 1, 0, 1),
)
"""A hole and two parts; the tests of annotation formats have its run lengths."""

MASK_CASE = {
    "size_HW": [4, 6],
    "edits": [
        {
            "value": 1,
            "mode": "overwrite",
            "only": None,
            "geometry": {
                "kind": "polygon",
                "rings": [
                    [8, 8, 32, 8, 32, 32, 8, 32],
                    [16, 16, 24, 16, 24, 24, 16, 24],
                    [40, 16, 48, 16, 48, 32, 40, 32],
                ],
            },
        }
    ],
}


def draw_case(case):
    """The hashes of the tiles after the edits of a case, row by row."""
    labels_HW = np.full(case["size_HW"], IGNORE, np.uint8)
    for edit in case["edits"]:
        labels_HW = draw_edit(labels_HW, Edit.model_validate({"tool": "test", **edit}))
    index, _ = cut_map(labels_HW)
    return list(index.values())


def make_case(rng, num_edits):
    """Random strokes and polygons, also beyond the image, in all modes."""
    size_HW = [int(v) for v in rng.integers(40, 600, 2)]
    return {"size_HW": size_HW, "edits": [_make_edit(rng, size_HW) for _ in range(num_edits)]}


def _make_edit(rng, size_HW):
    locked = rng.integers(0, 4, 2).tolist()
    return {
        "value": int(rng.integers(0, 4)),
        "mode": str(rng.choice(["overwrite", "keep", "erase"], p=[0.6, 0.2, 0.2])),
        "only": None if rng.random() < 0.7 else sorted({*locked, IGNORE}),
        "geometry": _make_stroke(rng, size_HW)
        if rng.random() < 0.6
        else _make_polygon(rng, size_HW),
    }


def _make_points(rng, size_HW, number):
    height, width = size_HW
    x = rng.integers(-300, 8 * width + 300, number)
    y = rng.integers(-300, 8 * height + 300, number)
    return np.stack((x, y), axis=1).ravel().tolist()


def _make_stroke(rng, size_HW):
    """Of one point, of many near ones, or of far ones; thin and thick."""
    number = int(rng.choice([1, 2, 12]))
    points = _make_points(rng, size_HW, number)
    if rng.random() < 0.3:  # along a row or a column
        points[1::2] = [points[1]] * number
    return {"kind": "stroke", "radius": int(rng.choice([4, 8, 12, 80, 401])), "points": points}


def _make_polygon(rng, size_HW):
    rings = [_make_points(rng, size_HW, int(rng.integers(3, 9))) for _ in range(2)]
    if rng.random() < 0.5:  # corners on pixel centres and borders
        rings = [[4 * (v // 4) for v in ring] for ring in rings]
    return {"kind": "polygon", "rings": rings[: int(rng.integers(1, 3))]}


if __name__ == "__main__":
    cases = [make_case(np.random.default_rng(seed), 6) for seed in range(16)]
    cases.append(MASK_CASE)
    vectors = [{**case, "tiles_sha256": draw_case(case)} for case in cases]
    FILE.write_text(json.dumps(vectors, indent=None, separators=(",", ":")) + "\n")
