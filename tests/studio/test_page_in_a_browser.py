"""The page in Chromium, used by pointer and keys, against a studio in a process of its own."""

import json
import time

import numpy as np
import pytest
from PIL import Image
from tests.studio.driving import (
    READY,
    SAVED,
    STATE,
    click,
    drag,
    evaluate,
    log_in_as,
    open_page,
    press,
    read_item,
    to_screen,
    wait_for_revision,
)
from tests.studio.golden_vectors import FILE, draw_case, make_case
from tests.studio_pages import let_in, make_team

from maskwright.studio.people import add_user
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify


def _draw_in_browser(browser, cases):
    script = (
        "import('/assets/engine.js').then(async engine => {"
        f"const found = []; for (const one of {json.dumps(cases)})"
        " found.push(await engine.drawCase(one)); return found; })"
    )
    return evaluate(browser, script)


def test_the_browser_gives_the_pixels_of_numpy(browser, studio):
    open_page(browser, studio.link)
    golden = json.loads(FILE.read_text())
    assert _draw_in_browser(browser, golden) == [case["tiles_sha256"] for case in golden]
    others = [make_case(np.random.default_rng(100 + n), 8) for n in range(12)]
    assert _draw_in_browser(browser, others) == [draw_case(case) for case in others]


def test_what_is_painted_survives_the_death_of_the_server_and_the_page(browser, studio, photos):
    open_page(browser, studio.link)
    press(browser, "2")
    drag(browser, *to_screen(browser, (100, 100), (140, 120), (180, 100)))
    before = wait_for_revision(browser, 1)
    browser.wait_for(SAVED)
    studio.kill()
    drag(browser, *to_screen(browser, (300, 200), (360, 220)))  # the server is gone
    browser.wait_for("document.querySelector('#saved').textContent.includes('1 kept in this')")
    browser.value("window.old = 1, location.reload()")
    time.sleep(0.2)
    studio.start()
    assert studio.address in studio.link
    open_page(browser, studio.address)  # the session goes on, without the new link
    assert wait_for_revision(browser, 2)["rev"] == 2
    browser.wait_for(SAVED)
    press(browser, "z", modifiers=2)
    assert wait_for_revision(browser, 3)["tiles"] == before["tiles"]
    studio.kill()
    with open_project(photos) as project:
        assert verify(project).faults == ()
        with project.store.read() as connection:
            labels_HW = project.read_map(connection, project.find_item(connection, 1))
    assert labels_HW[120, 140] == labels_HW[100, 100] == 1
    assert set(np.unique(labels_HW)) == {1, 255}


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
    open_page(browser, studio.link)
    browser.value(LOSE_THE_LEASE)
    browser.wait_for("window.lost")
    _go_offline(browser, True)
    press(browser, "2")
    drag(browser, *to_screen(browser, (100, 100), (180, 100)))
    press(browser, "z", modifiers=2)
    kept = "document.querySelector('#saved').textContent.includes('{} kept in this')"
    browser.wait_for(kept.format(2))
    drag(browser, *to_screen(browser, (300, 200), (360, 220)))
    browser.wait_for(kept.format(3))
    press(browser, "3")
    press(browser, "g")
    browser.wait_for(kept.format(4))
    _go_offline(browser, False)
    browser.wait_for(
        "document.querySelector('#notice').textContent.includes('4 edits were not')"
    )
    assert read_item(browser, 1)["rev"] == 0
    browser.value("[...document.querySelectorAll('#notice button')][0].click()")
    wait_for_revision(browser, 2)
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
    assert browser.value("document.documentElement.scrollWidth") <= 390
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
    press(browser, "Enter", modifiers=2)
    browser.wait_for(f"{STATE} === 'state submitted'")
    assert browser.value(steps) == ""
    browser.value("document.querySelector('#log-out').click()")
    time.sleep(0.2)
    browser.wait_for("document.querySelector('#login')?.open")


def test_a_person_chooses_other_keys_and_the_browser_keeps_them(browser, studio):
    open_page(browser, studio.link)
    press(browser, "?")
    key_of = "document.querySelector('[aria-label=\"Key of: Outlines only\"]')"
    note = "document.querySelector('#keys-note').textContent"
    browser.value(f"{key_of}.focus(), {key_of}.click()")
    press(browser, "b")
    assert browser.value(note) == "B is the key of: Brush: Paint with a round brush."
    browser.value(f"{key_of}.click()")
    press(browser, "q")
    assert browser.value(note) == ""
    browser.value("location.reload()")
    time.sleep(0.2)
    browser.wait_for(READY)
    assert browser.value(f"{key_of}.textContent") == "Q"
    for key in ("q", "o"):  # the second does nothing now
        press(browser, key)
        assert browser.value("document.querySelector('#outline').checked")


def test_by_keys_alone_a_region_is_painted_submitted_and_accepted(browser, studio, photos):
    open_page(browser, studio.link)
    press(browser, "3")
    press(browser, " ")  # the brush is down
    for _ in range(3):
        press(browser, "ArrowRight", modifiers=8)
    press(browser, "ArrowDown")
    press(browser, " ")
    wait_for_revision(browser, 1)
    press(browser, "1")
    press(browser, "g")  # the rest is road
    wait_for_revision(browser, 2)
    press(browser, "Enter", modifiers=2)
    browser.wait_for(f"{STATE} === 'state submitted'")
    press(browser, "Enter", modifiers=2)
    browser.wait_for("document.body.dataset.ready === '2'")
    mask = np.asarray(Image.open(sorted(photos.glob("studio/masks/*.png"))[0]))
    assert set(np.unique(mask)) == {0, 2}
    assert mask[5, 5] == 2
    press(browser, "PageDown")
    browser.wait_for("document.body.dataset.ready === '3'")


