"""The page in Chromium, used by pointer and keys, against a studio in a process of its own."""

import json
import time

import numpy as np
import pytest
from PIL import Image
from tests.studio.golden_vectors import FILE, draw_case, make_case
from tests.studio_pages import let_in, make_team

from maskwright.studio.people import add_user
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify

READY = "document.body?.dataset.ready && document.querySelector('#saved').textContent"
STATE = "document.querySelector('header .state').className"
SAVED = "document.querySelector('#saved').textContent === 'saved'"
KEYS = {"Enter": 13, " ": 32, "ArrowRight": 39, "ArrowDown": 40, "PageDown": 34}


def _open(browser, address, **options):
    browser.visit(address, **options)
    browser.wait_for(READY)


def _drag(browser, *points, button="left"):
    kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
    for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
        browser.ask(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button=button,
            buttons=int(kind != "mouseReleased"),
            clickCount=1,
        )


def _press(browser, key, modifiers=0):
    for kind in ("keyDown", "keyUp"):
        code = KEYS.get(key, ord(key[0].upper()))
        event = {"type": kind, "key": key, "windowsVirtualKeyCode": code}
        browser.ask("Input.dispatchKeyEvent", **event, modifiers=modifiers)


def _find_scale(browser):
    """Screen pixels for one pixel of the image, and the image's corner on the screen."""
    return browser.value(
        "(box => { const scale = Math.min(box.width / 520, box.height / 300);"
        " return [scale, box.x + (box.width - 520 * scale) / 2,"
        " box.y + (box.height - 300 * scale) / 2]; })"
        "(document.querySelector('#stage').getBoundingClientRect())"
    )


def _to_screen(browser, *points):
    scale, left, top = _find_scale(browser)
    return [(left + x * scale, top + y * scale) for x, y in points]


def _read_tiles(browser, number):
    return browser.ask(
        "Runtime.evaluate",
        expression=f"fetch('/api/items/{number}').then(answer => answer.json())",
        awaitPromise=True,
        returnByValue=True,
    )["result"]["value"]


def _draw_in_browser(browser, cases):
    script = (
        "import('/assets/engine.js').then(async engine => {"
        f"const found = []; for (const one of {json.dumps(cases)})"
        " found.push(await engine.drawCase(one)); return found; })"
    )
    answer = browser.ask(
        "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
    )
    assert "exceptionDetails" not in answer, answer
    return answer["result"]["value"]


def test_the_browser_gives_the_pixels_of_numpy(browser, studio):
    _open(browser, studio.link)
    golden = json.loads(FILE.read_text())
    assert _draw_in_browser(browser, golden) == [case["tiles_sha256"] for case in golden]
    others = [make_case(np.random.default_rng(100 + n), 8) for n in range(12)]
    assert _draw_in_browser(browser, others) == [draw_case(case) for case in others]


def test_what_is_painted_survives_the_death_of_the_server_and_the_page(browser, studio, photos):
    _open(browser, studio.link)
    _press(browser, "2")
    _drag(browser, *_to_screen(browser, (100, 100), (140, 120), (180, 100)))
    before = _wait_for_revision(browser, 1)
    browser.wait_for(SAVED)
    studio.kill()
    _drag(browser, *_to_screen(browser, (300, 200), (360, 220)))  # the server is gone
    browser.wait_for("document.querySelector('#saved').textContent.includes('1 kept in this')")
    browser.value("window.old = 1, location.reload()")
    time.sleep(0.2)
    studio.start()
    assert studio.address in studio.link
    _open(browser, studio.address)  # the session goes on, without the new link
    assert _wait_for_revision(browser, 2)["rev"] == 2
    browser.wait_for(SAVED)
    _press(browser, "z", modifiers=2)
    assert _wait_for_revision(browser, 3)["tiles"] == before["tiles"]
    studio.kill()
    with open_project(photos) as project:
        assert verify(project).faults == ()
        with project.store.read() as connection:
            labels_HW = project.read_map(connection, project.find_item(connection, 1))
    assert labels_HW[120, 140] == labels_HW[100, 100] == 1
    assert set(np.unique(labels_HW)) == {1, 255}


