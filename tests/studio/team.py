"""Two annotators in browsers and a reviewer by script on one project, for some minutes."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
from tests.studio.driving import SAVED, click, drag, log_in_as, press
from tests.studio_pages import let_in

from maskwright.store.chain import list_events
from maskwright.studio.client import StudioClient
from maskwright.studio.errors import StudioError
from maskwright.studio.people import add_user
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify

MEASURE = """(saved => {
  window.acknowledged = [];
  addEventListener('pointerup', () => { window.up = performance.now(); }, true);
  new MutationObserver(() => {
    if (!window.up || saved.textContent !== 'saved') return;
    window.acknowledged.push(performance.now() - window.up);
    window.up = 0;
  }).observe(saved, {childList: true, characterData: true, subtree: true});
})(document.querySelector('#saved'))"""

STROKES = 6
STATE = "document.querySelector('header .state').textContent"


@dataclass
class Outcome:
    """Strokes that pages made, edits that the store has, and times in milliseconds."""

    strokes: int = 0
    stored: int = 0
    returned: int = 0
    accepted: int = 0
    faults: tuple = ()
    acknowledged_ms: list = field(default_factory=list)

    @property
    def p95_ms(self):
        return float(np.percentile(self.acknowledged_ms, 95))


def work_together(data, classes, start_studio, browsers, minutes):
    """Paint and review until the time is over; `browsers` are those of ann and ben."""
    outcome = Outcome()
    with open_project(data, classes=classes) as project:
        for name in browsers:
            let_in(project, name, "annotator")
        password = add_user(project.store, "rob", "reviewer", actor="local")
    studio = start_studio(data)
    end = time.monotonic() + 60 * minutes
    reviewer = threading.Thread(
        target=_review, args=(StudioClient(studio.address, "rob", password), end, outcome)
    )
    for name, browser in browsers.items():
        log_in_as(browser, name, studio)
        browser.wait_for("document.body?.dataset.ready")
        browser.value(MEASURE)
    reviewer.start()
    rng = np.random.default_rng(0)
    while time.monotonic() < end:
        for browser in browsers.values():
            _take_work(browser)
        for _ in range(STROKES):
            for browser in browsers.values():
                _paint(browser, rng)
                outcome.strokes += 1
        for browser in browsers.values():
            browser.wait_for(SAVED)
            press(browser, "Enter", modifiers=2)
            browser.wait_for(f"!/^(new|in progress)/.test({STATE})")
    reviewer.join()
    for browser in browsers.values():
        outcome.acknowledged_ms += browser.value("window.acknowledged")
    studio.kill()
    with open_project(data) as project, project.store.read() as connection:
        outcome.faults = verify(project).faults
        outcome.stored = sum(1 for _ in list_events(connection, verb="edit"))
    return outcome


def _take_work(browser):
    browser.value("delete document.body.dataset.ready")
    click(browser, "#next-work")
    browser.wait_for("!!document.body.dataset.ready")


def _paint(browser, rng):
    """One stroke of 8 moves somewhere on the stage, once the last one is saved."""
    browser.wait_for(SAVED)
    left, top, width, height = browser.value(
        "(box => [box.x, box.y, box.width, box.height])"
        "(document.querySelector('#stage').getBoundingClientRect())"
    )
    x, y = left + width * rng.uniform(0.3, 0.6), top + height * rng.uniform(0.42, 0.55)
    press(browser, str(1 + int(rng.integers(0, 3))))
    drag(browser, *((x + 9 * n, y + rng.uniform(-9, 9)) for n in range(8)))


def _review(client, end, outcome):
    """Return most of what is submitted with a comment, accept the rest."""
    rng = np.random.default_rng(1)
    while time.monotonic() < end:
        for item in client.list_items():
            if item["state"] != "submitted":
                continue
            try:
                if rng.random() < 0.8:
                    client.take_step(item["id"], "return")
                    outcome.returned += 1
                else:
                    client.take_step(item["id"], "accept")
                    outcome.accepted += 1
            except StudioError as error:
                if error.status != 409:  # else the page was faster
                    raise
        time.sleep(0.3)
