import io

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.studio.driving import SAVED, open_page, press, read_item, wait_for_revision
from tests.studio_pages import make_page, make_team

from maskwright.core.labels import IGNORE
from maskwright.studio.interpolation import interpolate
from maskwright.studio.project import open_project
from maskwright.studio.sequences import propagate

SIZE_HW = (120, 200)


def _draw(*discs, background=0):
    """Discs as (value, x, y, radius) on a background."""
    labels_HW = np.full(SIZE_HW, background, np.uint8)
    y_HW, x_HW = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    for value, x, y, radius in discs:
        labels_HW[np.hypot(x_HW - x, y_HW - y) <= radius] = value
    return labels_HW


def _find_iou(one_HW, other_HW):
    return (one_HW & other_HW).sum() / (one_HW | other_HW).sum()


def test_between_equal_maps_and_at_both_ends_nothing_changes():
    rng = np.random.default_rng(0)
    noise = [cv2.GaussianBlur(rng.random(SIZE_HW), (0, 0), 6) for _ in range(2)]
    first_HW, last_HW = (
        np.digitize(one_HW, np.quantile(one_HW, (0.3, 0.6))).astype(np.uint8)
        for one_HW in noise
    )
    for share in (0.0, 0.3, 1.0):
        assert (interpolate(first_HW, first_HW, share).labels_HW == first_HW).all()
    assert (interpolate(first_HW, last_HW, 0.0).labels_HW == first_HW).mean() > 0.999
    assert (interpolate(first_HW, last_HW, 1.0).labels_HW == last_HW).mean() > 0.999


def test_objects_move_and_grow_between_two_frames_without_overlap():
    first_HW = _draw((1, 40, 60, 10), (1, 150, 30, 8), (2, 100, 100, 6))
    last_HW = _draw((1, 80, 60, 20), (1, 150, 50, 8))
    middle = interpolate(first_HW, last_HW, 0.5)
    expected_HW = _draw((1, 60, 60, 15), (1, 150, 40, 8))
    for value in (0, 1):
        assert _find_iou(middle.labels_HW == value, expected_HW == value) > 0.97
    assert not (middle.labels_HW == 2).any()  # left before the middle
    early_HW = interpolate(first_HW, last_HW, 0.25).labels_HW
    assert (early_HW[100, 95:106] == 2).all()
    assert middle.confidence_HW[60, 60] == 1
    assert middle.confidence_HW[60, 46] < 0.7  # near the border of the disc


def test_what_is_unlabelled_stays_so():
    first_HW, last_HW = (_draw((1, x, 60, 12), background=IGNORE) for x in (50, 70))
    found_HW = interpolate(first_HW, last_HW, 0.5).labels_HW
    assert (found_HW == _draw((1, 60, 60, 12), background=IGNORE)).mean() > 0.999


def _make_frames(num, step_px):
    """A textured disc that moves to the right over a textured field, and the labels."""
    rng = np.random.default_rng(1)
    field, disc = (
        cv2.GaussianBlur(rng.integers(0, 256, (*SIZE_HW, 3)).astype(np.float32), (0, 0), 2)
        for _ in range(2)
    )
    frames = []
    for number in range(num):
        labels_HW = _draw((1, 50 + number * step_px, 60, 25))
        moved = np.roll(disc, number * step_px, axis=1)
        picture = np.where(labels_HW[..., None] == 1, 255 - moved / 2, field / 2 + 30)
        frames.append((picture.clip(0, 255).astype(np.uint8), labels_HW))
    return frames


def test_labels_follow_the_motion_of_the_picture():
    (before_HW3, labels_HW), (now_HW3, truth_HW) = _make_frames(2, 9)
    moved = propagate(before_HW3, now_HW3, labels_HW)
    stays = _find_iou(labels_HW == 1, truth_HW == 1)
    follows = _find_iou(moved.labels_HW == 1, truth_HW == 1)
    assert stays < 0.7
    assert follows > 0.93
    still = propagate(before_HW3, before_HW3, labels_HW)
    assert (still.labels_HW == labels_HW).all()
    assert still.confidence_HW.min() > 0.9
    right_HW3 = np.roll(before_HW3, 30, axis=1)
    assert propagate(before_HW3, right_HW3, labels_HW).confidence_HW[:, :10].mean() < 0.3