def _wait_for_revision(browser, rev):
    end = time.monotonic() + 60
    while (item := _read_tiles(browser, 1))["rev"] < rev:
        assert time.monotonic() < end, item["rev"]
        time.sleep(0.05)
    return item


LOSE_THE_LEASE = """fetch('/api/items/1/lease?take=end', {method: 'POST', headers: {
  'X-Maskwright': 'studio', 'X-Client': sessionStorage.client}})
  .then(() => { window.lost = 1; }), 0"""


def _go_offline(browser, offline):
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.ask("Network.enable")
    browser.ask("Network.emulateNetworkConditions", offline=offline, **conditions)


def test_refused_edits_are_painted_again_without_those_that_were_undone(
    browser, studio, photos
):
    _open(browser, studio.link)
    browser.value(LOSE_THE_LEASE)
    browser.wait_for("window.lost")
    _go_offline(browser, True)
    _press(browser, "2")
    _drag(browser, *_to_screen(browser, (100, 100), (180, 100)))
    _press(browser, "z", modifiers=2)
    kept = "document.querySelector('#saved').textContent.includes('{} kept in this')"
    browser.wait_for(kept.format(2))
    _drag(browser, *_to_screen(browser, (300, 200), (360, 220)))
    browser.wait_for(kept.format(3))
    _press(browser, "3")
    _press(browser, "g")
    browser.wait_for(kept.format(4))
    _go_offline(browser, False)
    browser.wait_for(
        "document.querySelector('#notice').textContent.includes('4 edits were not')"
    )
    assert _read_tiles(browser, 1)["rev"] == 0
    browser.value("[...document.querySelectorAll('#notice button')][0].click()")
    _wait_for_revision(browser, 2)
    browser.wait_for(SAVED)
    browser.value("location.reload()")
    time.sleep(0.2)
    browser.wait_for(READY)
    assert browser.value("document.querySelector('#notice').hidden")  # nothing is left
    studio.kill()
    with open_project(photos) as project, project.store.read() as connection:
        labels_HW = project.read_map(connection, project.find_item(connection, 1))
    assert labels_HW[200, 300] == 1
    assert labels_HW[100, 100] == 2
    assert set(np.unique(labels_HW)) == {1, 2}


def test_people_log_in_and_see_the_steps_of_their_role(browser, photos, start_studio):
    with open_project(photos, classes=["road", "car"]) as project:
        password = add_user(project.store, "ann", "annotator", actor="local")
    studio = start_studio(photos)
    browser.visit(studio.address, width_px=390)
    browser.wait_for("document.querySelector('#login')?.open")
    for value in ("guess", password):
        browser.choose("#login-name", "ann")
        browser.choose("#login-password", value)
        browser.value("document.querySelector('#login-form button').click()")
        wrong = "document.querySelector('#login-note').textContent.includes('is wrong')"
        browser.wait_for(wrong if value == "guess" else READY)
    assert browser.value("document.querySelector('#person').textContent") == "ann, annotator"
    assert browser.value("document.documentElement.scrollWidth") <= 390
    steps = "[...document.querySelectorAll('#steps button')].map(e => e.textContent).join()"
    assert browser.value(steps) == "Submit"
    _press(browser, "Enter", modifiers=2)
    browser.wait_for(f"{STATE} === 'state submitted'")
    assert browser.value(steps) == ""
    browser.value("document.querySelector('#log-out').click()")
    time.sleep(0.2)
    browser.wait_for("document.querySelector('#login')?.open")


