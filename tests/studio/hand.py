"""A hand at the page of the studio: it knows the truth of an image, and clicks along outlines.

The window is large enough for one pixel of the screen to be about one of the image. Corners are
clicked where the outline bends by more than `BEND_PX`; what is smaller than `LEAST_PX` is left
as it is.
"""

import json
from dataclasses import dataclass

import cv2
import numpy as np
from tests.studio.driving import drag, press, to_screen

WINDOW_PX = (1920, 1400)
BEND_PX = 1.5
LEAST_PX = 30

CLICK = """points => {
  const stage = document.querySelector('#stage');
  stage.setPointerCapture = () => {};
  const send = (kind, [clientX, clientY], buttons) => stage.dispatchEvent(new PointerEvent(
    kind, {pointerId: 1, bubbles: true, button: 0, buttons, clientX, clientY}));
  for (const point of points) { send('pointerdown', point, 1); send('pointerup', point, 0); }
}"""


@dataclass
class Effort:
    """What a hand did: strokes are edits, events are clicks and keys."""

    strokes: int = 0
    events: int = 0


def list_objects(wrong_HW, least_px=LEAST_PX):
    """Each connected region as rings of corners (x, y): its outline, and its holes."""
    doubled_HW = np.kron(wrong_HW.astype(np.uint8), np.ones((2, 2), np.uint8))
    rings, tree = cv2.findContours(doubled_HW, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    children = {}
    for number, (_, _, _, parent) in enumerate([] if tree is None else tree[0]):
        children.setdefault(parent, []).append(number)
    for outline in children.get(-1, []):
        found = [outline, *children.get(outline, [])]
        large = [n for n in found if cv2.contourArea(rings[n]) >= 4 * least_px]
        if large[:1] == [outline]:
            bent = [cv2.approxPolyDP(rings[n], 2 * BEND_PX, closed=True) for n in large]
            yield [(ring[:, 0] + 0.5) / 2 for ring in bent if len(ring) > 2]


def click_each(browser, points):
    """Clicks of a mouse, one after the other."""
    for point in points:
        drag(browser, point)


def click_in_page(browser, points):
    """The same events made in the page at once, where only their number counts."""
    browser.value(f"({CLICK})({json.dumps(points)})")


def correct(browser, truth_HW, labels_HW, least_px=LEAST_PX, click=click_each):
    """Paint what is wrong by polygons, class by class; what is unlabelled is filled at last."""
    effort, values = Effort(), np.unique(truth_HW[truth_HW < 255])
    commonest = max(values, key=lambda value: (truth_HW == value).sum())
    is_blank = (labels_HW == 255).all()
    _press(browser, effort, "p")
    for value in values:
        if value == commonest and is_blank:
            continue
        _press(browser, effort, str(value + 1))
        wrong_HW = (truth_HW == value) & (labels_HW != value)
        for rings in list_objects(wrong_HW, least_px):
            _trace(browser, effort, rings, truth_HW.shape, click)
    if is_blank:
        _press(browser, effort, str(commonest + 1))
        _press(browser, effort, "g")
        effort.strokes += 1
    return effort


def _trace(browser, effort, rings, size_HW, click):
    for number, ring in enumerate(rings):
        if number:
            _press(browser, effort, "n")
        points = to_screen(browser, *ring.tolist(), size_HW=size_HW)
        click(browser, [[round(x), round(y)] for x, y in points])
        effort.events += len(points)
    _press(browser, effort, "Enter")
    effort.strokes += 1


def _press(browser, effort, key):
    press(browser, key)
    effort.events += 1
