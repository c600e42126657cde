"""Groups, splits and names of files that `convert` writes, by the rules of the other tools."""

import json
import os
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.data.conversion.convert import convert, list_writable
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.formats.yolo import scale_to_pixels
from maskwright.data.opening.splitfile import SplitFile
from maskwright.data.shapes.raster import fill

FORMATS = [name for name in list_writable() if name != "cityscapes"]
"""Cityscapes has names of classes of its own."""

NAMES = ("background", "road", "car")
YAML = "classes: [{name: background}, {name: road}, {name: car, kind: thing}]\n"


def draw(root, places, *, masks=None, suffix=".png"):
    """Write images and masks at `places`, which are paths without a suffix."""
    for index, place in enumerate(places):
        labels_HW = np.zeros((20, 30), np.uint8)
        labels_HW[3:9, 4 : 20 + index % 3] = 1
        labels_HW[12:16, 5:9] = 2
        if masks is not None:
            labels_HW = masks[index]
        for folder, end, pixels in (
            ("images", suffix, np.full((*labels_HW.shape, 3), 20 * index % 256, np.uint8)),
            ("masks", ".png", labels_HW),
        ):
            path = root / folder / f"{place}{end}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    (root / "dataset.yaml").write_text(YAML)
    return root


@pytest.mark.parametrize("target", FORMATS)
def test_images_of_one_folder_are_one_group_in_every_format(target, tmp_path):
    """The folders become the start of the name; no tile is drawn into two splits."""
    places = [f"tile{tile}/{n:03d}" for tile in "ABCDEF" for n in range(3)]
    source = open_as_is(draw(tmp_path / "source", places))
    account = convert(source, tmp_path / "out", to=target)
    folders = account.losses["names of folders, which become the start of the file name"]
    assert folders.count == len(places)
    written = open_dataset(tmp_path / "out")
    group_of = {entry.key: entry.group for entry in source.entries}
    assert {entry.key: entry.group for entry in written.entries} == group_of
    splits = {(entry.group, entry.split) for entry in written.entries}
    assert len(splits) == len({group for group, _ in splits}) == 6
    # the cases of nnU-Net's imagesTr are its training set, from which val alone is drawn
    drawn = {"train", "val"} if target == "nnunet" else {"train", "val", "test"}
    assert {split for _, split in splits} == drawn


def test_groups_that_no_rule_finds_in_the_keys_stand_in_the_account(tmp_path):
    source = draw(tmp_path / "source", ["a1", "b1", "a2", "b2"])
    dataset = open_as_is(source)
    for entry in dataset.entries:
        object.__setattr__(entry, "group", entry.key[0])
    account = convert(dataset, tmp_path / "out", to="voc")
    lost = account.losses["groups of images that are never split apart"]
    assert (lost.count, lost.num_images, lost.keys) == (2, 0, ["a", "b"])
    assert "lost: groups of images that are never split apart: 2 (a, b)" in account.to_text()


@pytest.mark.parametrize(
    ("rule", "group"),
    [
        ("{before: _}", "street"),
        ("{before: _, last: true}", "street_7"),
        ("{before: x}", "street_7_b"),
    ],
)
def test_dataset_yaml_says_where_the_group_ends_in_a_key(rule, group, tmp_path):
    source = draw(tmp_path / "source", ["street_7_b"])
    (source / "dataset.yaml").write_text(f"{YAML}group: {rule}\n")
    assert open_as_is(source).groups == (group,)


def test_an_unknown_key_of_the_group_is_named(tmp_path):
    source = draw(tmp_path / "source", ["street_7_b"])
    (source / "dataset.yaml").write_text(f"{YAML}group: {{before: _, lst: true}}\n")
    with pytest.raises(ConfigError, match=r"unknown key .group.lst.; did you mean .last."):
        open_as_is(source)


@pytest.mark.parametrize("target", FORMATS)
def test_splits_of_any_name_come_back_from_every_format(target, tmp_path):
    """`path` is a key of its own in YOLO's data.yaml."""
    splits = {split: [f"{split}{n}" for n in "ab"] for split in ("train", "val", "path", "dev")}
    root = draw(tmp_path / "source", [name for names in splits.values() for name in names])
    file = SplitFile(splits=splits, val=0.25, test=0, seed=0)
    file.write(root / "splits.json")
    source = open_as_is(root)
    account = convert(source, tmp_path / "out", to=target, verify=True)
    assert account.agreement.differing == 0
    written = open_as_is(tmp_path / "out")
    assert {e.key: e.split for e in written.entries} == {e.key: e.split for e in source.entries}


@pytest.mark.parametrize("target", FORMATS)
def test_the_suffix_keeps_its_case(target, tmp_path):
    source = draw(tmp_path / "source", ["a"], suffix=".PNG")
    convert(source, tmp_path / "out", to=target)
    (entry,) = open_as_is(tmp_path / "out").entries
    # nnU-Net finds files by a number of the channel and one ending
    assert entry.image.path.name == ("a_0000.png" if target == "nnunet" else "a.PNG")


