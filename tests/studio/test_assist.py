import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from skimage.measure import label as find_regions
from skimage.morphology import remove_small_holes, remove_small_objects
from tests.studio_pages import make_page

from maskwright.core.labels import IGNORE
from maskwright.studio.edit import Edit, Proposal, Wand
from maskwright.studio.project import open_project
from maskwright.studio.proposals import Proposed, find_taken
from maskwright.studio.repairs import absorb, find_holes, find_specks, repair
from maskwright.studio.wand import find_alike, to_lab


@pytest.fixture
def noise_HW():
    rng = np.random.default_rng(3)
    return cv2.GaussianBlur(rng.random((60, 80)), (0, 0), 2) > 0.5


def _repair(labels_HW, value=1, mode="overwrite", only=None, **geometry):
    edit = Edit.model_validate(
        {"tool": "test", "value": value, "mode": mode, "only": only, "geometry": geometry}
    )
    return repair(labels_HW, edit, edit.geometry)


def test_holes_and_specks_are_those_of_scikit_image(noise_HW):
    found_HW = find_specks(noise_HW, 20)
    kept_HW = remove_small_objects(noise_HW, max_size=20, connectivity=1)
    assert found_HW.any()
    assert (found_HW == (noise_HW & ~kept_HW)).all()
    holes_HW = find_holes(noise_HW, 30)
    padded_HW = np.pad(~noise_HW, 1, constant_values=True)  # what touches the border is none
    regions_HW = find_regions(padded_HW, connectivity=1)
    inner_HW = (regions_HW != regions_HW[0, 0]) & padded_HW
    filled_HW = remove_small_holes(~inner_HW, max_size=30, connectivity=1) & inner_HW
    assert holes_HW.any()
    assert (holes_HW == filled_HW[1:-1, 1:-1]).all()


def test_a_hole_gets_the_class_and_a_speck_that_of_its_surroundings():
    labels_HW = np.full((12, 12), 1, np.uint8)
    labels_HW[3:5, 3:5] = IGNORE
    labels_HW[7:10, 7:10] = 2
    filled_HW = _repair(labels_HW, kind="holes", most_px=8)
    assert (filled_HW == 1).sum() == 144 - 9
    assert (_repair(labels_HW, kind="holes", most_px=9) == 1).all()
    assert (_repair(labels_HW, kind="holes", most_px=9, only=[2]) == IGNORE).sum() == 4
    cleaned_HW = _repair(labels_HW, value=2, kind="specks", most_px=9)
    assert (cleaned_HW[7:10, 7:10] == 1).all()
    assert (_repair(labels_HW, value=2, kind="specks", most_px=8) == labels_HW).all()


def test_growing_and_shrinking_move_a_border_by_pixels():
    labels_HW = np.zeros((20, 20), np.uint8)
    labels_HW[8:12, 8:12] = 1
    grown_HW = _repair(labels_HW, kind="grow", px=2)
    assert grown_HW[6:14, 8:12].all()
    assert grown_HW[6, 6] == 0  # corners are round
    assert (grown_HW == 1).sum() == 16 + 4 * 8 + 4
    assert (_repair(labels_HW, kind="grow", px=2, mode="keep") == labels_HW).all()
    shrunk_HW = _repair(labels_HW, kind="shrink", px=1)
    assert (shrunk_HW == 1).sum() == 4
    assert not shrunk_HW[8].any()


def test_absorbed_pixels_have_the_nearest_value(noise_HW):
    rng = np.random.default_rng(4)
    labels_HW = rng.integers(0, 4, noise_HW.shape).astype(np.uint8)
    changed_HW = absorb(labels_HW, noise_HW, noise_HW)
    assert (changed_HW[~noise_HW] == labels_HW[~noise_HW]).all()
    outside_N2 = np.argwhere(~noise_HW)
    for y, x in np.argwhere(noise_HW)[::97]:
        distance_N = np.hypot(*(outside_N2 - (y, x)).T)
        near = outside_N2[distance_N <= distance_N.min() * 1.05 + 1e-9]  # a 5 x 5 mask
        assert changed_HW[y, x] in labels_HW[tuple(near.T)]


def test_the_wand_takes_colours_within_a_distance_in_lab():
    rng = np.random.default_rng(5)
    picture_HW3 = cv2.GaussianBlur(rng.integers(0, 256, (50, 70, 3), np.uint8), (0, 0), 3)
    wand = Wand(kind="wand", at=(20, 30), tolerance=6, connected=False)
    lab_HW3 = rgb2lab(picture_HW3)
    distance_HW = np.linalg.norm(lab_HW3 - lab_HW3[30, 20], axis=2)
    sure_HW = np.abs(distance_HW - 6) > 0.7  # OpenCV interpolates the cube root
    found_HW = find_alike(to_lab(picture_HW3), wand)
    assert 0 < found_HW.sum() < found_HW.size
    assert (found_HW == (distance_HW <= 6))[sure_HW].all()
    regions_HW = find_regions(found_HW, connectivity=1)
    near_HW = find_alike(to_lab(picture_HW3), wand.model_copy(update={"connected": True}))
    assert (near_HW == (regions_HW == regions_HW[30, 20])).all()


