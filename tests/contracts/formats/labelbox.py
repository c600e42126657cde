"""A folder with an export of Labelbox, and its masks."""

import json

import numpy as np
from PIL import Image


def make(root, keys, labels_HW):
    """Write images, a row and a composite mask of `labels_HW` for each; `keys` by split."""
    (root / "masks").mkdir()
    color_HW3 = np.array([[0, 0, 0], [123, 103, 152]], np.uint8)[labels_HW]
    height, width = labels_HW.shape
    rows = []
    for split, names in keys.items():
        (root / "images" / split).mkdir(parents=True)
        for name in names:
            black = np.zeros((height, width, 3), np.uint8)
            Image.fromarray(black).save(root / "images" / split / f"{name}.png")
            Image.fromarray(color_HW3).save(root / f"masks/mask-{name}.png")
            url = f"https://api.labelbox.com/api/v1/tasks/t/masks/mask-{name}/index/1"
            drawn = {
                "feature_id": f"f-{name}",
                "name": "car",
                "annotation_kind": "ImageSegmentationMask",
                "composite_mask": {"url": url, "color_rgb": [123, 103, 152]},
            }
            label = {"annotations": {"objects": [drawn]}}
            rows.append(
                {
                    "data_row": {"id": f"d-{name}", "global_key": f"{name}.png"},
                    "media_attributes": {"height": height, "width": width},
                    "projects": {"p": {"labels": [label]}},
                }
            )
    (root / "export.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