def test_a_second_page_reads_along_and_takes_over(browser, studio, tmp_path):
    open_page(browser, studio.link)
    first, browser._session = browser._session, {}
    target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
    attached = browser.ask("Target.attachToTarget", targetId=target, flatten=True)
    second = browser._session = {"sessionId": attached["sessionId"]}
    open_page(browser, studio.address)
    notice = "document.querySelector('#notice').textContent"
    assert "Another page paints this image" in browser.value(notice)
    browser._session = first
    drag(browser, *to_screen(browser, (100, 100), (180, 100)))
    wait_for_revision(browser, 1)
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
    open_page(browser, studio.link, width_px=width_px, dark=dark)
    tools = browser.value(
        "[...document.querySelectorAll('#tools [data-tool]')].map(e => e.dataset.tool)"
    )
    for tool in tools:
        click(browser, f"#tools [data-tool={tool}]")
        assert browser.value("document.documentElement.scrollWidth") <= width_px, tool
        hint = "document.querySelector('#hint')"
        assert browser.value(f"{hint}.scrollHeight <= {hint}.clientHeight"), tool
    click(browser, "#tools [data-tool=brush]")
    assert browser.value("document.querySelector('#title').textContent") == name
    assert browser.value("document.images.length") == 0
    unnamed = browser.value(
        "[...document.querySelectorAll('button, input, select')].filter(e => "
        "!(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length"
    )
    assert unnamed == 0


def test_a_reviewer_comments_at_a_point_returns_and_accepts_with_a_reason(
    browser, photos, start_studio
):
    with open_project(photos, classes=["road", "car"]) as project:
        for name, role in (("ann", "annotator"), ("mia", "manager")):
            let_in(project, name, role)
    studio = start_studio(photos)
    log_in_as(browser, "ann", studio)
    drag(browser, *to_screen(browser, (100, 100), (180, 100)))
    wait_for_revision(browser, 1)
    press(browser, "Enter", modifiers=2)
    browser.wait_for(f"{STATE} === 'state submitted'")
    log_in_as(browser, "mia", studio)
    press(browser, "c")
    drag(browser, *to_screen(browser, (120, 100)))
    place = "document.querySelector('#comment-place').textContent"
    browser.wait_for(f"{place}.startsWith('At 1')")
    browser.choose("#comment-text", "<b>wider</b>")
    click(browser, "#comment-form .primary")
    browser.wait_for("!!document.querySelector('#threads .thread')")
    thread = "document.querySelector('#threads .thread p span').textContent"
    assert browser.value(thread) == "<b>wider</b>"
    press(browser, "Enter", modifiers=2)
    notice = "document.querySelector('#notice').textContent"
    browser.wait_for(f"{notice}.includes('1 comment is open')")
    press(browser, "Backspace", modifiers=2)
    browser.wait_for(f"{STATE} === 'state returned'")
    row = "document.querySelector('#list .item[aria-current]').innerText"
    browser.wait_for(f"{row}.endsWith('returned, ann\\n1 open comment')")
    browser.wait_for(f"{notice}.startsWith('This is the work of ann.')")
    state = "document.querySelector('header .state').textContent"
    assert browser.value(state) == "returned, read only"
    click(browser, "#notice button")
    browser.wait_for(f"{state} === 'returned'")
    click(browser, "#show-assign")
    browser.wait_for("document.querySelector('#assign').open")
    browser.choose("#assign-scope", "listed")
    click(browser, "#assign-go")
    rows = "[...document.querySelectorAll('#list .state')].map(e => e.textContent).join()"
    browser.wait_for(f"{rows} === 'returned, ann,new, ann,new, ann'")
    click(browser, "#threads .thread button:last-child")
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
    log_in_as(browser, "ann", studio)  # gets the first work by itself
    title = "document.querySelector('#title').textContent"
    browser.wait_for(f"{title}.startsWith('Practice: ')")
    words = "document.querySelector('#guide-words').textContent"
    browser.wait_for(f"{words} === 'Label the visible part.\\nWith its markings.'")
    press(browser, "2")
    press(browser, "g")
    browser.wait_for(f"{STATE} === 'state in_progress'")
    browser.wait_for(SAVED)
    press(browser, "Enter", modifiers=2)
    browser.wait_for("!document.querySelector('#shade-row').hidden")
    assert "what is wrong" in browser.value("document.querySelector('#shade-text').textContent")
    notice = "document.querySelector('#notice').textContent"
    browser.wait_for(f"{notice}.startsWith('Practice 1 of 1: compare')")
    assert "Your mean IoU so far is 0.000, 0.700 passes. The images" in browser.value(notice)
    click(browser, "#show-board")
    browser.wait_for("document.querySelector('#board').open")
    row = "[...document.querySelectorAll('#people td')].map(e => e.textContent).join('|')"
    assert browser.value(row).startswith("ann|1|0|1|0 %|0 %|practice|0.000|")
    assert browser.value("document.querySelector('[data-part=settings]').hidden")