def test_a_person_chooses_other_keys_and_the_browser_keeps_them(browser, studio):
    _open(browser, studio.link)
    _press(browser, "?")
    key_of = "document.querySelector('[aria-label=\"Key of: Outlines only\"]')"
    note = "document.querySelector('#keys-note').textContent"
    browser.value(f"{key_of}.focus(), {key_of}.click()")
    _press(browser, "b")
    assert browser.value(note) == "B is the key of: Brush: Paint with a round brush."
    browser.value(f"{key_of}.click()")
    _press(browser, "q")
    assert browser.value(note) == ""
    browser.value("location.reload()")
    time.sleep(0.2)
    browser.wait_for(READY)
    assert browser.value(f"{key_of}.textContent") == "Q"
    for key in ("q", "o"):  # the second does nothing now
        _press(browser, key)
        assert browser.value("document.querySelector('#outline').checked")


def test_by_keys_alone_a_region_is_painted_submitted_and_accepted(browser, studio, photos):
    _open(browser, studio.link)
    _press(browser, "3")
    _press(browser, " ")  # the brush is down
    for _ in range(3):
        _press(browser, "ArrowRight", modifiers=8)
    _press(browser, "ArrowDown")
    _press(browser, " ")
    _wait_for_revision(browser, 1)
    _press(browser, "1")
    _press(browser, "g")  # the rest is road
    _wait_for_revision(browser, 2)
    _press(browser, "Enter", modifiers=2)
    browser.wait_for(f"{STATE} === 'state submitted'")
    _press(browser, "Enter", modifiers=2)
    browser.wait_for("document.body.dataset.ready === '2'")
    mask = np.asarray(Image.open(sorted(photos.glob("studio/masks/*.png"))[0]))
    assert set(np.unique(mask)) == {0, 2}
    assert mask[5, 5] == 2
    _press(browser, "PageDown")
    browser.wait_for("document.body.dataset.ready === '3'")


def test_a_second_page_reads_along_and_takes_over(browser, studio, tmp_path):
    _open(browser, studio.link)
    first, browser._session = browser._session, {}
    target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
    attached = browser.ask("Target.attachToTarget", targetId=target, flatten=True)
    second = browser._session = {"sessionId": attached["sessionId"]}
    _open(browser, studio.address)
    notice = "document.querySelector('#notice').textContent"
    assert "Another page paints this image" in browser.value(notice)
    browser._session = first
    _drag(browser, *_to_screen(browser, (100, 100), (180, 100)))
    _wait_for_revision(browser, 1)
    browser._session = second
    browser.wait_for("document.querySelector('header .state').textContent.includes('progress')")
    browser.value("[...document.querySelectorAll('#notice button')][0].click()")
    browser.wait_for(f"{notice} === ''")
    browser._session = first
    browser.wait_for(f"{notice}.includes('Another page has taken this image over')")


@pytest.mark.parametrize(("width_px", "dark"), [(1280, False), (390, True)])
def test_the_page_fits_its_window_and_shows_names_as_text(
    browser, scenes, start_studio, tmp_path, width_px, dark
):
    name = "<img src=x onerror=alert(1)>"
    image = sorted(scenes.glob("images/test/*"))[0]
    mask = scenes / "masks/test" / f"{image.stem}.png"
    image.rename(image.with_stem(name))
    mask.rename(mask.with_stem(name))
    studio = start_studio(scenes)
    _open(browser, studio.link, width_px=width_px, dark=dark)
    assert browser.value("document.documentElement.scrollWidth") <= width_px
    assert browser.value("document.querySelector('#title').textContent") == name
    assert browser.value("document.images.length") == 0
    unnamed = browser.value(
        "[...document.querySelectorAll('button, input, select')].filter(e => "
        "!(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length"
    )
    assert unnamed == 0


def _log_in_as(browser, name, studio):
    """Give the browser the session of a person of `let_in`, and open the page."""
    secret = f"secret-of-{name}"
    browser.ask("Network.enable")
    cookie = {"name": f"maskwright_studio_{studio.port}", "value": secret}
    browser.ask("Network.setCookie", url=studio.address, **cookie)
    _open(browser, studio.address)


def _click(browser, selector):
    browser.value(f"document.querySelector({json.dumps(selector)}).click()")


