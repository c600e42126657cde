import io
import sqlite3
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.studio_pages import make_page, make_team

from maskwright.core.card import STATE_KEY
from maskwright.core.errors import ConfigError, DataError, UnknownNameError
from maskwright.core.progress import silent
from maskwright.core.results import STUDIO_FILE, WriteMode
from maskwright.data.dataset import open_as_is
from maskwright.studio import accepted
from maskwright.studio.export import export_tag, export_trained
from maskwright.studio.importing import import_labels
from maskwright.studio.project import open_project
from maskwright.studio.verify import verify
from maskwright.training.data import TrainingData
from maskwright.training.origin import Origin
from maskwright.training.recipe import Recipe
from maskwright.training.start import make_job


def _square(page, rev, value, size, number=1):
    ring = [0, 0, 8 * size, 0, 8 * size, 8 * size, 0, 8 * size]
    done = page.draw(rev, number, value=value, kind="polygon", rings=[ring])
    assert done.status_code == 200, done.text


@pytest.fixture
def painted(page):
    """Three revisions of the first image: squares of 40, 20 and 30 pixels."""
    page.lease()
    for rev, (value, size) in enumerate([(1, 40), (2, 20), (0, 30)]):
        _square(page, rev, value, size)
    return page


def test_two_revisions_are_compared_by_pairs_of_classes(painted):
    answer = painted.ask("GET", "/api/items/1/diff", params={"from": 1, "to": 3})
    assert answer.json() == {"changes": [{"before": "car", "after": "road", "px": 900}]}
    first = painted.ask("GET", "/api/items/1/diff", params={"from": 0, "to": 2}).json()
    assert first["changes"] == [
        {"before": "unlabelled", "after": "car", "px": 1200},
        {"before": "unlabelled", "after": "tree", "px": 400},
    ]
    shade = painted.ask("GET", "/api/items/1/shade/changes?from=1").content
    changed_HW = np.asarray(Image.open(io.BytesIO(shade)).convert("RGBA"))[..., 3] > 0
    assert changed_HW.sum() == 900
    assert changed_HW[:30, :30].all()
    missing = painted.ask("GET", "/api/items/1/diff", params={"from": 1, "to": 9})
    assert missing.status_code == 404
    assert "has the revisions 0 to 3, not 9" in missing.json()["error"]
    for path in (
        "diff?from=1",
        "diff?from=1&to=x",
        "edits?after=-1",
        "shade/errors?confidence=101",
    ):
        refused = painted.ask("GET", f"/api/items/1/{path}")
        assert refused.status_code == 422, path
        assert "expected a whole number up to" in refused.json()["error"]


def test_a_restored_revision_has_its_tiles_and_can_be_undone(project, painted):
    tiles = painted.item()["tiles"]
    back = painted.ask("POST", "/api/items/1/restore", json={"rev": 2})
    assert back.json()["rev"] == 4
    labels_HW = painted.read_map()
    assert ((labels_HW == 2).sum(), (labels_HW == 1).sum()) == (400, 1200)
    rows = painted.ask("GET", "/api/items/1/revisions").json()["revisions"]
    assert [(row["rev"], row["tool"]) for row in rows] == [
        (4, "restore"),
        *((rev, "test") for rev in (3, 2, 1)),
    ]
    assert painted.edit({"undoes": 4}, 4).status_code == 200
    assert painted.item()["tiles"] == tiles
    assert verify(project).faults == ()
    other = painted.other()
    assert other.ask("POST", "/api/items/1/restore", json={"rev": 0}).status_code == 423


def test_labels_of_the_frame_before_go_to_unlabelled_pixels(painted):
    painted.lease(2)
    _square(painted, 0, 2, 10, number=2)
    done = painted.ask("POST", "/api/items/2/copy", json={"source": 1})
    assert done.json()["rev"] == 2
    labels_HW = painted.read_map(2)
    assert (labels_HW[:10, :10] == 2).all()
    assert (labels_HW[10:30, 10:30] == 0).all()
    assert (labels_HW[30:40, 30:40] == 1).all()


