"""Faults: what is told when the store is gone or locked; and nothing is lost."""

import shutil
import sqlite3
import time
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.postgres import Postgres
from tests.studio.driving import (
    READY,
    SAVED,
    click,
    drag,
    open_page,
    to_screen,
    wait_for_revision,
)
from tests.studio_pages import make_page, make_team

from maskwright.core.results import STUDIO_FILE
from maskwright.store.items import change_item
from maskwright.studio.editing import LEASE_S
from maskwright.studio.fatigue import Sessions
from maskwright.studio.people import Person, add_user
from maskwright.studio.performance import measure_people
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify

TOLD = "document.querySelector('#saved').textContent"
KEPT = f"{TOLD}.endsWith(': 1 kept in this browser')"


def _paint(browser, x=40):
    drag(browser, *to_screen(browser, (x, 40), (x + 50, 60)))


def test_a_page_keeps_what_a_store_that_is_gone_cannot_take(browser, studio, photos):
    store = photos / "studio" / STUDIO_FILE
    open_page(browser, studio.link)
    number = int(browser.value("document.body.dataset.ready"))
    _paint(browser)
    wait_for_revision(browser, 1, number)
    store.rename(photos / "elsewhere")
    _paint(browser, 140)
    browser.wait_for(KEPT)
    text = browser.value(TOLD)
    assert text.startswith(f"{store}: was moved or removed while it is in use; nothing of this")
    (photos / "elsewhere").rename(store)
    browser.wait_for(SAVED)
    assert wait_for_revision(browser, 2, number)["rev"] == 2
    studio.kill()
    with open_project(photos) as project:
        assert verify(project).faults == ()


def test_a_page_keeps_what_a_full_disk_cannot_take(browser, photos, start_studio, mounted):
    data = mounted("size=8m")
    for image in photos.iterdir():
        shutil.copyfile(image, data / image.name)
    studio = start_studio(data, "--classes", "road,car,tree")
    open_page(browser, studio.link)
    number = int(browser.value("document.body.dataset.ready"))
    _paint(browser)
    wait_for_revision(browser, 1, number)
    fill_disk(data / "other")
    _paint(browser, 140)
    browser.wait_for(KEPT)
    assert "disk is full" in browser.value(TOLD)
    assert "make room on the disk" in browser.value(TOLD)
    (data / "other").unlink()
    browser.wait_for(SAVED)
    assert wait_for_revision(browser, 2, number)["rev"] == 2
    studio.kill()
    with open_project(data) as project:
        assert verify(project).faults == ()


def fill_disk(file):
    """Write until nothing more fits."""
    with file.open("wb", buffering=0) as writer, suppress(OSError):
        while writer.write(bytes(4096)):
            pass


def test_another_file_in_the_place_of_the_store_is_not_written(photos, tmp_path):
    with open_project(photos, classes=["road", "car"]) as project:
        page = make_page(project)
        page.lease()
        store = project.folder / STUDIO_FILE
        content = store.read_bytes()
        store.rename(tmp_path / "own")
        store.write_bytes(content)
        answer = page.draw(0, kind="all")
        assert answer.status_code == 507
        assert "was replaced by another file while it is in use" in answer.json()["error"]
        (tmp_path / "own").replace(store)
        assert page.draw(0, kind="all").status_code == 200


def test_a_store_that_another_program_locks_is_told(photos, monkeypatch):
    monkeypatch.setattr("maskwright.store.database._WAIT_S", 0.05)
    with open_project(photos, classes=["road", "car"]) as project:
        page = make_page(project)
        page.lease()
        with closing(sqlite3.connect(project.folder / STUDIO_FILE)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = page.draw(0, kind="all")
        assert answer.status_code == 507
        assert "database is locked" in answer.json()["error"]
        assert "end the other program that writes to this file" in answer.json()["error"]
        assert page.draw(0, kind="all").status_code == 200
        assert verify(project).faults == ()


def test_edits_go_on_when_postgresql_is_back(photos):
    with ExitStack() as ends:
        folder = Path(ends.enter_context(TemporaryDirectory(prefix="postgres.")))
        server = Postgres(folder)
        ends.callback(server.stop)
        url = server.make_url()
        with open_project(photos, classes=["road", "car"], store_url=url) as project:
            page = make_page(project)
            page.lease()
            assert page.draw(0, kind="all").status_code == 200
            server.stop()
            for _ in range(2):  # the first finds a connection that is broken
                answer = page.draw(1, kind="all", value=0)
                assert answer.status_code == 507, answer.text
                assert "see that the database runs" in answer.json()["error"]
            server.start()
            assert page.draw(1, kind="all", value=0).json()["rev"] == 2
            assert verify(project).faults == ()


def test_a_lease_of_before_the_clock_was_set_back_is_taken_over(project):
    team = make_team(project, ann="annotator", rob="reviewer")
    team["ann"].lease()
    assert team["rob"].lease(take="over").status_code == 423
    with project.store.write() as connection:
        change_item(connection, 1, lease_until=time.time() + 3600)
    assert team["rob"].lease().status_code == 423  # not without asking for it
    assert team["rob"].lease().json()["free_in_s"] == LEASE_S
    assert team["rob"].lease(take="over").status_code == 200
    assert team["ann"].draw(0, kind="all").status_code == 423


def test_a_clock_that_is_set_back_takes_no_time_from_anybody(project):
    team = make_team(project, ann="annotator")
    team["ann"].lease()
    for rev in range(3):
        team["ann"].draw(rev, kind="all", value=rev)
    moments = ("12:00:00", "12:00:20", "10:00:00")
    with project.store.write() as connection:
        for seq, moment in enumerate(moments, 1):
            connection.exec_driver_sql(
                f"UPDATE event SET at = '2026-05-04T{moment}.000+00:00' WHERE seq = {seq}"
            )
    boss = Person(name="mia", role="manager", session="")
    team["ann"].step("submit", 3)
    (row,) = measure_people(project, boss)
    assert row["overall"]["seconds_per_image"] == 20.0


def test_a_session_begins_anew_where_the_clock_is_set_back():
    sessions, noon = Sessions(), datetime(2026, 5, 4, 12, tzinfo=UTC)
    sessions.add_edit(noon, 20)
    sessions.add_edit(noon + timedelta(minutes=20), 20)
    sessions.add_edit(noon - timedelta(hours=2), 20)
    sessions.add_edit(noon - timedelta(hours=2) + timedelta(minutes=16), 20)
    assert dict(sessions.active_s) == {0: 40, 1: 40}


def _log_in(browser, password):
    browser.wait_for("document.querySelector('#login')?.open")
    browser.choose("#login-name", "ann")
    browser.choose("#login-password", password)
    click(browser, "#login-form button")


def test_who_logs_in_again_goes_on_where_the_session_ended(browser, photos, start_studio):
    with open_project(photos, classes=["road", "car", "tree"]) as project:
        password = add_user(project.store, "ann", "annotator", actor="local")
    studio = start_studio(photos)
    browser.visit(studio.address)
    _log_in(browser, password)
    browser.wait_for(READY)
    number = int(browser.value("document.body.dataset.ready"))
    _paint(browser)
    wait_for_revision(browser, 1, number)
    browser.ask("Network.clearBrowserCookies")
    _paint(browser, 140)
    browser.wait_for("document.querySelector('#login').open")
    browser.wait_for(f"{TOLD} === 'log in first: 1 kept in this browser'")
    _log_in(browser, password)
    browser.wait_for(SAVED)
    assert wait_for_revision(browser, 2, number)["lease"]["person"] == "ann"
