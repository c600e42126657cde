"""The same work in SQLite and in PostgreSQL gives the same labels and the same log."""

import pytest
from tests.studio_pages import make_page

from maskwright.core.errors import ConfigError
from maskwright.store.chain import list_events
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify

CLASSES = ["road", "car", "tree"]


def _work(project):
    """Strokes, an undo, a fill, steps and a tag; the labels and the log without times."""
    page = make_page(project)
    page.lease()
    page.draw(0, value=1, kind="stroke", radius=160, points=[800, 800, 2400, 1600])
    page.draw(1, value=2, kind="stroke", radius=40, points=[800, 800])
    page.edit({"undoes": 2}, 2)
    page.draw(3, value=0, mode="keep", kind="all")
    page.step("submit", 4)
    assert page.step("accept", 4).json()["state"] == "accepted"
    assert page.ask("POST", "/api/tags", json={"name": "first"}).json()["images"] == 1
    assert verify(project).faults == ()
    with project.store.read() as connection:
        log = [(e.verb, e.actor, e.item_id, e.seq) for e in list_events(connection)]
    return page.read_map(), page.item()["tiles"], log


def test_sqlite_and_postgresql_have_the_same_labels_and_log(photos, postgres, tmp_path):
    url = postgres.make_url()
    with open_project(photos, classes=CLASSES) as project:
        first_HW, tiles, log = _work(project)
    (photos / "studio").rename(tmp_path / "kept")
    with open_project(photos, classes=CLASSES, store_url=url) as project:
        second_HW, other_tiles, other_log = _work(project)
    assert (first_HW == second_HW).all()
    assert tiles == other_tiles
    assert log == other_log
    assert len(log) > 6
    with open_project(photos, store_url=url) as project:
        assert make_page(project).item()["rev"] == 4
    refused = pytest.raises(ConfigError, match=r"labels are in postgresql.*; give this --store")
    with refused, open_project(photos):
        pass


def test_a_store_is_of_one_folder(photos, postgres):
    url = postgres.make_url()
    with open_project(photos, classes=CLASSES):
        pass
    with (
        pytest.raises(
            ConfigError, match=r"its labels are in studio\.sqlite; leave out --store"
        ),
        open_project(photos, store_url=url),
    ):
        pass
