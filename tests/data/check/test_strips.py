"""Large images are checked in strips of rows, with the answers of the images in one piece."""

import tracemalloc

import numpy as np
import pytest
import yaml
from PIL import Image

from maskwright.core.progress import silent
from maskwright.data.check.audit import audit
from maskwright.data.check.task import TaskTally
from maskwright.data.dataset import open_as_is
from maskwright.data.opening.stratify import count_classes
from maskwright.data.pixels import strips, window
from maskwright.data.pixels.images import open_image
from maskwright.data.pixels.reduce import AreaMean

tifffile = pytest.importorskip("tifffile")
HEIGHT, WIDTH = 150, 90
CLASSES = [{"name": "soil", "raw": [0]}, {"name": "crop", "raw": [3]}, {"name": "weed"}]


@pytest.fixture
def in_strips(monkeypatch):
    """A function: images of more than 5,000 px are large from now on, 16 rows make a strip."""

    def begin():
        monkeypatch.setattr(strips, "MOST_PX", 5000)
        monkeypatch.setattr(strips, "_ROWS", (16,))

    return begin


def draw_field(seed):
    """An image and its raw mask: blocks, specks, a seam one pixel wide, some ignored."""
    rng = np.random.default_rng(seed)
    mask_HW = (rng.integers(0, 2, (15, 9)) * 3).astype(np.uint8).repeat(10, 0).repeat(10, 1)
    mask_HW[rng.random(mask_HW.shape) < 0.004] = 3
    mask_HW[:40, 30:60] = 3
    mask_HW[5:35, 45] = 0
    mask_HW[100:] = 255 if seed == 1 else mask_HW[100:]
    image_HW3 = rng.integers(1, 90, (*mask_HW.shape, 3), np.uint8) + mask_HW[..., None] * 30
    return image_HW3.astype(np.uint8), mask_HW


def write_tiff(path, pixels, nodata=None, side=32):
    """In tiles; `nodata` is GDAL's tag."""
    tags = [] if nodata is None else [(42113, "s", 0, str(nodata), True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, tile=(side, side), extratags=tags)


@pytest.fixture
def root(tmp_path):
    """Seven fields as TIFF and PNG; one has an unlisted value, one a mask of another size."""
    for seed in range(5):
        image_HW3, mask_HW = draw_field(seed)
        split = "val" if seed > 2 else "train"
        if seed == 2:
            mask_HW[140, 3:8] = 7
        if seed == 0:
            image_HW3[:40] = 0
        nodata = 0 if seed == 0 else None
        write_tiff(tmp_path / f"images/{split}/{seed}.tif", image_HW3, nodata)
        cropped_HW = mask_HW[:-3] if seed == 4 else mask_HW
        write_tiff(tmp_path / f"masks/{split}/{seed}.tif", cropped_HW)
    for seed in (5, 6):
        for kind, pixels in zip(("images", "masks"), draw_field(5), strict=True):
            Image.fromarray(pixels).save(tmp_path / kind / f"train/{seed}.png")
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"classes": CLASSES[:2]}))
    return tmp_path


def test_check_in_strips_says_what_check_says(root, in_strips, tmp_path_factory):
    whole = audit(root).to_json()
    codes = {finding["code"] for finding in whole["findings"]}
    found = {"no-data", "unlisted-values", "size-mismatch", "specks", "pin-holes", "gaps"}
    assert codes >= found | {"duplicate"}
    in_strips()
    page = tmp_path_factory.mktemp("page") / "out"
    assert audit(root, out=page).to_json() == whole
    with Image.open(page / "images/00000.jpg") as picture:
        assert picture.size == (WIDTH, HEIGHT)


def test_classes_are_inferred_from_strips_as_from_whole_masks(root, in_strips):
    (root / "dataset.yaml").write_text("codec: {ignored: [255]}\n")
    (root / "masks/train/2.tif").unlink()
    (root / "images/train/2.tif").unlink()
    whole = open_as_is(root)
    in_strips()
    parts = open_as_is(root)
    assert parts.codec == whole.codec
    assert parts.notes == whole.notes
    assert [c.kind for c in parts.spec] == [c.kind for c in whole.spec]