def test_a_reviewer_comments_at_a_point_returns_and_accepts_with_a_reason(
    browser, photos, start_studio
):
    with open_project(photos, classes=["road", "car"]) as project:
        for name, role in (("ann", "annotator"), ("mia", "manager")):
            let_in(project, name, role)
    studio = start_studio(photos)
    _log_in_as(browser, "ann", studio)
    _drag(browser, *_to_screen(browser, (100, 100), (180, 100)))
    _wait_for_revision(browser, 1)
    _press(browser, "Enter", modifiers=2)
    browser.wait_for(f"{STATE} === 'state submitted'")
    _log_in_as(browser, "mia", studio)
    _press(browser, "c")
    _drag(browser, *_to_screen(browser, (120, 100)))
    place = "document.querySelector('#comment-place').textContent"
    browser.wait_for(f"{place}.startsWith('At 1')")
    browser.choose("#comment-text", "<b>wider</b>")
    _click(browser, "#comment-form .primary")
    browser.wait_for("!!document.querySelector('#threads .thread')")
    thread = "document.querySelector('#threads .thread p span').textContent"
    assert browser.value(thread) == "<b>wider</b>"
    _press(browser, "Enter", modifiers=2)
    notice = "document.querySelector('#notice').textContent"
    browser.wait_for(f"{notice}.includes('1 comments are open')")
    _press(browser, "Backspace", modifiers=2)
    browser.wait_for(f"{STATE} === 'state returned'")
    row = "document.querySelector('#list .item[aria-current] .state').textContent"
    assert browser.value(row).startswith("returned, ann, 1 open")
    _click(browser, "#show-assign")
    browser.wait_for("document.querySelector('#assign').open")
    browser.choose("#assign-scope", "listed")
    _click(browser, "#assign-go")
    rows = "[...document.querySelectorAll('#list .state')].map(e => e.textContent).join()"
    browser.wait_for(f"{rows} === 'returned, ann, 1 open,new, ann,new, ann'")
    _click(browser, "#threads .thread button:last-child")
    browser.wait_for("!!document.querySelector('#threads .thread.resolved')")


def test_practice_is_handed_out_judged_and_shown_and_the_board_has_the_numbers(
    browser, photos, start_studio
):
    with open_project(photos, classes=["road", "car"]) as project:
        for name, role in (("ann", "annotator"), ("mia", "manager"), ("rob", "reviewer")):
            let_in(project, name, role)
        pages = make_team(project, mia="manager", rob="reviewer")
        pages["mia"].lease()
        pages["mia"].draw(0, value=0, kind="all")
        pages["mia"].step("submit", 1)
        pages["rob"].step("accept", 1)
        pages["mia"].ask("POST", "/api/items/1/reference", json={"kind": "practice"})
        pages["mia"].ask("POST", "/api/settings", json={"copies": 2, "gold_first": 0})
        guideline = {"name": "road", "text": "With its markings.", "extent": "visible"}
        pages["mia"].ask("POST", "/api/guidelines", json=guideline)
    studio = start_studio(photos)
    _log_in_as(browser, "ann", studio)  # gets the first work by itself
    title = "document.querySelector('#title').textContent"
    browser.wait_for(f"{title}.startsWith('Practice: ')")
    words = "document.querySelector('#guide-words').textContent"
    browser.wait_for(f"{words} === 'Label the visible part.\\nWith its markings.'")
    _press(browser, "2")
    _press(browser, "g")
    browser.wait_for(f"{STATE} === 'state in_progress'")
    browser.wait_for(SAVED)
    _press(browser, "Enter", modifiers=2)
    browser.wait_for("!document.querySelector('#shade-row').hidden")
    assert "what is wrong" in browser.value("document.querySelector('#shade-text').textContent")
    browser.wait_for(
        "document.querySelector('#notice').textContent.startsWith('Practice: compare')"
    )
    _click(browser, "#show-board")
    browser.wait_for("document.querySelector('#board').open")
    row = "[...document.querySelectorAll('#people td')].map(e => e.textContent).join('|')"
    assert browser.value(row).startswith("ann|1|0|1|0 %|0 %|practice|0.000|")
    assert browser.value("document.querySelector('#settings-part').hidden")
