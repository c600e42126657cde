"""Line 27: the golden mask of annotation formats goes into a studio and out of it unchanged."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.studio.golden_vectors import FILE, GOLDEN_MASK
from tests.studio_pages import make_page

from maskwright.core.errors import MaskwrightError
from maskwright.core.labels import IGNORE
from maskwright.core.progress import silent
from maskwright.core.results import WriteMode
from maskwright.data.conversion.convert import list_writable
from maskwright.data.dataset import open_dataset
from maskwright.studio.export import export_accepted
from maskwright.studio.importing import import_labels
from maskwright.studio.project import open_project
from maskwright.studio.tiles import cut_map

MASK_HW = np.array(GOLDEN_MASK, np.uint8)


def _write_image(folder):
    folder.mkdir()
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "a.png")


def _write_coco(folder, file_name="a.png"):
    """The mask as run lengths of pycocotools."""
    _write_image(folder)
    runs = {"size": [4, 6], "counts": "531N00025O"}
    document = {
        "images": [{"id": 1, "file_name": file_name, "width": 6, "height": 4}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": runs}
            | {"iscrowd": 1, "area": 10, "bbox": [1, 1, 5, 3]}
        ],
    }
    (folder / "instances.json").write_text(json.dumps(document))


@pytest.fixture
def accepted(tmp_path):
    """A studio with the imported mask, accepted."""
    _write_coco(tmp_path / "coco")
    _write_image(tmp_path / "photos")
    with open_project(tmp_path / "photos", classes=["background", "thing"]) as project:
        assert import_labels(project, tmp_path / "coco").num_images == 1
        page = make_page(project)
        rev = page.item()["rev"]
        assert page.read_map().tolist() == MASK_HW.tolist()
        page.step("submit", rev)
        assert page.step("accept", rev).json()["state"] == "accepted"
        yield project


def test_the_golden_mask_goes_through_a_studio_into_all_formats(accepted, tmp_path):
    for form in set(list_writable()) - {"cityscapes"}:  # which has classes of its own
        out = tmp_path / f"as-{form}"
        account = export_accepted(accepted, form, out, WriteMode(), silent)
        dataset = open_dataset(out)
        thing_HW = dataset.labels(0) == dataset.spec.names.index("thing")
        if form == "yolo":  # has no holes
            assert account.to_json()["lost"]["holes in regions, which are filled"]["count"] == 1
            assert (thing_HW != MASK_HW).nonzero() == (2, 2)
        else:
            assert (thing_HW == MASK_HW).all(), form


def test_the_golden_vectors_draw_the_golden_mask():
    """The browser draws the same case: `test_the_browser_gives_the_pixels_of_numpy`."""
    case = json.loads(FILE.read_text())[-1]
    labels_HW = np.where(MASK_HW == 1, 1, IGNORE).astype(np.uint8)
    assert case["size_HW"] == [4, 6]
    assert case["tiles_sha256"] == list(cut_map(labels_HW)[0].values())


def test_a_file_outside_of_the_data_is_refused(tmp_path):
    """Line 28: names that lead out of the folder."""
    _write_coco(tmp_path / "coco", "../secret.png")
    (tmp_path / "coco/a.png").unlink()
    _write_image(tmp_path / "other")
    (tmp_path / "other/a.png").rename(tmp_path / "secret.png")
    with (
        pytest.raises(MaskwrightError, match=r"\.\./secret\.png"),
        open_project(tmp_path / "coco"),
    ):
        pass