def test_labels_in_strips_are_the_labels_and_give_their_counts(root, in_strips):
    (root / "masks/train/2.tif").unlink()
    (root / "images/train/2.tif").unlink()
    dataset = open_as_is(root)
    whole = {index: dataset.labels(index) for index in range(len(dataset))}
    in_strips()
    for index, labels_HW in whole.items():
        parts = list(dataset.label_strips(index))
        np.testing.assert_array_equal(np.concatenate(parts), labels_HW)
        assert len(parts) == (1 if len(labels_HW) < HEIGHT else 10)
    counts_NC = count_classes(dataset.entries, dataset.codec, silent)
    tally = TaskTally()
    for index in whole:
        tally.add_strips(dataset.label_strips(index), None)
    assert counts_NC[1].sum() == 100 * WIDTH  # the other rows are ignored
    assert dict(tally.pixels) == {
        c: sum(int((labels_HW == c).sum()) for labels_HW in whole.values()) for c in (0, 1)
    }


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_strips_of_a_file_are_its_rows(root, in_strips, kind):
    name = {"tif": "train/0.tif", "png": "train/5.png"}[kind]
    image, mask = open_image(root / "images" / name), open_image(root / "masks" / name)
    image_HWC, valid_HW = image.read_data()
    stored_HW = mask.read_stored()
    in_strips()
    parts = list(strips.read_strips(image))
    assert [len(part.image_HWC) for part in parts] == [16] * 9 + [6]
    np.testing.assert_array_equal(np.concatenate([p.image_HWC for p in parts]), image_HWC)
    stored = list(strips.read_stored_strips(mask))
    np.testing.assert_array_equal(np.concatenate(stored), stored_HW)
    if valid_HW is not None:
        maps = [
            np.ones((len(p.image_HWC), WIDTH)) if p.valid_HW is None else p.valid_HW
            for p in parts
        ]
        np.testing.assert_array_equal(np.concatenate(maps), valid_HW)
        assert int((~valid_HW).sum()) == 40 * WIDTH


def test_the_mean_of_areas_in_strips_counts_only_what_holds_data():
    image_HWC = np.random.default_rng(0).integers(0, 1000, (30, 50, 6)).astype(np.uint16)
    valid_HW = np.ones((30, 50), np.bool_)
    valid_HW[:10, :25] = False
    valid_HW[12, 40] = False
    mean = AreaMean((30, 50), (3, 2))
    for rows in (slice(0, 7), slice(7, 8), slice(8, 30)):
        mean.add(image_HWC[rows], valid_HW[rows])
    small_hwC, valid_hw = mean.finish()
    assert valid_hw.tolist() == [[False, True], [True, True], [True, True]]
    for row, column in ((0, 1), (1, 1), (2, 0)):
        block = np.s_[10 * row : 10 * row + 10, 25 * column : 25 * column + 25]
        expected_C = image_HWC[block][valid_HW[block]].mean(axis=0)
        np.testing.assert_allclose(small_hwC[row, column], expected_C, atol=0.51)


def test_memory_is_that_of_a_strip(tmp_path, in_strips, monkeypatch):
    root, side = tmp_path / "data", 2304
    for split, value in (("train", 40), ("val", 90)):
        image_HW3 = np.full((side, side, 3), value, np.uint8)
        write_tiff(root / f"images/{split}/{split}.tif", image_HW3, side=256)
        write_tiff(root / f"masks/{split}/{split}.tif", image_HW3[..., 0] // 90, side=256)
    (root / "dataset.yaml").write_text("classes: [{name: a}, {name: b}]\n")
    in_strips()
    monkeypatch.setattr(strips, "_ROWS", (128,))
    monkeypatch.setattr(window, "WINDOW_PX", 256)
    audit(root, out=tmp_path / "first")  # what Python loads on first use
    tracemalloc.start()
    audit(root, out=tmp_path / "page")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < side * side * 3  # an image alone
