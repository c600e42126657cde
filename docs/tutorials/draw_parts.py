"""Draw 60 grey photographs of parts of 64 x 64 pixels, every second with a scratch."""

from pathlib import Path

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
for number in range(60):
    photo = rng.normal(110, 8, (64, 64))
    mask = np.zeros((64, 64), np.uint8)
    if number % 2:
        row, column = rng.integers(10, 40, 2)
        steps = np.arange(14)
        for width in range(4):
            mask[row + steps + width, column + steps // 2] = 1
        photo[mask > 0] += 90
    grey = np.clip(photo, 0, 255).astype(np.uint8)
    for folder, pixels in (("images", np.stack([grey] * 3, axis=2)), ("masks", mask)):
        path = Path("parts", folder, f"part{number:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
Path("parts/classes.txt").write_text("0 background\n1 scratch\n")