@pytest.mark.parametrize("target", FORMATS)
def test_a_name_that_is_not_utf_8_is_refused_before_any_work(target, tmp_path):
    source = draw(tmp_path / "source", ["a", "b"])
    for folder in ("images", "masks"):
        odd = source / folder / os.fsdecode(b"stra\xdfe.png")
        try:
            (source / folder / "a.png").rename(odd)
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"stra\\xdfe\.png: its name is not UTF-8 text \(2"):
        convert(source, tmp_path / "out", to=target)
    with pytest.raises(DataError, match="not UTF-8"):
        open_dataset(source)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def resolve_as_ultralytics(folder):
    """Which folders of images `check_det_dataset` of ultralytics 8.4.190 takes.

    A rewrite of its rule: a folder must hold one YAML file at its top, `path` is the folder of
    that file unless it is given, and both train and val must be named.
    """
    (file,) = folder.glob("*.yaml")
    document = yaml.safe_load(file.read_text())
    assert document.keys() & {"path", "yaml_file", "download"} == set()
    return {key: folder / document[key] for key in ("train", "val")}, document


@pytest.mark.parametrize(
    ("splits", "train", "val", "notes"),
    [
        (("train", "val", "test"), "images/train", "images/val", 0),
        (("train",), "images/train", "images/train", 1),
        (("val",), "images/val", "images/val", 1),
        (("path", "train", "val"), "images/train", "images/val", 1),
        (("",), "images", "images", 2),
    ],
)
def test_data_yaml_is_what_ultralytics_takes(splits, train, val, notes, tmp_path):
    source = draw(tmp_path / "source", [f"a{split}" for split in splits])
    keys = {split: [f"a{split}"] for split in splits}
    if splits != ("",):
        SplitFile(splits=keys, val=0, test=0, seed=0).write(source / "splits.json")
    account = convert(source, tmp_path / "out", to="yolo")
    folders, document = resolve_as_ultralytics(tmp_path / "out")
    assert folders == {"train": tmp_path / "out" / train, "val": tmp_path / "out" / val}
    assert ("test" in document) == ("test" in splits)
    said = [note for note in account.notes if "Ultralytics wants" in note or "no key" in note]
    assert len(said) == notes
    assert (tmp_path / "out/maskwright/dataset.yaml").is_file()
    assert open_dataset(tmp_path / "out").spec.names == NAMES


def test_checking_a_yolo_folder_writes_no_second_yaml_beside_its_own(tmp_path):
    source = draw(tmp_path / "source", ["train/a", "val/b"])
    convert(source, tmp_path / "out", to="yolo")
    (tmp_path / "out/maskwright/dataset.yaml").unlink()
    open_dataset(tmp_path / "out")
    resolve_as_ultralytics(tmp_path / "out")
    assert (tmp_path / "out/maskwright/dataset.yaml").is_file()
    named = open_dataset(tmp_path / "out/dataset.yaml")
    assert named.spec == open_dataset(tmp_path / "out").spec


def paint_as_ultralytics(text, size_HW):
    """The class of each pixel, -1 for none: `polygons2masks_overlap` of 8.4.190, rewritten.

    Regions are painted from the largest to the smallest, whatever their order in the file.
    """
    regions = []
    for line in text.splitlines():
        index, *corners = line.split()
        ring = np.array(corners, np.float64).reshape(-1, 2)
        regions.append((int(index), fill((scale_to_pixels(ring, size_HW),), size_HW, "opencv")))
    painted_HW = np.full(size_HW, -1)
    for index, region in sorted(regions, key=lambda item: -item[1].area_px):
        painted_HW[region.slices][region.inside_hw] = index
    return painted_HW


def test_a_larger_shape_above_a_smaller_one_is_counted_as_ultralytics_paints_it(tmp_path):
    root = tmp_path / "source"
    root.mkdir()
    Image.new("RGB", (30, 20)).save(root / "a.png")
    rows = ((2, 4, 6, 8, "road"), (1, 1, 12, 14, "car"))
    shapes = [
        {"label": label, "points": [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]}
        for x, y, w, h, label in rows
    ]
    document = {"shapes": shapes, "imagePath": "a.png", "imageHeight": 20, "imageWidth": 30}
    (root / "a.json").write_text(json.dumps(document))
    dataset = open_as_is(root)
    account = convert(dataset, tmp_path / "out", to="yolo", verify=True)
    painted_HW = paint_as_ultralytics((tmp_path / "out/labels/a.txt").read_text(), (20, 30))
    names = yaml.safe_load((tmp_path / "out/data.yaml").read_text())["names"]
    tool = np.array([*names.values(), "background"])[painted_HW]
    truth = np.array(dataset.spec.names)[dataset.labels(0)]
    what = "pixels of shapes above smaller ones, which Ultralytics paints below them"
    assert account.losses[what].count == np.count_nonzero(tool != truth) == 7 * 9
    assert account.agreement.differing == 7 * 9


