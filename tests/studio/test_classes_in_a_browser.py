"""Choose classes and what is painted over, by keys and pointer; accounts of people."""

import numpy as np
import pytest
from tests.studio.driving import (
    SAVED,
    click,
    drag,
    log_in_as,
    open_page,
    press,
    to_screen,
    wait_for_revision,
)
from tests.studio_pages import let_in

from maskwright.studio.client import StudioClient
from maskwright.studio.errors import StudioError
from maskwright.studio.people import add_user
from maskwright.studio.project import open_project

ACROSS = ((60, 150), (460, 150))


def _read_map(photos):
    with open_project(photos) as project, project.store.read() as connection:
        return project.read_map(connection, project.find_item(connection, 1))


def test_the_order_of_classes_is_their_priority_and_keys_reach_all(
    browser, photos, start_studio
):
    names = [f"<b>{letter}</b>" for letter in "abcdefghijkl"]
    studio = start_studio(photos, "--classes", ",".join(names))
    open_page(browser, studio.link)
    listed = "[...document.querySelectorAll('#classes .name')].map(e => e.textContent)"
    assert browser.value(listed) == [*names, "unlabelled"]
    drag(browser, *to_screen(browser, (100, 60), (100, 240)))  # class 0
    for key in (",", ","):  # unlabelled, then the last class
        press(browser, key)
    drag(browser, *to_screen(browser, (200, 60), (200, 240)))  # class 11
    for key in ("5", "k", "k"):  # over those above
        press(browser, key)
    drag(browser, *to_screen(browser, *ACROSS))
    press(browser, ".")
    press(browser, "k")  # over all
    click(browser, "#lock-all")
    click(browser, "#classes li:first-child .toggle")
    drag(browser, *to_screen(browser, (60, 180), (460, 180)))
    wait_for_revision(browser, 4)
    browser.wait_for(SAVED)
    studio.kill()
    labels_HW = _read_map(photos)
    assert labels_HW[150, [80, 100, 200, 300]].tolist() == [4, 4, 11, 4]
    assert labels_HW[180, [80, 100, 200, 300]].tolist() == [255, 5, 11, 255]
    assert set(np.unique(labels_HW)) == {0, 4, 5, 11, 255}


def test_an_admin_gives_a_new_password_in_the_page_and_the_old_one_ends(
    browser, photos, start_studio
):
    with open_project(photos, classes=["road"]) as project:
        let_in(project, "ada", "admin")
        old = add_user(project.store, "ann", "annotator", actor="ada")
    studio = start_studio(photos)
    ann = StudioClient(studio.address, "ann", old)
    log_in_as(browser, "ada", studio)
    click(browser, "#show-board")
    browser.wait_for("document.querySelector('#board').open")
    browser.value("document.querySelectorAll('#accounts button')[1].click()")
    chosen = "['name', 'role'].map(e => document.querySelector(`#account-${e}`).value)"
    assert browser.value(chosen) == ["ann", "annotator"]
    browser.choose("#account-role", "reviewer")
    click(browser, "#account-form button")
    note = "document.querySelector('#account-note').textContent"
    browser.wait_for(f"{note}.startsWith('ann (reviewer) logs in with the password ')")
    with pytest.raises(StudioError, match="log in first"):
        ann.list_items()
    with pytest.raises(StudioError, match="the name or the password is wrong"):
        StudioClient(studio.address, "ann", old)
    new = browser.value(note).split("password ")[1].split(". ")[0]
    assert len(StudioClient(studio.address, "ann", new).list_items()) == 3
