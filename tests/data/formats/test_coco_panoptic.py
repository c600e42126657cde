"""COCO panoptic: ids of colours become classes, void IGNORE, and a wrong PNG is named."""

import json
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.check.audit import audit
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.coco_panoptic import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
BLACK = np.zeros((4, 6, 3), np.uint8)
CAR = {"id": 3, "name": "car", "isthing": 1, "color": [220, 20, 60], "supercategory": "vehicle"}
ROAD = {"id": 100, "name": "road", "isthing": 0, "supercategory": "ground"}
NOTHING = DatasetFile()
CAR_ID, ROAD_ID = 1971210, 7
"""The colours (10, 20, 30) and (7, 0, 0)."""


def rgb(ids_HW):
    ids_HW = np.asarray(ids_HW)
    return np.stack([ids_HW & 255, ids_HW >> 8 & 255, ids_HW >> 16], -1).astype(np.uint8)


M_IDS = np.where(M == 1, CAR_ID, ROAD_ID)


def listed(*ids_and_categories, **changes):
    segments = [{"id": i, "category_id": c, "iscrowd": 0} for i, c in ids_and_categories]
    document = {
        "images": [{"id": "a_000", "file_name": "a.jpg", "height": 4, "width": 6}],
        "annotations": [{"image_id": "a_000", "file_name": "a.png", "segments_info": segments}],
        "categories": [ROAD, CAR],
    }
    return document | changes


BOTH = (CAR_ID, 3), (ROAD_ID, 100)


def files(document, png):
    return {
        "val2017/a.jpg": BLACK,
        "annotations/panoptic_val2017.json": json.dumps(document),
        "annotations/panoptic_val2017/a.png": png,
    }


def test_the_golden_vector_is_read(write):
    root = write(files(listed(*BOTH), rgb(M_IDS)))
    assert rgb(M_IDS)[1, 1].tolist() == [10, 20, 30]
    assert recognises(root)
    dataset = open_as_is(root)
    assert dataset.spec.names == ("car", "road")
    assert [(c.kind, c.color) for c in dataset.spec.classes] == [
        ("thing", (220, 20, 60)),
        ("stuff", (128, 0, 0)),
    ]
    np.testing.assert_array_equal(dataset.labels(0), 1 - M)
    assert [(e.split, e.key) for e in dataset.entries] == [("val", "a")]
    shapes = dataset.entries[0].labels.read().shapes
    assert [(s.label, s.instance) for s in shapes] == [("car", str(CAR_ID)), ("road", None)]


def test_the_golden_vector_is_written(write, tmp_path_factory):
    source = write({"images/a.png": BLACK, "masks/a.png": M})
    (source / "dataset.yaml").write_text(
        "classes: [{name: soil}, {name: car, kind: thing}]\ncodec: {pixels: index}\n"
    )
    target = tmp_path_factory.mktemp("out") / "panoptic"
    account = convert(source, target, to="coco_panoptic", verify=True)
    assert account.agreement.differing == 0
    document = json.loads((target / "annotations/panoptic.json").read_text())
    assert document["categories"] == [
        {"id": 1, "name": "soil", "supercategory": "stuff", "isthing": 0, "color": [0, 0, 0]},
        {"id": 2, "name": "car", "supercategory": "thing", "isthing": 1, "color": [128, 0, 0]},
    ]
    (annotation,) = document["annotations"]
    assert annotation["image_id"] == 1
    segments = annotation["segments_info"]
    assert [(s["category_id"], s["area"], s["bbox"], s["iscrowd"]) for s in segments] == [
        (1, 14, [0, 0, 6, 4], 0),
        (2, 8, [1, 1, 3, 3], 0),
        (2, 2, [5, 2, 1, 2], 0),
    ]
    assert segments[1]["id"] == 128
    with Image.open(target / "annotations/panoptic" / annotation["file_name"]) as image:
        pixels = np.array(image).astype(np.int64)
    ids_HW = pixels @ [1, 256, 65536]
    for segment in segments:
        assert np.count_nonzero(ids_HW == segment["id"]) == segment["area"]


def test_void_and_unlisted_ids_are_ignored_and_counted(write):
    ids_HW = M_IDS.copy()
    ids_HW[0] = 0
    ids_HW[:, 5] = 77
    dataset = open_as_is(write(files(listed(*BOTH, (5, 3)), rgb(ids_HW))))
    assert (dataset.labels(0)[0] == IGNORE).all()
    assert (dataset.labels(0)[:, 5] == IGNORE).all()
    assert np.count_nonzero(dataset.labels(0) == IGNORE) == 6 + 3
    assert dataset.entries[0].labels.read().skipped == {
        "segments that are not listed, ignored": 1,
        "listed segments without a pixel": 1,
    }