def test_regions_of_one_pixels_width_are_counted_for_yolo(tmp_path):
    """Ultralytics drops a region whose box has no width or no height."""
    labels_HW = np.zeros((20, 30), np.uint8)
    labels_HW[3, 2:20] = labels_HW[6:15, 25] = labels_HW[10, 10] = 2
    labels_HW[15:18, 3:8] = 2
    source = draw(tmp_path / "source", ["train/a"], masks=[labels_HW])
    account = convert(source, tmp_path / "out", to="yolo", verify=True)
    what = "regions of one pixel's width or height, which Ultralytics drops in training"
    assert account.losses[what].count == 3
    assert account.agreement.differing == 0


def match_as_cvat(path, names):
    """Which file each `<image>` lands on in a task of the files `names`.

    CVAT 2 (formats/cvat.py, load; bindings.py, match_dm_item) takes the id of an image as the
    index of the frame, and has frames in the order of their names.
    """
    root = ET.parse(path).getroot()
    assert root.find("meta/task/labels") is not None
    assert root.find("meta/project") is None
    frames = sorted(names)
    return {image.get("name"): frames[int(image.get("id"))] for image in root.iter("image")}


def test_each_split_is_a_file_of_a_cvat_task_with_frames_in_cvats_order(tmp_path):
    places = ["train/a", "train/a-b", "train/a.c", "val/b", "val/a10", "val/a9"]
    source = draw(tmp_path / "source", places)
    convert(source, tmp_path / "out", to="cvat", verify=True)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.xml")) == [
        "train.xml",
        "val.xml",
    ]
    for split in ("train", "val"):
        names = [path.name for path in (tmp_path / "out/images" / split).iterdir()]
        found = match_as_cvat(tmp_path / "out" / f"{split}.xml", names)
        assert found == {name: name for name in names}


def test_voc_names_its_classes_for_labelme_and_for_cvat_and_datumaro(tmp_path):
    source = draw(tmp_path / "source", ["train/a"])
    convert(source, tmp_path / "out", to="voc", verify=True)
    assert (tmp_path / "out/class_names.txt").read_text() == "background\nroad\ncar\n"
    table = (tmp_path / "out/labelmap.txt").read_text().splitlines()[1:]
    assert table == [
        "background:0,0,0::",
        "road:128,0,0::",
        "car:0,128,0::",
        "ignored:224,224,192::",
    ]
    (tmp_path / "out/dataset.yaml").unlink()
    assert open_as_is(tmp_path / "out").spec.names == NAMES


def test_a_name_that_the_table_cannot_hold_is_noted(tmp_path):
    source = draw(tmp_path / "source", ["train/a"])
    (source / "dataset.yaml").write_text(YAML.replace("road", "'road: dry'"))
    account = convert(source, tmp_path / "out", to="voc", verify=True)
    assert any("cannot hold the name 'road: dry' (1 such)" in note for note in account.notes)
    assert not (tmp_path / "out/labelmap.txt").exists()
    assert "road: dry" in (tmp_path / "out/class_names.txt").read_text()


def test_ids_of_darwin_differ_between_datasets_with_equal_names(tmp_path):
    ids = []
    for name in ("one", "two"):
        source = draw(tmp_path / name, ["train/a"])
        (source / "images/train/a.png").unlink()
        Image.new("RGB", (30, 20), (name == "one" and "red") or "blue").save(
            source / "images/train/a.png"
        )
        for run in range(2):
            out = tmp_path / f"{name}{run}"
            convert(source, out, to="darwin")
            document = json.loads((out / "annotations/train/a.json").read_text())
            ids.append(tuple(a["id"] for a in document["annotations"]))
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert set(ids[0]).isdisjoint(ids[2])


def test_panoptic_segments_without_things_and_turned_images_are_noted(tmp_path):
    source = draw(tmp_path / "source", ["train/a"])
    (source / "dataset.yaml").write_text(YAML.replace(", kind: thing", ""))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.new("RGB", (20, 30))
    (source / "images/train/a.png").unlink()
    stored.save(source / "images/train/a.jpg", exif=exif.tobytes())
    account = convert(source, tmp_path / "out", to="coco_panoptic", verify=True)
    text = account.to_text()
    assert "all classes are stuff, so that no segment is an object" in text
    assert "1 image is turned by the EXIF tag" in text
    document = json.loads((tmp_path / "out/annotations/panoptic_train.json").read_text())
    assert (document["images"][0]["height"], document["images"][0]["width"]) == (20, 30)
