"""The pictures of the studio in README and how-to: screenshots of the page on drawn scenes.

    python benchmarks/studio_picture.py docs/images/studio.png

Beside the file, `studio-superpixels.png` shows a drag over superpixels. The image is labelled
by pointer and keys, as a person does it. Needs Chromium.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, find_browser  # noqa: E402
from tests.studio_pages import Studio  # noqa: E402

from maskwright.data.synth.streets import write_street_scenes  # noqa: E402

SIZE_HW = (480, 640)
WINDOW = {"width_px": 1280, "height_px": 760}
SKY = ((0.25, 0.18), (0.40, 0.22), (0.55, 0.30), (0.65, 0.20))
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
            drag_over_superpixels(browser)
            browser.screenshot(root / "drag.png")
        finally:
            browser.close()
            studio.kill()
        for name, file in (("shot", out), ("drag", out.with_name("studio-superpixels.png"))):
            shot = Image.open(root / f"{name}.png").convert("RGB")
            shot.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


def paint(browser: Browser) -> None:
    """Paint one stroke of the class car, and begin a polygon."""
    browser.press("7", 55, "7")
    move(browser, CAR, ["mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"])
    browser.wait_for("document.querySelector('header .state').textContent === 'in progress'")
    browser.wait_for("document.querySelector('#saved').textContent === 'saved'")


def drag_over_superpixels(browser: Browser) -> None:
    """Drag over the sky, and do not lift the pen."""
    browser.press("4", 52, "4")
    browser.press("u", 85, "u")
    browser.wait_for("document.body.dataset.overlay === 'shown'")
    move(browser, SKY, ["mousePressed", *["mouseMoved"] * (len(SKY) - 1)])


def move(browser: Browser, places: Sequence[tuple[float, float]], kinds: list[str]) -> None:
    """Events of the mouse at shares of the stage; the pen follows."""
    left, top, width, height = browser.value(
        "(box => [box.x, box.y, box.width, box.height])"
        "(document.querySelector('#stage').getBoundingClientRect())"
    )
    for kind, (x, y) in zip(kinds, places, strict=True):
        held = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        at = {"x": left + x * width, "y": top + y * height}
        browser.ask("Input.dispatchMouseEvent", type=kind, **at, **held)
    browser.ask(
        "Runtime.evaluate", expression="new Promise(requestAnimationFrame)", awaitPromise=True
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
