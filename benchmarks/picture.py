"""The picture of the README: what the model of `maskwright demo` says of scenes it never saw.

    make picture

A row a scene: image, truth, prediction, error. The scenes are those that the report calls its
best and its worst, so that the picture flatters nobody.
"""

import io
import sys
from pathlib import Path

from PIL import Image

import maskwright
from maskwright.core.atomic import write_bytes

SCALE = 3
GAP_PX = 4
COLUMNS = ("image", "truth", "prediction", "error")


def main(demo: Path, out: Path) -> None:
    """Draw the picture from the folder that `maskwright demo` left."""
    test = maskwright.open_dataset(demo / "scenes").subset("test")
    report = maskwright.evaluate(maskwright.open_model(demo / "run"), test)
    best = next(i.key for i in report.images if i.rank == "best")
    worst = next(i.key for i in report.images if i.rank == "worst")
    rows = [
        [Image.open(io.BytesIO(report.pictures[key][c])).convert("RGB") for c in COLUMNS]
        for key in (best, worst)
    ]
    file = io.BytesIO()
    _tiled(rows).quantize(255).save(file, format="PNG", optimize=True)
    write_bytes(out, file.getvalue())
    print(f"{out}: {best} (best) and {worst} (worst), mIoU on test {report.miou:.1%}")


def _tiled(rows: list[list[Image.Image]]) -> Image.Image:
    width, height = (SCALE * n for n in rows[0][0].size)
    columns = len(rows[0])
    size = (columns * (width + GAP_PX) - GAP_PX, len(rows) * (height + GAP_PX) - GAP_PX)
    canvas = Image.new("RGB", size, "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            tile = picture.resize((width, height), Image.Resampling.NEAREST)
            canvas.paste(tile, (x * (width + GAP_PX), y * (height + GAP_PX)))
    return canvas


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
