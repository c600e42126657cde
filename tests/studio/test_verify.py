import sqlite3

import pytest
from sqlalchemy.event import listen

from maskwright.core.errors import OutputError
from maskwright.core.results import STUDIO_FILE
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify


@pytest.fixture
def store(project, page):
    """The database after five edits of one image and a step."""
    page.lease()
    for rev in range(5):
        page.draw(rev, kind="stroke", radius=40, points=[400 * rev, 400, 400 * rev + 90, 80])
    page.step("submit", 5)
    assert verify(project).faults == ()
    return sqlite3.connect(project.folder / STUDIO_FILE)


def _change(store, statement, *values):
    store.execute("PRAGMA foreign_keys=OFF")
    store.execute(statement, values)
    store.commit()


def test_a_row_that_is_deleted_is_named(project, store):
    _change(store, "DELETE FROM event WHERE n = 4")
    found = verify(project)
    assert found.faults[0] == "event 4 missing from the log"
    assert "edit 3 follows edit 1" in found.faults[1]
    assert found.to_text().endswith("faults")


def test_the_last_edit_that_is_deleted_is_named(project, store):
    _change(store, "DELETE FROM event WHERE n >= 7")
    assert any("at revision 5, the log ends at edit 4" in f for f in verify(project).faults)


def test_a_row_that_is_changed_is_named(project, store):
    _change(store, "UPDATE event SET actor = 'nobody' WHERE n = 3")
    assert verify(project).faults == ("event 3: its values are not those that were written",)


def test_a_class_map_that_no_edit_made_is_named(project, store):
    _change(store, "UPDATE tile SET sha = (SELECT max(sha) FROM tile) WHERE row = 0")
    assert "its class map is not the one that its edits give" in verify(project).faults[0]


def test_pixels_that_are_damaged_or_gone_are_named(project, store):
    _change(store, "UPDATE blob SET content = x'00' WHERE sha = (SELECT max(sha) FROM tile)")
    assert "a tile has 256 x 256 pixels, this has another number" in verify(project).faults
    _change(store, "DELETE FROM blob WHERE sha = (SELECT max(sha) FROM tile)")
    assert any("the pixels of 1 tiles are missing" in f for f in verify(project).faults)


def test_a_store_that_is_open_elsewhere_or_newer_is_refused(photos, project, store):
    with pytest.raises(OutputError, match="is writing here"), open_project(photos):
        pass
    _change(store, "UPDATE meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(OutputError, match="a store of version 99, this maskwright reads up to"):
        type(project.store).open(project.folder / STUDIO_FILE)


def test_a_full_disk_changes_nothing_and_says_what_to_do(project, page):
    page.lease()
    with project.store.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    project.store.close()  # connections after this one have the limit
    limit = f"PRAGMA max_page_count={pages + 4}"
    listen(project.store._engine, "connect", lambda made, _: made.execute(limit))
    for rev in range(40):
        ring = [80 * rev, 0, 2400, 900, 80 * rev, 1600]
        answer = page.draw(rev, kind="polygon", value=rev % 3, rings=[ring])
        if answer.status_code != 200:
            break
    assert answer.status_code == 507
    assert "database or disk is full; nothing of this was saved" in answer.json()["error"]
    assert page.item()["rev"] == rev
    assert verify(project).faults == ()