@pytest.fixture
def video(tmp_path):
    folder = tmp_path / "photos" / "street"
    folder.mkdir(parents=True)
    for number, (picture_HW3, _) in enumerate(_make_frames(4, 8)):
        Image.fromarray(picture_HW3).save(folder / f"{number}.png")
    Image.fromarray(picture_HW3).save(folder.parent / "alone.png")
    return folder.parent


def _label(page, number, labels_HW):
    page.lease(number)
    page.draw(0, number, value=0, kind="all")
    y, x = np.argwhere(labels_HW == 1).mean(axis=0).round().astype(int)
    stroke = {"radius": 25 * 8, "points": [int(x) * 8 + 4, int(y) * 8 + 4]}
    page.draw(1, number, value=1, kind="stroke", **stroke)


def test_neighbours_propose_and_a_person_accepts(video):
    truths = [labels_HW for _, labels_HW in _make_frames(4, 8)]
    with open_project(video, classes=["field", "disc"]) as project:
        page = make_page(project)
        numbers = {i["key"]: i["id"] for i in page.ask("GET", "/api/items").json()["items"]}
        frames = [numbers[f"street__{n}"] for n in range(4)]
        page.lease(frames[1])
        proposal = {"kind": "proposal", "source": "flow"}
        refused = page.draw(0, frames[1], **proposal)
        assert "street__1: street__0 has no labels; label it first" in refused.json()["error"]
        _label(page, frames[0], truths[0])
        refused = page.draw(0, frames[1], **proposal | {"source": "interpolation"})
        assert (
            "no image after it has labels; label one on both sides" in refused.json()["error"]
        )
        shade = page.ask(
            "GET", f"/api/items/{frames[1]}/shade/proposal?source=flow&confidence=50"
        )
        assert np.asarray(Image.open(io.BytesIO(shade.content))).any()
        page.draw(0, frames[1], **proposal, classes=[1], least_confidence=0.5)
        labels_HW = page.read_map(frames[1])
        assert _find_iou(labels_HW == 1, truths[1] == 1) > 0.9
        assert set(np.unique(labels_HW)) == {1, IGNORE}
        page.edit({"undoes": 1}, 1, number=frames[1])
        _label(page, frames[3], truths[3])
        page.lease(frames[2])
        page.draw(0, frames[2], kind="proposal", source="interpolation")
        assert _find_iou(page.read_map(frames[2]) == 1, truths[2] == 1) > 0.97
        page.lease(numbers["alone"])
        alone = page.draw(0, numbers["alone"], **proposal)
        assert "alone: the image before has no labels" in alone.json()["error"]
        wrong = page.ask("GET", "/api/items/1/shade/proposal?source=guess")
        assert "expected one of model, flow, interpolation" in wrong.json()["error"]


def test_frames_of_others_propose_nothing(video):
    truth_HW = _make_frames(1, 8)[0][1]
    with open_project(video, classes=["field", "disc"]) as project:
        team = make_team(project, ann="annotator", ben="annotator")
        items = team["ann"].ask("GET", "/api/items").json()["items"]
        numbers = {item["key"]: item["id"] for item in items}
        first, second = numbers["street__0"], numbers["street__1"]
        _label(team["ann"], first, truth_HW)
        team["ben"].lease(second)
        refused = team["ben"].draw(0, second, kind="proposal", source="flow")
        assert "the image before has no labels" in refused.json()["error"]


def test_in_the_page_enter_accepts_what_the_frame_before_proposes(browser, start_studio, video):
    studio = start_studio(video, "--classes", "field,disc")
    open_page(browser, studio.link)
    browser.wait_for("document.body.dataset.ready === '1'")
    press(browser, "PageDown")  # the first in the list is not of the video
    browser.wait_for("document.body.dataset.ready === '2'")
    press(browser, "g")
    wait_for_revision(browser, 1, number=2)
    press(browser, "a")
    notice = "document.querySelector('#notice').textContent"
    browser.wait_for(f"{notice}.includes('the image before has no labels')")
    press(browser, "PageDown")
    browser.wait_for("document.body.dataset.ready === '3'")
    browser.wait_for("document.body.dataset.overlay === 'shown'")
    press(browser, "Enter")
    wait_for_revision(browser, 1, number=3)
    browser.wait_for(SAVED)
    assert read_item(browser, 3)["state"] == "in_progress"