def test_a_tag_names_the_revisions_of_all_accepted_images(painted):
    none = painted.ask("POST", "/api/tags", json={"name": "v1"})
    assert "no image is accepted yet" in none.json()["error"]
    painted.step("submit", 3)
    painted.step("accept", 3)
    assert painted.ask("POST", "/api/tags", json={"name": "v1"}).json()["images"] == 1
    again = painted.ask("POST", "/api/tags", json={"name": "v1"})
    assert "the tag 'v1' is there already" in again.json()["error"]
    (tag,) = painted.ask("GET", "/api/tags").json()["tags"]
    assert (tag["name"], tag["images"]) == ("v1", 1)
    rows = painted.ask("GET", "/api/items/1/revisions").json()["revisions"]
    assert [row["tags"] for row in rows] == [["v1"], [], []]
    assert painted.ask("POST", "/api/tags", json={"name": "../v2"}).status_code == 422


def test_a_tag_is_exported_as_the_images_were_then(project, painted, tmp_path):
    painted.step("submit", painted.item()["rev"])
    painted.step("accept", painted.item()["rev"])
    then_HW = painted.read_map()
    painted.ask("POST", "/api/tags", json={"name": "first"})
    painted.step("reopen", painted.item()["rev"])
    painted.draw(painted.item()["rev"], value=2, kind="all")
    mode = WriteMode()
    export_tag(project, "first", "mask_folder", tmp_path / "out", mode, silent)
    (mask,) = (tmp_path / "out").rglob("masks/**/*.png")
    assert (np.asarray(Image.open(mask)) == then_HW).all()
    assert not (painted.read_map() == then_HW).all()
    assert not list(project.folder.glob("tag-*"))
    with pytest.raises(UnknownNameError, match="no tag named 'frist'; did you mean 'first'"):
        export_tag(project, "frist", "mask_folder", tmp_path / "no", mode, silent)


def test_what_is_accepted_while_an_export_puts_files_in_order_stays(
    project, painted, monkeypatch
):
    painted.step("submit", 0, 2)
    list_masks = accepted._list_masks
    thread = threading.Thread(target=painted.step, args=("accept", 0, 2))

    def list_later(project):
        thread.start()
        thread.join(0.3)  # it waits for its turn
        return list_masks(project)

    monkeypatch.setattr(accepted, "_list_masks", list_later)
    accepted.restore_accepted(project)
    thread.join()
    assert painted.item(2)["state"] == "accepted"
    assert len(list_masks(project)) == 1


def test_what_a_model_was_trained_on_is_exported_as_it_was_then(project, painted, tmp_path):
    def open_card():
        dataset = open_as_is(project.folder)
        job = make_job(tmp_path, Recipe(), _read_as_training(dataset), Origin())
        return job.card

    def export(card, name):
        out = tmp_path / name
        export_trained(project, card, "mask_folder", out, WriteMode(), silent)
        masks = {
            path.stem: np.asarray(Image.open(path)) for path in out.rglob("masks/**/*.png")
        }
        return list(masks.values())

    painted.step("submit", 3)
    painted.step("accept", 3)
    first, then_HW = open_card(), painted.read_map()
    painted.step("reopen", 3)
    painted.draw(3, value=2, kind="all")
    painted.step("submit", 4)
    painted.step("accept", 4)
    painted.step("submit", 0, 2)
    painted.step("accept", 0, 2)
    second = open_card()
    states = [card.provenance[STATE_KEY] for card in (first, second)]
    assert states[0] != states[1]
    assert {len(state) for state in states} == {64}
    (mask_HW,) = export(first, "first")
    assert (mask_HW == then_HW).all()
    assert len(export(second, "second")) == 2
    erased = painted.ask("POST", "/api/items/1/erase", json={"reason": "asked"})
    assert erased.status_code == 200
    assert len(export(second, "left")) == 1
    with pytest.raises(DataError, match="all images of that time are gone"):
        export(first, "none")
    with pytest.raises(DataError, match="has no event ffff"):
        export(replace(first, provenance={STATE_KEY: "f" * 64}), "other")
    with pytest.raises(DataError, match=r"was not trained on .*; --tag NAME writes"):
        export(replace(first, provenance={}), "unknown")


