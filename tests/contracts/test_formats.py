"""Every file in data/formats keeps the same promises."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.core import parts
from maskwright.core.errors import MaskwrightError
from maskwright.data.dataset import open_dataset
from maskwright.data.schema import DatasetFile

FORMATS = "maskwright.data.formats"
M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
"""A mask with a hole and two components."""

LAYOUTS = {
    "mask_folder": ("images/{split}/{key}.png", "masks/{split}/{key}.png", None),
    "voc": (
        "JPEGImages/{key}.png",
        "SegmentationClass/{key}.png",
        "ImageSets/Segmentation/{split}.txt",
    ),
}
"""Where each format keeps an image, its mask and the list of a split."""

KEYS = {"train": ("a", "b", "c.d"), "val": ("e",)}


@pytest.fixture(params=parts.names(FORMATS))
def name(request):
    return request.param


@pytest.fixture
def part(name):
    return parts.load(FORMATS, name)


@pytest.fixture
def root(name, tmp_path):
    image, mask, listed = LAYOUTS[name]
    for split, keys in KEYS.items():
        for key in keys:
            for layout, pixels in ((image, np.zeros((*M.shape, 3), np.uint8)), (mask, M)):
                path = tmp_path / layout.format(split=split, key=key)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
        if listed:
            path = tmp_path / listed.format(split=split)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(keys) + "\n")
    return tmp_path


def test_recognises_its_own_layout_and_no_empty_folder(part, root, tmp_path_factory):
    assert part.recognises(root)
    assert not part.recognises(tmp_path_factory.mktemp("empty"))


def test_scan_finds_every_pair_in_its_split_without_reading_pixels(part, root):
    for path in root.rglob("*.png"):
        path.write_bytes(b"not read")
    scan = part.scan(root, DatasetFile())
    found = {split: [] for split in KEYS}
    for entry in scan.entries:
        found[entry.split].append(entry.key)
        assert entry.image != entry.labels
        assert Path(entry.image).is_file()
        assert Path(entry.labels).is_file()
    assert {split: tuple(keys) for split, keys in found.items()} == KEYS
    assert scan.lone_masks == ()


def test_scan_is_in_the_same_order_each_time(part, root):
    once, again = part.scan(root, DatasetFile()), part.scan(root, DatasetFile())
    assert once == again
    assert [(e.split, e.key) for e in once.entries] == sorted(
        (e.split, e.key) for e in once.entries
    )


def test_an_image_without_a_mask_is_kept_and_a_mask_without_an_image_told(part, root):
    scan = part.scan(root, DatasetFile())
    scan.entries[0].labels.unlink()
    assert [e.labels is None for e in part.scan(root, DatasetFile()).entries] == [
        True,
        False,
        False,
        False,
    ]


def test_labels_come_back_as_painted(part, root):
    dataset = open_dataset(root)
    assert dataset.splits == {"train": 3, "val": 1}
    for index in range(len(dataset)):
        np.testing.assert_array_equal(dataset.labels(index), M)
    assert open_dataset(root).entries == dataset.entries
    assert open_dataset(root / "dataset.yaml").codec == dataset.codec


def test_an_empty_folder_is_refused(part, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(MaskwrightError, match=str(empty)):
        part.scan(empty, DatasetFile())
