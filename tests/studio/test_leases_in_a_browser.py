"""What two people see who want to paint one image, and what becomes of strokes in between."""

import sqlite3
from contextlib import closing

import pytest
from tests.browser import Browser, find_browser
from tests.studio.driving import (
    SAVED,
    click,
    drag,
    log_in_as,
    press,
    to_screen,
    wait_for_revision,
)
from tests.studio_pages import let_in

from maskwright.studio.assignment import assign
from maskwright.studio.project import open_project

NOTICE = "document.querySelector('#notice').innerText"
BUTTONS = "[...document.querySelectorAll('#notice button')].map(b => b.textContent).join()"
KEPT = "document.querySelector('#saved').textContent.includes('1 kept in this browser')"


@pytest.fixture
def mia_at_her_browser(tmp_path):
    opened = Browser(find_browser(), tmp_path / "other-profile")
    yield opened
    opened.close()


def _go_offline(browser, is_offline):
    network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.ask("Network.emulateNetworkConditions", offline=is_offline, **network)


def test_strokes_of_who_was_away_are_offered_again_once_the_image_is_free(
    browser, mia_at_her_browser, photos, start_studio
):
    ann, mia = browser, mia_at_her_browser
    with open_project(photos, classes=["road", "car"]) as project:
        for name, role in (("ann", "annotator"), ("ben", "annotator"), ("mia", "manager")):
            let_in(project, name, role)
    studio = start_studio(photos)
    log_in_as(ann, "ann", studio)
    drag(ann, *to_screen(ann, (100, 100), (180, 100)))
    wait_for_revision(ann, 1)
    log_in_as(mia, "mia", studio)
    for answer, text in (
        ("Paint on it", "ann paints this image; here you see what happens."),
        ("Take over", "ann has this image open. You can take it over once that page is closed"),
    ):
        assert mia.value(BUTTONS) == answer
        click(mia, "#notice button")
        mia.wait_for(f"{NOTICE}.includes('{text}')")
    assert 60 < int(mia.value(f"{NOTICE}.match(/in (\\d+) s at the earliest/)[1]")) <= 120

    _go_offline(ann, True)
    drag(ann, *to_screen(ann, (100, 140), (180, 140)))
    ann.wait_for(KEPT)
    with closing(sqlite3.connect(photos / "studio/studio.sqlite")) as store, store:
        store.execute("UPDATE item SET lease_until = 1")
    click(mia, "#notice button")
    mia.wait_for(f"{NOTICE} === ''")
    _go_offline(ann, False)
    ann.wait_for(f"{NOTICE}.includes('mia paints it; it can be taken over once')")
    assert "1 edit was not taken and stand" in ann.value(NOTICE)
    assert ann.value(BUTTONS) == "Take over,Save as a file,Throw away"

    press(mia, "PageDown")  # her page gives the lease back
    ann.wait_for(f"{BUTTONS} === 'Paint them again,Save as a file,Throw away'")
    click(ann, "#notice button")
    wait_for_revision(ann, 2)
    ann.wait_for(SAVED)

    studio.kill()
    drag(ann, *to_screen(ann, (100, 180), (180, 180)))
    ann.wait_for(KEPT)
    with open_project(photos) as project:
        assign(project, [1], ["ben"], "round-robin", "mia")
    studio.start()
    ann.wait_for(f"{NOTICE}.includes('not in your list any more. 1 edit was not taken')")
    assert ann.value(BUTTONS) == "Save as a file,Throw away"
    ann.wait_for("document.querySelectorAll('#list button').length === 2")  # it missed messages