def test_void_crowds_and_objects_come_back(write, tmp_path_factory):
    ids_HW = np.array([[0, 0, 1, 1, 2, 2]] * 4)
    document = listed((1, 3), (2, 3))
    document["annotations"][0]["segments_info"][1]["iscrowd"] = 1
    root = write(files(document, rgb(ids_HW)))
    target = tmp_path_factory.mktemp("out") / "panoptic"
    account = convert(root, target, to="coco_panoptic", verify=True)
    assert account.losses.keys() == {"supercategories of classes"}
    assert account.losses["supercategories of classes"].keys == ["ground", "vehicle"]
    assert "supercategories of classes: 2 (ground, vehicle)" in account.to_text()
    assert account.agreement.differing == 0
    written = json.loads((target / "annotations/panoptic_val.json").read_text())
    segments = written["annotations"][0]["segments_info"]
    assert [(s["area"], s["iscrowd"]) for s in segments] == [(8, 0), (8, 1)]


def test_conversion_by_way_of_coco_instances_keeps_the_class_map(write, tmp_path_factory):
    root = write(files(listed(*BOTH), rgb(M_IDS)))
    target = tmp_path_factory.mktemp("out") / "coco"
    assert convert(root, target, to="coco", verify=True).agreement.differing == 0
    again = target.with_name("panoptic")
    assert convert(target, again, to="coco_panoptic", verify=True).agreement.differing == 0


WRONG = {
    "two channels": (
        listed(*BOTH),
        np.dstack([np.where(M == 1, 3, 100), M, M * 0]).astype(np.uint8),
        r"a\.png: is of the two-channel format .*2channels2panoptic_coco_format\.py",
    ),
    "another image's": (
        listed(*BOTH),
        rgb(M_IDS + 1),
        r"holds none of the 2 segments that panoptic_val2017\.json lists for it \(1971210 ",
    ),
    "not RGB": (listed(*BOTH), M, r"a\.png: the mask has one channel"),
    "other size": (
        listed(*BOTH),
        rgb(M_IDS[:3]),
        r"a\.png: is 3 x 6 \(H x W\), the image .* is 4 x 6",
    ),
    "id twice": (
        listed(*BOTH, BOTH[0]),
        rgb(M_IDS),
        "two segments of a.png have the id 1971210",
    ),
    "id 0": (listed((0, 3)), rgb(M_IDS), r"segments_info\.0\.id: .*greater than or equal to 1"),
    "id too large": (listed((1 << 24, 3)), rgb(M_IDS), r"segments_info\.0\.id: .*less than"),
    "unknown category": (
        listed((CAR_ID, 4)),
        rgb(M_IDS),
        r"a\.jpg: segment 1971210: category_id 4 is not one of the 2 categories",
    ),
    "two annotations": (
        listed(annotations=listed(*BOTH)["annotations"] * 2),
        rgb(M_IDS),
        "2 annotations are of the image 'a.jpg', expected one; remove the others",
    ),
    "no such PNG": (
        listed(annotations=[listed(*BOTH)["annotations"][0] | {"file_name": "../../b.png"}]),
        rgb(M_IDS),
        r"'\.\./\.\./b\.png' and 0 other PNG files are missing; unpack them into .*panoptic",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, write):
    document, png, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        open_as_is(write(files(document, png))).labels(0)


def test_an_image_without_an_annotation_is_refused_with_its_name(write):
    more = {"id": "b", "file_name": "b.jpg"}
    document = listed(*BOTH)
    document["images"].append(more)
    root = write(files(document, rgb(M_IDS)) | {"val2017/b.jpg": BLACK})
    with pytest.raises(DataError, match=r"b\.jpg has no mask"):
        open_as_is(root)


def test_where_both_files_of_coco_are_present_the_format_must_be_given(write):
    boxes = {"images": listed()["images"], "categories": [{"id": 3, "name": "car"}]}
    runs = {"size": [4, 6], "counts": [5, 3, 16]}
    boxes["annotations"] = [{"image_id": "a_000", "category_id": 3, "segmentation": runs}]
    found = files(listed(*BOTH), rgb(M_IDS))
    root = write(found | {"annotations/instances_val2017.json": json.dumps(boxes)})
    with pytest.raises(DataError, match="could be coco or coco_panoptic; say which"):
        open_as_is(root)
    assert open_as_is(root, form="coco").labels(0).sum() == 3
    assert open_as_is(root, form="coco_panoptic").spec.names == ("car", "road")
    audit(root, form="coco")
    assert open_as_is(root).format == "coco"  # dataset.yaml says so now


def test_of_two_files_of_coco_the_one_without_its_images_is_left_out(write):
    boxes = {"images": listed()["images"], "categories": [{"id": 3, "name": "car"}]}
    runs = {"size": [4, 6], "counts": [5, 3, 16]}
    boxes["annotations"] = [{"image_id": "a_000", "category_id": 3, "segmentation": runs}]
    found = files(listed(*BOTH), rgb(M_IDS)) | {
        "annotations/instances_val2017.json": json.dumps(boxes)
    }
    root = write({name: content for name, content in found.items() if name[-4:] != ".png"})
    dataset = open_as_is(root)
    assert dataset.format == "coco"
    assert dataset.labels(0).sum() == 3
    assert any("read as coco, not as coco_panoptic: " in note for note in dataset.notes)


def test_a_dataset_goes_to_another_process_and_back(write):
    dataset = open_as_is(write(files(listed(*BOTH), rgb(M_IDS))))
    sent = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(sent.labels(0), dataset.labels(0))


def test_a_mask_is_never_taken_for_its_image(write):
    document = listed(*BOTH, images=[{"id": "a_000", "file_name": "a.png"}])
    found = files(document, rgb(M_IDS))
    root = write(found | {"c.jpg": found.pop("val2017/a.jpg")})
    with pytest.raises(DataError, match=r"no COCO file names an image that is here; 'a\.png'"):
        scan(root, NOTHING)


def reader(root, path):
    """A function that puts bytes in the place of a file, and reads all."""

    def read(damaged):
        path.write_bytes(damaged)
        for entry in scan(root, NOTHING).entries:
            if entry.labels is not None:
                entry.labels.read()

    return read


@pytest.mark.parametrize("name", ["panoptic_val2017.json", "panoptic_val2017/a.png"])
def test_damaged_files_are_read_or_refused_soon(name, fuzz, write):
    root = write(files(listed(*BOTH), rgb(M_IDS)))
    path = root / "annotations" / name
    fuzz(path.read_bytes(), reader(root, path))


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["panoptic_examples.json", "panoptic_examples/000000142238.png"]
)
def test_damaged_real_files_are_read_or_refused_soon(name, fuzz, real_data, tmp_path):
    folder = real_data / "formats/coco/panopticapi"
    for copied in ("input_images", "panoptic_examples"):
        shutil.copytree(folder / copied, tmp_path / copied)
    shutil.copy(folder / "panoptic_examples.json", tmp_path)
    fuzz((folder / name).read_bytes(), reader(tmp_path, tmp_path / name))