def _read_as_training(dataset):
    """The accepted images as training and validation data of a run."""
    facts = SimpleNamespace(median_size_HW=(1, 1), counts_NC=np.zeros((1, 1)))
    return TrainingData(dataset, ("train", "val"), dataset, dataset, facts)


def test_an_erased_image_leaves_a_gap_that_the_chain_names(project, painted):
    painted.lease(2)
    _square(painted, 0, 1, 40, number=2)  # shares its tile with revision 1 of the first
    kept_HW = painted.read_map(2)
    painted.step("submit", 3)
    painted.step("accept", 3)
    painted.ask("POST", "/api/items/1/comments", json={"text": "her face"})
    masks = list(project.folder.rglob("masks/*.png"))
    assert len(masks) == 1
    done = painted.ask("POST", "/api/items/1/erase", json={"reason": "she asked for it"})
    assert done.json() == {"removed_tiles": 2}
    assert not masks[0].exists()
    for path in ("", "/edits", "/revisions", "/comments", "/picture/0/0/0"):
        assert painted.ask("GET", f"/api/items/1{path}").status_code == 404, path
    assert {i["id"] for i in painted.ask("GET", "/api/items").json()["items"]} == {2, 3}
    assert (painted.read_map(2) == kept_HW).all()
    assert verify(project).faults == ()
    with sqlite3.connect(project.folder / STUDIO_FILE) as store:
        assert "her face" not in "".join(store.iterdump())
        # emptying one more, as somebody might who hides a thing, is found
        store.execute("UPDATE event SET document = '{}' WHERE item_id = 2 AND verb = 'edit'")
        store.commit()
    store.close()
    assert "its values are not those that were written" in verify(project).faults[0]


def test_an_erased_image_is_no_more_work_and_an_import_passes_it_over(scenes, all_scenes):
    with open_project(scenes) as project:
        page = make_page(project)
        page.ask("POST", "/api/settings", json={"copies": 1, "gold_first": 0})
        for number in range(1, 6):
            page.ask("POST", f"/api/items/{number}/erase", json={"reason": "asked"})
        assert import_labels(project, all_scenes).num_images == 1
        order = page.ask("POST", "/api/order", json={"order": "random", "scores": {}})
        assert order.json()["images"] == 1
        copy = page.ask("POST", "/api/next").json()
        assert copy["key"] == page.item(6)["key"]
        assert page.ask("POST", "/api/next").json()["id"] == copy["id"]
        page.step("submit", 0, copy["id"])
        assert "no more work for you" in page.ask("POST", "/api/next").json()["error"]


def test_only_an_admin_erases(project):
    team = make_team(project, mia="manager", ada="admin")
    assert (
        team["mia"].ask("POST", "/api/items/1/erase", json={"reason": "x"}).status_code == 403
    )
    assert team["ada"].ask("POST", "/api/items/1/erase", json={"reason": ""}).status_code == 422


def test_labels_of_another_dataset_are_imported_as_edits(scenes, all_scenes, tmp_path):
    with open_project(scenes) as project:
        page = make_page(project)
        page.lease(2)
        page.draw(0, 2, value=255, kind="all")
        page.item(1)
        page.step("submit", 0, 1)
        done = import_labels(project, all_scenes)
        assert done.num_images == 5
        assert "is submitted and not changed" in done.left_out[0]
        original = project.data.dataset.labels(project.data.find(page.item(2)["key"]))
        assert (page.read_map(2) == original).all()
        assert page.edit({"undoes": 2}, 2, number=2).status_code == 200
        assert (page.read_map(2) == 255).all()
        assert verify(project).faults == ()


def test_an_import_with_other_classes_is_refused(photos, all_scenes):
    with (
        open_project(photos, classes=["road"]) as project,
        pytest.raises(ConfigError, match=r"has the classes sidewalk, .* which photos has not"),
    ):
        import_labels(project, all_scenes)
