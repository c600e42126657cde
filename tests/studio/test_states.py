from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.studio_pages import make_page

from maskwright.core.errors import MaskwrightError
from maskwright.data.check.audit import audit
from maskwright.data.dataset import open_dataset
from maskwright.studio.accepted import restore_accepted
from maskwright.studio.project import open_project


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and "studio" not in path.relative_to(folder).parts
    }


def _accept(page, number):
    rev = page.item(number)["rev"]
    assert page.step("submit", rev, number).json()["state"] == "submitted"
    assert page.step("accept", rev, number).json()["state"] == "accepted"


def test_accepted_maps_are_a_dataset_and_the_data_stays_as_it_was(scenes):
    before, report = _files(scenes), audit(scenes)
    with open_project(scenes) as project:
        restore_accepted(project)
        page = make_page(project)
        keys = {
            item["id"]: item["key"] for item in page.ask("GET", "/api/items").json()["items"]
        }
        page.lease(2)
        page.draw(0, 2, value=6, kind="stroke", radius=80, points=[800, 800, 1600, 900])
        painted_HW = page.read_map(2)
        for number in keys:
            _accept(page, number)
    accepted = open_dataset(scenes / "studio")
    original = open_dataset(scenes)
    assert accepted.spec == original.spec
    assert accepted.splits == original.splits
    for index, key in enumerate(original.keys):
        mine = accepted.labels(accepted.keys.index(key))
        assert np.array_equal(mine, painted_HW if key == keys[2] else original.labels(index))
        assert np.array_equal(accepted.image(accepted.keys.index(key)), original.image(index))
    assert _files(scenes) == before
    after = audit(scenes).to_json()
    assert "1 folders of results in the data are passed over" in after.pop("notes")[0]
    assert after.items() <= report.to_json().items()


def test_what_is_accepted_stays_until_it_is_reopened(page, photos):
    folder = photos / "studio"
    page.lease()
    geometry = {"kind": "stroke", "radius": 80, "points": [800, 800]}
    page.draw(0, **geometry)
    page.step("submit", 1)
    assert "is submitted and not changed; return it first" in page.draw(1, **geometry).text
    page.step("return", 1)
    assert page.draw(1, value=2, **geometry).status_code == 200
    _accept(page, 1)
    mask = next(folder.rglob("masks/*.png"))
    kept = page.read_map()
    assert np.array_equal(np.asarray(Image.open(mask)), kept)
    refused = page.draw(2, **geometry)
    assert refused.status_code == 409
    assert "is accepted and not changed; reopen it first" in refused.json()["error"]
    assert page.edit({"undoes": 2}, 2).status_code == 409
    assert np.array_equal(page.read_map(), kept)
    assert page.step("reopen", 2).json()["state"] == "in_progress"
    assert not mask.exists()
    assert not list(folder.glob("images/*"))
    assert page.draw(2, **geometry).status_code == 200


def test_a_step_from_another_state_or_revision_is_refused(page):
    refused = page.step("accept", 0)
    assert refused.status_code == 409
    assert "accept is a step from submitted" in refused.json()["error"]
    page.lease()
    page.draw(0, kind="all")
    assert "is at revision 1, not 0" in page.step("submit", 0).json()["error"]
    assert page.step("dance", 1).status_code == 404


def test_files_of_accepted_images_follow_the_store(project, page):
    restore_accepted(project)
    _accept(page, 1)
    _accept(page, 2)
    masks = sorted(project.folder.glob("masks/*.png"))
    assert len(masks) == 2
    masks[0].unlink()
    stray = project.folder / "masks/stray.png"
    stray.write_bytes(masks[1].read_bytes())
    restore_accepted(project)
    assert sorted(project.folder.glob("masks/*.png")) == masks


def test_classes_that_changed_since_are_refused(photos):
    with open_project(photos, classes=["road", "car"]):
        pass
    with (
        pytest.raises(
            MaskwrightError, match=r"has the classes road,car since it was first opened"
        ),
        open_project(photos, classes=["car", "road"]),
    ):
        pass
    with open_project(photos) as project:
        assert project.spec.names == ("road", "car")


def test_images_alone_need_classes_and_data_with_labels_needs_none(photos, scenes):
    with (
        pytest.raises(MaskwrightError, match=r"images and no labels.*--classes road,car"),
        open_project(photos),
    ):
        pass
    with (
        pytest.raises(MaskwrightError, match=r"has labels already, of the format mask_folder"),
        open_project(scenes, classes=["a"]),
    ):
        pass
    assert not (photos / "studio").exists()
    assert not (scenes / "studio").exists()


def test_an_image_without_a_mask_is_labelled_beside_those_that_have_one(scenes):
    mask = sorted(scenes.glob("masks/*/*.png"))[0]
    mask.unlink()
    with open_project(scenes) as project:
        page = make_page(project)
        items = page.ask("GET", "/api/items").json()["items"]
        number = next(item["id"] for item in items if item["key"] == mask.stem)
        assert (page.read_map(number) == 255).all()
        assert len(items) == 6