@pytest.mark.real
def test_real_panoptic_truth_is_the_class_map_that_was_made_of_it(real_data, tmp_path):
    folder = real_data / "formats/coco/labelbox20"
    for name in ("images", "masks"):
        shutil.copytree(folder / name, tmp_path / name)
    shutil.copy(folder / "panoptic.json", tmp_path)
    document = json.loads((folder / "panoptic.json").read_text())
    info = {a["file_name"]: a["segments_info"] for a in document["annotations"]}
    dataset = open_as_is(tmp_path)
    assert len(dataset) == 20
    assert len(dataset.spec) == 133
    for place, entry in enumerate(dataset.entries):
        path = real_data / f"coco_panoptic20/masks/val/{entry.key}.png"
        np.testing.assert_array_equal(dataset.labels(place), np.array(Image.open(path)))
        drawing = entry.labels.read()
        areas = [segment["area"] for segment in info[f"{entry.key}.png"]]
        assert [shape.masks[0].area_px for shape in drawing.shapes] == areas
        assert not any(drawing.skipped.values())


@pytest.mark.real
@pytest.mark.parametrize("channels", ["", "_2ch_format"])
def test_the_samples_of_panopticapi(channels, real_data, tmp_path):
    folder, root = real_data / "formats/coco/panopticapi", tmp_path / "made"
    shutil.copytree(folder / "input_images", root / "input_images")
    shutil.copy(folder / "panoptic_examples.json", root)
    shutil.copytree(folder / f"panoptic_examples{channels}", root / "panoptic_examples")
    dataset = open_as_is(root)
    if channels:
        with pytest.raises(DataError, match="two-channel format"):
            dataset.labels(0)
        return
    document = json.loads((folder / "panoptic_examples.json").read_text())
    areas = [[s["area"] for s in a["segments_info"]] for a in document["annotations"]]
    drawings = [entry.labels.read() for entry in dataset.entries]
    assert sorted([s.masks[0].area_px for s in d.shapes] for d in drawings) == sorted(areas)
    for form in ("coco_panoptic", "coco"):
        account = convert(root, tmp_path / form, to=form, verify=True)
        assert account.agreement.differing == 0
