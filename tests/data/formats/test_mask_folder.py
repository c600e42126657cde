import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.mask_folder import recognises, scan
from maskwright.data.pixels.imageref import ImageRef

NOTHING = DatasetFile()


def files(*names):
    """Empty files: scanning reads none."""
    return dict.fromkeys(names, b"")


def keys(scanned):
    return [(e.split, e.key, e.labels is not None) for e in scanned.entries]


@pytest.mark.parametrize("images", ["images", "img", "JPEGImages", "Image"])
@pytest.mark.parametrize("masks", ["masks", "labels", "gt", "annotations", "SegmentationClass"])
def test_usual_names_of_folders_are_known(write, images, masks):
    root = write(files(f"{images}/a.jpg", f"{masks}/a.png"))
    assert recognises(root)
    assert keys(scan(root, NOTHING)) == [("", "a", True)]


def test_folders_in_each_split_are_known(write):
    root = write(
        files(
            "train/images/a.jpg",
            "train/masks/a.png",
            "valid/images/b.jpg",
            "valid/masks/b.png",
        )
    )
    assert recognises(root)
    assert keys(scan(root, NOTHING)) == [("train", "a", True), ("val", "b", True)]


def test_names_of_splits_are_normalised(write):
    root = write(
        files(
            "images/training/a.png",
            "masks/train/a.png",
            "images/validation/b.png",
            "masks/valid/b.png",
            "images/testing/c.png",
            "masks/testing/c.png",
        )
    )
    assert keys(scan(root, NOTHING)) == [
        ("test", "c", True),
        ("train", "a", True),
        ("val", "b", True),
    ]


def test_a_single_folder_that_is_not_named_like_a_split_is_a_group(write):
    root = write(files("images/batch1/a.png", "masks/batch1/a.png"))
    (entry,) = scan(root, NOTHING).entries
    assert (entry.split, entry.key, entry.group) == ("", "batch1__a", "batch1")


def test_the_folder_that_tools_without_splits_write_is_none(write):
    root = write(files("images/default/a.png", "masks/default/a.png"))
    assert keys(scan(root, NOTHING)) == [("", "a", True)]


def test_folders_that_are_not_splits_are_groups(write):
    root = write(
        files(
            "images/north/1.png", "masks/north/1.png", "images/south/1.png", "masks/south/1.png"
        )
    )
    scanned = scan(root, NOTHING)
    assert keys(scanned) == [("", "north__1", True), ("", "south__1", True)]
    assert [e.group for e in scanned.entries] == ["north", "south"]


def test_folders_below_a_split_are_groups(write):
    root = write(files("images/train/north/1.png", "masks/train/north/1.png"))
    (entry,) = scan(root, NOTHING).entries
    assert (entry.split, entry.key, entry.group) == ("train", "north__1", "north")


def test_masks_without_split_folders_serve_images_with_them(write):
    root = write(files("images/train/a.png", "images/val/b.png", "masks/a.png", "masks/b.png"))
    assert keys(scan(root, NOTHING)) == [("train", "a", True), ("val", "b", True)]


def test_files_without_a_partner_are_listed(write):
    root = write(files("images/a.png", "images/b.png", "masks/b.png", "masks/c.png"))
    scanned = scan(root, NOTHING)
    assert keys(scanned) == [("", "a", False), ("", "b", True)]
    assert scanned.lone_masks == (ImageRef(root / "masks/c.png"),)


def test_an_ending_that_all_masks_share_is_ignored(write):
    root = write(
        files("images/a.jpg", "images/a1.jpg", "masks/a_mask.png", "masks/a1_mask.png")
    )
    scanned = scan(root, NOTHING)
    assert keys(scanned) == [("", "a", True), ("", "a1", True)]
    assert scanned.notes == ("masks are named like their images, with '_mask' at the end",)


def test_hidden_and_other_files_are_skipped(write):
    root = write(
        files("images/a.png", "images/.b.png", "images/notes.txt", "masks/a.png", ".x/c.png")
    )
    assert keys(scan(root, NOTHING)) == [("", "a", True)]


def test_two_folders_that_could_be_meant_are_both_named(write):
    root = write(files("images/a.png", "masks/a.png", "labels/a.png"))
    with pytest.raises(
        DataError, match=r"'labels' and 'masks' could both hold the masks; .*'masks: labels'"
    ):
        scan(root, NOTHING)
    assert keys(scan(root, DatasetFile(masks="labels"))) == [("", "a", True)]


def test_any_folder_may_be_named_in_dataset_yaml(write):
    root = write(files("photos of leaves/a.png", "truth/a.png"))
    assert keys(scan(root, DatasetFile(images="photos of leaves", masks="truth"))) == [
        ("", "a", True)
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("a.jpg", "b.png"),
            r"expected a folder of images beside a folder of masks, found no fold",
        ),
        (("images/a.png",), r"a folder of .*, found images \(1 PNG\); name them 'images'"),
        (("images/x.txt", "masks/a.png"), "holds no images; put them into"),
        (("images/a.png", "masks/x.txt"), "holds no masks; put them into"),
        (
            ("images/a.png", "images/a.jpg", "masks/a.png"),
            r"masks/a\.png: could be the mask of a\.jpg or of a\.png; call their masks a\.jpg",
        ),
        (
            ("images/a.png", "images/train/b.png", "images/val/c.png", "masks/a.png"),
            r"a\.png: lies beside the folders of splits \(train, val\)",
        ),
    ],
)
def test_a_folder_that_does_not_pair_is_refused(write, names, message):
    root = write(files(*names))
    with pytest.raises(DataError, match=message) as refusal:
        scan(root, NOTHING)
    assert str(root) in str(refusal.value)


def test_pixels_may_be_anything_at_this_stage(write):
    root = write({"images/a.png": np.zeros((2, 2), np.uint8), "masks/a.png": b"broken"})
    assert keys(scan(root, NOTHING)) == [("", "a", True)]


def test_damaged_masks_are_read_or_refused_soon(write, fuzz):
    labels_HW = (np.arange(600).reshape(20, 30) // 40 % 3).astype(np.uint8)
    root = write({"images/a.png": np.zeros((20, 30, 3), np.uint8), "masks/a.png": labels_HW})
    (root / "dataset.yaml").write_text("classes: [{name: a}, {name: b}, {name: c}]\n")
    mask = root / "masks/a.png"

    def read(content):
        mask.write_bytes(content)
        open_as_is(root, form="mask_folder").labels(0)

    fuzz(mask.read_bytes(), read)


def test_damaged_tables_of_classes_are_read_or_refused_soon(write, fuzz):
    table = "name,r,g,b\na,1,2,3\nb c,4,5,6\nd,0,0,0\n"
    mask = np.array([[[1, 2, 3], [4, 5, 6], [0, 0, 0]]], np.uint8)
    root = write({"images/a.png": mask, "masks/a.png": mask, "class_dict.csv": table})

    def read(content):
        (root / "class_dict.csv").write_bytes(content)
        open_as_is(root, form="mask_folder").labels(0)

    fuzz(table.encode(), read)
