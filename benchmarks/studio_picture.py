"""The picture of the studio in the README: a screenshot of the page on drawn scenes.

    python benchmarks/studio_picture.py docs/images/studio.png

The image is labelled by pointer and keys, as a person does it. Needs Chromium.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, find_browser  # noqa: E402
from tests.studio_pages import Studio  # noqa: E402

from maskwright.data.synth.streets import write_street_scenes  # noqa: E402

SIZE_HW = (480, 640)
WINDOW = {"width_px": 1280, "height_px": 760}
CAR = ((0.30, 0.62), (0.36, 0.62), (0.42, 0.63), (0.47, 0.63))


def main(out: Path) -> None:
    """Draw scenes, label a little of one, and photograph the page."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_street_scenes(root / "street", num_images=9, size_HW=SIZE_HW)
        studio = Studio(root / "street")
        browser = Browser(find_browser(), root / "profile")
        try:
            browser.visit(studio.link, **WINDOW)
            browser.wait_for("document.body?.dataset.ready > 0")
            paint(browser)
            browser.screenshot(root / "shot.png")
        finally:
            browser.close()
            studio.kill()
        shot = Image.open(root / "shot.png").convert("RGB")
        shot.quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)


def paint(browser: Browser) -> None:
    """Paint one stroke of the class car, and begin a polygon."""
    left, top, width, height = browser.value(
        "(box => [box.x, box.y, box.width, box.height])"
        "(document.querySelector('#stage').getBoundingClientRect())"
    )
    browser.press("7", 55, "7")
    places = [(left + x * width, top + y * height) for x, y in CAR]
    for kind, (x, y) in zip(
        ["mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"], places, strict=True
    ):
        held = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        browser.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)
    browser.wait_for("document.querySelector('header .state').textContent === 'in progress'")
    browser.wait_for("document.querySelector('#saved').textContent === 'saved'")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