def _preview(page, **edit):
    document = json.dumps({"tool": "test", "mode": "overwrite", **edit})
    return page.ask("GET", "/api/items/1/shade/preview", params={"edit": document})


@pytest.mark.parametrize(
    "geometry",
    [
        {"kind": "wand", "at": [30, 250], "tolerance": 9},
        {"kind": "cells", "level": 2, "points": [800, 1600, 900, 1700]},
        {"kind": "grow", "px": 3},
        {"kind": "flood", "at": [5, 5]},
    ],
)
def test_a_preview_shows_what_the_edit_changes_and_changes_nothing(page, geometry):
    page.lease()
    page.draw(0, value=1, kind="stroke", radius=200, points=[960, 1600, 2400, 1600])
    before_HW = page.read_map()
    edit = {"value": 1, "only": [0, IGNORE], "geometry": geometry}
    shade = _preview(page, **edit).content
    meant_HW = np.asarray(Image.open(io.BytesIO(shade)).convert("RGBA"))[..., 3] > 0
    assert page.item()["rev"] == 1
    assert page.edit({"mode": "overwrite", **edit}, 1).status_code == 200
    assert meant_HW.any()
    assert (meant_HW == (page.read_map() != before_HW)).all()


def test_a_preview_without_its_edit_is_refused(page):
    refused = page.ask("GET", "/api/items/1/shade/preview")
    assert refused.status_code == 422
    assert "a preview needs the `edit` that it shows" in refused.json()["error"]
    assert "geometry" in _preview(page, value=1).json()["error"]
    outside = {"kind": "flood", "at": [9999, 5]}
    assert _preview(page, value=1, geometry=outside).status_code == 422


def test_what_a_proposal_takes():
    labels_HW = np.array([[0, 0, 1, 1], [0, 1, 1, IGNORE], [2, 2, 2, 0]], np.uint8)
    confidence_HW = np.array([[9, 8, 7, 6], [9, 9, 9, 9], [3, 9, 9, 9]], np.float32) / 10
    proposed = Proposed(labels_HW, confidence_HW)

    def take(**options):
        return find_taken(proposed, Proposal(kind="proposal", **options)).astype(int).tolist()

    assert take() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert take(least_confidence=0.75) == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1]]
    assert take(classes=[2]) == [[0] * 4, [0] * 4, [1, 1, 1, 0]]
    assert take(at=(0, 0)) == [[1, 1, 0, 0], [1, 0, 0, 0], [0] * 4]
    assert take(at=(3, 1)) == [[0] * 4] * 3


def test_without_a_model_a_proposal_is_refused(page):
    page.lease()
    refused = page.draw(0, value=1, kind="proposal")
    assert "no model makes proposals; start the studio with --model" in refused.json()["error"]


def test_a_bundle_proposes_in_the_classes_of_the_project(painted_bundle, tmp_path):
    bundle = tmp_path / "model"
    painted_bundle(bundle, names=("sky", "road", "car"))
    folder = tmp_path / "photos"
    folder.mkdir()
    said_HW = np.repeat(np.arange(3, dtype=np.uint8), 30)[:, None].repeat(70, axis=1)
    Image.fromarray(np.stack([said_HW] * 3, axis=2)).save(folder / "a.png")
    with open_project(folder, classes=["road", "tree", "car"]) as project:
        page = make_page(project, model=str(bundle))
        assert page.ask("GET", "/api/project").json()["has_model"]
        shade = page.ask("GET", "/api/items/1/shade/proposal?confidence=50")
        assert shade.status_code == 200, shade.text
        alpha_HW = np.asarray(Image.open(io.BytesIO(shade.content)))[..., 3]
        assert (alpha_HW[:30] == 0).all()  # the sky is not a class here
        assert (alpha_HW[30:] > 0).all()
        page.lease()
        page.draw(0, value=1, kind="stroke", radius=40, points=[80, 480])
        page.draw(1, mode="keep", kind="proposal", least_confidence=0.5)
        labels_HW = page.read_map()
    assert (labels_HW[60:, 20:] == 2).all()
    assert labels_HW[60, 10] == 1
    assert (labels_HW[30:50] == 0).all()
    assert (labels_HW[:30] == IGNORE).all()
