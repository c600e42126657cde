"""The picture of a report in the README: a screenshot of `maskwright score` on drawn scenes.

    python benchmarks/report_picture.py docs/images/report.png

The predictions are the truth, blurred: what a model says that misses thin things. Needs
Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskwright.data.synth.streets import write_street_scenes
from maskwright.evaluation.evaluate import FULL
from maskwright.evaluation.report.page import write_report
from maskwright.evaluation.score import ScoreOptions, score

SIZE_HW = (192, 256)
NUM_SCENES = 60
WINDOW = (1120, 1010)
IGNORE = 255


def main(out: Path) -> None:
    """Draw, blur, score, and photograph the top of the page."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_street_scenes(root / "scenes", num_images=NUM_SCENES, size_HW=SIZE_HW)
        for path in (root / "scenes/masks").rglob("*.png"):
            said = root / "predictions" / path.relative_to(root / "scenes/masks")
            said.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(blurred(np.asarray(Image.open(path)))).save(said)
        options = ScoreOptions(spec=root / "scenes/dataset.yaml")
        report = score(
            root / "predictions", root / "scenes/masks", options=options, detail=FULL
        )
        write_report(report, root / "report")
        photograph(browser, root / "report/report.html", out)


def blurred(labels_HW: np.ndarray) -> np.ndarray:
    """What most pixels of a 5 x 5 window are, ignored ones filled from beside them."""
    filled_HW = np.where(labels_HW == IGNORE, np.roll(labels_HW, 3, axis=1), labels_HW)
    filled_HW = np.where(filled_HW == IGNORE, 0, filled_HW).astype(np.uint8)
    return np.asarray(cv2.medianBlur(filled_HW, 5))


def photograph(browser: str, page: Path, out: Path) -> None:
    """Save what the browser shows of `page`."""
    with tempfile.TemporaryDirectory() as profile:
        shot = Path(profile) / "shot.png"
        flags = (
            "--headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars "
            "--disable-background-networking --disable-component-update --disable-sync"
        )
        command = [
            browser,
            *flags.split(),
            f"--user-data-dir={profile}",
            f"--window-size={WINDOW[0]},{WINDOW[1]}",
            f"--screenshot={shot}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True)
        Image.open(shot).convert("RGB").save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
