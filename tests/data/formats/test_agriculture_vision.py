"""Agriculture-Vision: masks of classes that overlap become one class map; fields are groups."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.formats.agriculture_vision import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
IMAGE = np.zeros((4, 6, 3), np.uint8)
COLOURS = np.full((4, 6, 3), (9, 0, 0), np.uint8)
FULL, NONE = np.full_like(M, 255), np.zeros_like(M)
KEY = "1AD76MIZN_659-8394-1171-8906"


def files(masks, *, key=KEY, split="train", boundary=FULL, valid=FULL):
    named = {f"{split}/labels/{label}/{key}.png": mask for label, mask in masks.items()}
    named |= {
        f"{split}/boundaries/{key}.png": boundary,
        f"{split}/masks/{key}.png": valid,
        f"{split}/images/rgb/{key}.jpg": IMAGE,
        f"{split}/images/nir/{key}.jpg": IMAGE[..., 0],
    }
    return named


def nested():
    """Weeds of M within a waterway of three columns."""
    waterway = NONE.copy()
    waterway[:, 1:4] = 255
    return {"weed_cluster": M * 255, "waterway": waterway}


def test_classes_are_the_folders_behind_the_background(write):
    root = write(files({"weed_cluster": M * 255, "waterway": NONE, "endrow": NONE}))
    assert recognises(root)
    dataset = open_as_is(root)
    assert dataset.spec.names == ("background", "endrow", "waterway", "weed_cluster")
    np.testing.assert_array_equal(dataset.labels(0), M * 3)
    (entry,) = dataset.entries
    assert (entry.key, entry.split, entry.group) == (KEY, "train", "1AD76MIZN")


def test_the_smaller_of_two_labels_is_visible_unless_another_rule_is_given(write):
    root = write(files(nested()))
    over = open_as_is(root)
    expected = np.where(M == 1, 2, 0)
    expected[:, 1:4] = np.where(M[:, 1:4] == 1, 2, 1)
    np.testing.assert_array_equal(over.labels(0), expected)
    assert any("smaller_on_top" in note and "'overlap'" in note for note in over.notes)
    (root / "dataset.yaml").write_text("overlap: [waterway, weed_cluster]\n")
    under = open_as_is(root)
    expected[:, 1:4] = 1
    np.testing.assert_array_equal(under.labels(0), expected)
    assert any("waterway, weed_cluster" in note for note in under.notes)


def test_the_rule_is_recorded_and_hidden_pixels_are_counted(write, tmp_path_factory):
    root = write(files(nested()) | files(nested(), split="val", key="B_0-0-512-512"))
    open_dataset(root)
    assert "overlap: smaller_on_top" in (root / "dataset.yaml").read_text()
    target = tmp_path_factory.mktemp("out") / "native"
    account = convert(root, target, to="mask_folder", verify=True)
    assert account.agreement.differing == 0
    assert account.losses["pixels of shapes below others"].count == 2 * 8


def test_pixels_outside_the_boundary_or_the_valid_mask_are_ignored(write):
    boundary, valid = FULL.copy(), FULL.copy()
    boundary[:, 0], valid[3] = 0, 0
    root = write(files(nested(), boundary=boundary, valid=valid))
    labels_HW = open_as_is(root).labels(0)
    inside = (boundary == 255) & (valid == 255)
    assert (labels_HW[~inside] == IGNORE).all()
    assert IGNORE not in labels_HW[inside]


def test_splits_without_labels_are_kept_and_unread_channels_are_noted(write):
    more = {"test/images/rgb/C_0-0-5-5.jpg": IMAGE, "test/boundaries/C_0-0-5-5.png": FULL}
    dataset = open_as_is(write(files(nested()) | more))
    assert dataset.splits == {"test": 1, "train": 1}
    assert any("near infrared (images/nir) is not read" in note for note in dataset.notes)


def test_near_infrared_is_the_fourth_channel_and_bands_chooses_others(write):
    found = files(nested())
    found[f"train/images/nir/{KEY}.jpg"] = np.full((4, 6), 77, np.uint8)
    root = write(found)
    dataset = open_as_is(root)
    assert dataset.bands == ("red", "green", "blue", "nir")
    assert dataset.keys == (KEY,)
    assert dataset[0].image_HWC[0, 0].tolist() == [0, 0, 0, 77]
    (root / "dataset.yaml").write_text("bands: [nir, red]\n")
    assert open_as_is(root)[0].image_HWC[0, 0].tolist() == [77, 0]


def test_without_boundaries_and_masks_every_pixel_counts(write):
    found = files(nested())
    kept = {k: v for k, v in found.items() if "boundaries" not in k and "/masks/" not in k}
    dataset = open_as_is(write(kept))
    assert IGNORE not in dataset.labels(0)
    assert "no boundaries and masks in train: every pixel counts there" in dataset.notes


GREY = M * 255
GREY[0, :2] = 7, 200
WRONG = {
    "smoothed": (
        files({"waterway": GREY}),
        r"waterway/.*\.png: holds 7 and other values \(2 px\), expected 0 and 255",
    ),
    "other size": (
        files({"waterway": M * 255, "weed_cluster": NONE[:3]}),
        r"weed_cluster/.*\.png: is \(3, 6\) \(H, W\), and .*waterway/.*\.png is \(4, 6\)",
    ),
    "boundary of other size": (
        files({"waterway": M * 255}, boundary=FULL[:3]),
        r"boundaries/.*\.png: is \(3, 6\) \(H, W\)",
    ),
    "colours": (
        files({"waterway": COLOURS}),
        r"waterway/.*\.png: the mask has colours",
    ),
    "no mask of one class": (
        files(nested()) | files({"waterway": NONE}, key="B_0-0-5-5"),
        r"B_0-0-5-5\.jpg: has no mask in labels/weed_cluster \(1 of 2 folders have none\)",
    ),
    "no boundary": (
        files(nested())
        | {f"train/labels/{n}/B_0-0-5-5.png": NONE for n in nested()}
        | {"train/images/rgb/B_0-0-5-5.jpg": IMAGE},
        r"B_0-0-5-5\.jpg: has no mask in boundaries \(2 of 2 folders have none\)",
    ),
    "no mask at all": (
        files(nested()) | {"train/images/rgb/B_0-0-5-5.jpg": IMAGE},
        r"B_0-0-5-5\.jpg has no mask",
    ),
    "two masks": (
        files(nested()) | {f"train/labels/waterway/{KEY}.bmp": NONE},
        r"waterway/.*\.png: .*\.bmp beside it has the same name with another suffix; keep one",
    ),
    "no labels": (
        files({}),
        r"has no folder \(train, say\) with images/rgb and labels/<class>",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, write):
    content, message = WRONG[case]
    root = write(content)
    with pytest.raises(DataError, match=message):
        open_as_is(root, form="agriculture_vision").labels(0)


def test_masks_without_an_image_are_listed(write):
    root = write(files(nested()) | {"train/labels/waterway/B_0-0-5-5.png": NONE})
    assert [m.file.name for m in scan(root, DatasetFile()).lone_masks] == ["B_0-0-5-5.png"]


def test_folders_below_are_part_of_the_name(write):
    found = files(nested(), key="x/A_0-0-5-5") | files(
        {**nested(), "waterway": NONE}, key="y/A_0-0-5-5"
    )
    dataset = open_as_is(write(found))
    assert [(e.key, e.group) for e in dataset.entries] == [
        ("x__A_0-0-5-5", "x__A"),
        ("y__A_0-0-5-5", "y__A"),
    ]
    assert [int((dataset.labels(place) == 1).sum()) for place in (0, 1)] == [4, 0]


@pytest.mark.parametrize("folder", ["labels/waterway", "boundaries"])
def test_damaged_masks_are_read_or_refused_soon(folder, write, fuzz):
    root = write(files(nested()))
    path = root / f"train/{folder}/{KEY}.png"

    def read(damaged):
        path.write_bytes(damaged)
        open_as_is(root, form="agriculture_vision").labels(0)

    fuzz(path.read_bytes(), read)
