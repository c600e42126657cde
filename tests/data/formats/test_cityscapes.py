"""Cityscapes: ids, polygons and train ids give one class map; ids are written."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from maskwright.core.codec import UNDRAWN
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.formats.cityscapes import recognises, scan
from maskwright.data.layouts.cityscapes import LABELS
from maskwright.data.shapes.drawing import paint

from .damage import make_reader

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
IMAGE = np.zeros((4, 6, 3), np.uint8)
KEY = "ulm_000003_000019"
ROAD, CAR = 0, 13
ALL_IDS = np.arange(34, dtype=np.uint8).reshape(2, 17)


def files(labels, *, key=KEY, split="train", kind="gtFine", image=IMAGE):
    """An image, and its labels by form."""
    city = f"{split}/{key.split('_')[0]}"
    named = {f"{kind}/{city}/{key}_{kind}_{form}": content for form, content in labels.items()}
    return {f"leftImg8bit/{city}/{key}_leftImg8bit.png": image, **named}


def ids(labels_HW, **where):
    return files({"labelIds.png": labels_HW}, **where)


def polygons(*objects, size_HW=(4, 6), **where):
    document = {"imgHeight": size_HW[0], "imgWidth": size_HW[1], "objects": list(objects)}
    return files({"polygons.json": json.dumps(document)}, **where)


def drawn(label, *polygon, **more):
    return {"label": label, "polygon": polygon, **more}


def test_ids_become_the_19_classes(write):
    root = write(ids(np.where(M == 1, 26, 7).astype(np.uint8)))
    assert recognises(root)
    dataset = open_as_is(root)
    assert dataset.spec.names[:3] == ("road", "sidewalk", "building")
    np.testing.assert_array_equal(dataset.labels(0), np.where(M == 1, CAR, ROAD))
    (entry,) = dataset.entries
    assert (entry.key, entry.split, entry.group) == (KEY, "train", "ulm")


def test_each_id_is_its_train_id(write):
    dataset = open_as_is(write(ids(ALL_IDS, image=np.zeros((2, 17, 3), np.uint8))))
    expected = [0, 1, IGNORE, IGNORE, 2, 3, 4, IGNORE, IGNORE, IGNORE, 5, IGNORE, *range(6, 16)]
    expected += [IGNORE, IGNORE, 16, 17, 18]
    assert dataset.labels(0).ravel().tolist() == [IGNORE] * 7 + expected


def test_train_ids_are_read_where_they_are_alone(write):
    stored = np.where(M == 1, CAR, IGNORE).astype(np.uint8)
    dataset = open_as_is(write(files({"labelTrainIds.png": stored})))
    np.testing.assert_array_equal(dataset.labels(0), stored)
    assert "labels are read from *_gtFine_labelTrainIds.png" in dataset.notes


def test_the_example_of_a_group_is_read(write):
    square = drawn("cargroup", [10, 20], [30, 20], [30, 40], deleted=0)
    root = write(
        polygons(square, size_HW=(1024, 2048), image=np.zeros((1024, 2048, 3), np.uint8))
    )
    labels_HW = open_as_is(root).labels(0)
    assert np.count_nonzero(labels_HW == CAR) == 231
    assert np.count_nonzero(labels_HW == IGNORE) == labels_HW.size - 231
    (shape,) = open_as_is(root).entries[0].labels.read().shapes
    assert (shape.label, shape.attributes) == ("car", {"iscrowd": "1"})


def test_later_polygons_lie_on_top_and_skipped_ones_are_counted(write):
    whole = [0, 0], [5, 0], [5, 3], [0, 3]
    root = write(
        polygons(
            drawn("road", *whole),
            drawn("car", [1, 1], [3, 1], [3, 3], [1, 3]),
            drawn("ego vehicle", [2, 2], [2, 2], [2, 2]),
            drawn("car", [5, 2], [5, 3]),
            drawn("license plate", *whole),
            drawn("sky", *whole, deleted=1),
        )
    )
    dataset = open_as_is(root)
    expected = np.where(M == 1, CAR, ROAD)
    expected[2, 2] = IGNORE
    np.testing.assert_array_equal(dataset.labels(0), expected)
    skipped = dataset.entries[0].labels.read().skipped
    assert skipped == {"deleted objects": 1, "licence plates": 1}


def scene(rng, num_objects=40, size_HW=(64, 128)):
    """Random polygons, some past the borders, and the ids that json2labelImg paints."""
    names = [label.name for label in LABELS] + ["cargroup", "persongroup"]
    objects, canvas = [], Image.new("L", size_HW[::-1])
    by_name = {label.name: label.id for label in LABELS}
    for _ in range(num_objects):
        label, deleted = names[rng.integers(len(names))], int(rng.random() < 0.1)
        corners = rng.integers(-10, 140, (rng.integers(2, 9), 2)).tolist()
        objects.append(drawn(label, *corners, deleted=deleted))
        value = by_name[label.removesuffix("group") if label not in by_name else label]
        if value >= 0 and not deleted:
            ImageDraw.Draw(canvas).polygon([tuple(xy) for xy in corners], fill=value)
    return objects, np.array(canvas)


@pytest.mark.parametrize("seed", range(10))
def test_polygons_give_the_class_map_of_the_ids_that_are_made_of_them(seed, write):
    objects, ids_HW = scene(np.random.default_rng(seed))
    image = np.zeros((64, 128, 3), np.uint8)
    root = write(polygons(*objects, size_HW=(64, 128), image=image))
    by_polygons = open_as_is(root)
    write(ids(ids_HW))
    by_ids = open_as_is(root)
    assert by_polygons.codec.pixels == "name"
    assert by_ids.codec.pixels == "index"
    np.testing.assert_array_equal(by_polygons.labels(0), by_ids.labels(0))


# SHA-256 of the bytes of createLabelImage(annotation, "ids") in cityscapesScripts 2.3.0,
# preparation/json2labelImg.py, of scene(rng of the seed, 60, (200, 300)) as polygons.json.
OFFICIAL = ("0b3e354d924fe82e", "672d1ec160c6a65b", "35468894e2ca0aae")


@pytest.mark.parametrize("seed", range(3))
def test_polygons_are_painted_as_json2labelimg_paints_them(seed, write):
    objects, _ = scene(np.random.default_rng(seed), 60, (200, 300))
    root = write(polygons(*objects, size_HW=(200, 300)))
    ids = {label.name: label.id for label in LABELS} | {UNDRAWN: 0}
    drawing = scan(root, DatasetFile()).entries[0].labels.read()
    ids_HW = paint(drawing, lambda name: ids[name], "file").astype(np.uint8)
    assert hashlib.sha256(ids_HW.tobytes()).hexdigest()[:16] == OFFICIAL[seed]


def test_the_form_that_all_images_have_is_read_and_a_mix_is_refused(write):
    both = polygons(drawn("sky", [0, 0], [5, 3])) | ids(M)
    other = "ulm_000003_000020"
    root = write(both | polygons(drawn("sky", [0, 0], [5, 3]), key=other))
    assert scan(root, DatasetFile()).codec.pixels == "name"
    name = f"gtFine/train/ulm/{other}_gtFine_polygons.json"
    (root / name).rename(root / name.replace("polygons.json", "labelTrainIds.png"))
    message = (
        rf"{other}_gtFine_labelTrainIds\.png: this image has no labelIds\.png; expected one "
        r"form for all 2 labelled images, found labelIds\.png of 1, polygons\.json of 1, label"
    )
    with pytest.raises(DataError, match=message):
        scan(root, DatasetFile())


def test_a_table_of_train_ids_stays_one_when_ids_are_added(write):
    root = write(files({"labelTrainIds.png": M}))
    open_dataset(root)
    write(ids(np.where(M == 1, 8, 7).astype(np.uint8)))
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)
    (root / "dataset.yaml").unlink()
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)
    open_dataset(root)
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_a_split_without_any_labels_is_not_an_error(write):
    root = write(ids(M + 7) | files({}, split="test", key="bonn_000000_000019"))
    assert open_as_is(root).splits == {"test": 1, "train": 1}


def test_labels_of_test_are_noted_as_placeholders(write):
    root = write(ids(M, split="test", key="bonn_000000_000019"))
    assert any("placeholders" in note for note in open_as_is(root).notes)


def test_coarse_labels_are_read_where_they_are_alone_or_asked_for(write):
    root = write(ids(np.full_like(M, 23), kind="gtCoarse"))
    assert (open_as_is(root).labels(0) == 10).all()
    write(ids(np.full_like(M, 7)))
    dataset = open_as_is(root)
    assert (dataset.labels(0) == ROAD).all()
    assert any(note.startswith("gtCoarse is not read; 'masks:") for note in dataset.notes)
    assert (
        scan(root, DatasetFile(masks="gtCoarse")).entries[0].labels.file.parts[-4] == "gtCoarse"
    )
    with pytest.raises(DataError, match=r"no labels 'gtcoarse'; write 'masks: gtFine'"):
        scan(root, DatasetFile(masks="gtcoarse"))


WRONG = {
    "unknown": (
        polygons(drawn("carr", [0, 0], [1, 1])),
        r"labels 'carr' \(1 shape\) are not in the label codec; did you mean 'car'\?",
    ),
    "unknown group": (
        polygons(drawn("hengroup", [0, 0], [1, 1])),
        r"labels 'hen' \(1 shape\) are not in the label codec",
    ),
    "one corner": (
        polygons(drawn("car", [0, 0])),
        r"polygons\.json: objects\.0: a polygon of 1 points, expected two or more; draw it ag",
    ),
    "no size": (
        polygons(size_HW=(0, 6)),
        r"polygons\.json: imgHeight: .*greater than or equal to 1, got 0",
    ),
    "huge": (
        polygons(size_HW=(1 << 20, 1 << 20)),
        r"polygons\.json: the image is 1048576 x 1048576 \(H x W\)",
    ),
    "far": (
        polygons(drawn("car", [0, 0], [10**9, 1])),
        r"polygons\.json: label 'car': a corner lies 1e\+09 px away",
    ),
    "no number": (
        polygons(drawn("car", [0, 0], ["x", 1])),
        r"polygons\.json: objects\.0\.polygon\.1\.0: .*number",
    ),
    "no ids": (ids(M + 200), r"mask values 200 \(14 px\), 201 \(10 px\) are not in the label"),
    "instances alone": (
        files({"instanceIds.png": M}),
        r"no image in leftImg8bit has its \*_gtFine_labelIds\.png.*instanceIds and colours",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, write):
    content, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        open_as_is(write(content)).labels(0)


def native(write, classes, masks, *, ignored=255):
    yaml = f"classes: [{', '.join(f'{{name: {name}}}' for name in classes)}]\n"
    codec = f"codec: {{pixels: index, ignored: [{ignored}]}}\n"
    named = {f"images/{key}.png": IMAGE for key in masks}
    named |= {f"masks/{key}.png": mask for key, mask in masks.items()}
    return write(named | {"dataset.yaml": yaml + codec})


def test_the_golden_vector_is_written_as_ids(write, tmp_path_factory):
    labels_HW = np.where(M == 1, 1, 0).astype(np.uint8)
    labels_HW[0, 0] = IGNORE
    source = native(write, ("road", "car"), {f"val/{KEY}": labels_HW})
    target = tmp_path_factory.mktemp("out") / "cityscapes"
    account = convert(source, target, to="cityscapes", verify=True)
    assert account.agreement.differing == 0
    assert not account.losses
    path = target / f"gtFine/val/ulm/{KEY}_gtFine_labelIds.png"
    expected = np.where(M == 1, 26, 7)
    expected[0, 0] = 0
    np.testing.assert_array_equal(np.array(Image.open(path)), expected)
    assert (target / f"leftImg8bit/val/ulm/{KEY}_leftImg8bit.png").is_file()
    (target / "dataset.yaml").unlink()
    again = open_as_is(target)
    assert len(again.spec) == 19
    assert again.labels(0)[1, 1] == CAR
    assert again.labels(0)[0, 0] == IGNORE


def test_train_ids_become_ids(write, tmp_path_factory):
    stored = np.where(M == 1, 18, IGNORE).astype(np.uint8)
    root = write(files({"labelTrainIds.png": stored}, split="test"))
    target = tmp_path_factory.mktemp("out") / "submission"
    assert convert(root, target, to="cityscapes", verify=True).agreement.differing == 0
    path = target / f"gtFine/test/ulm/{KEY}_gtFine_labelIds.png"
    np.testing.assert_array_equal(np.array(Image.open(path)), np.where(M == 1, 33, 0))


def test_names_of_another_pattern_are_kept_and_counted(write, tmp_path_factory):
    source = native(write, ("road", "car"), {"one": M, "two": M})
    target = tmp_path_factory.mktemp("out") / "cityscapes"
    account = convert(source, target, to="cityscapes", verify=True)
    names = "names that are not city_000000_000000, kept as they are"
    assert {what: loss.count for what, loss in account.losses.items()} == {names: 2}
    assert (target / "gtFine/one/one_gtFine_labelIds.png").is_file()
    assert open_as_is(target).splits == {"": 2}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            ("road", "cat"),
            r"class 'cat' is not a label of Cityscapes.*'car'\?; nor are 0 ",
        ),
        (("soil", "leaf"), r"class 'soil' is .*nor are 1 others of 2: rename or ignore them"),
        (("road", "license plate"), r"class 'license plate' is not a label"),
    ],
)
def test_classes_of_other_names_are_not_written(classes, message, write, tmp_path_factory):
    source = native(write, classes, {"a": M})
    with pytest.raises(ConfigError, match=message):
        convert(source, tmp_path_factory.mktemp("out") / "c", to="cityscapes")


def test_where_all_ids_are_classes_nothing_can_be_ignored(write, tmp_path_factory):
    names = [label.name for label in LABELS if label.id >= 0]
    source = native(write, names, {"a": M * 255})
    with pytest.raises(DataError, match=r"a\.png: has ignored pixels, and every id of Citysc"):
        convert(source, tmp_path_factory.mktemp("out") / "c", to="cityscapes")


def test_polygons_become_ids_and_groups_crowds(write, tmp_path_factory):
    objects, _ = scene(np.random.default_rng(0))
    image = np.zeros((64, 128, 3), np.uint8)
    root = write(polygons(*objects, size_HW=(64, 128), image=image))
    out = tmp_path_factory.mktemp("out")
    account = convert(root, out / "ids", to="cityscapes", verify=True)
    assert account.agreement.differing == 0
    assert account.losses["deleted objects, which are not regions"].count
    convert(root, out / "coco", to="coco")
    written = json.loads(next((out / "coco").rglob("instances*.json")).read_text())
    assert {a["iscrowd"] for a in written["annotations"]} == {0, 1}


def test_damaged_polygons_are_read_or_refused_soon(write, fuzz):
    objects, _ = scene(np.random.default_rng(0), num_objects=8)
    root = write(polygons(*objects, size_HW=(64, 128)))
    (path,) = root.rglob("*.json")
    fuzz(path.read_bytes(), make_reader(root, path, form="cityscapes"))


def test_damaged_ids_are_read_or_refused_soon(write, fuzz):
    root = write(ids(M))
    path = root / f"gtFine/train/ulm/{KEY}_gtFine_labelIds.png"
    fuzz(path.read_bytes(), make_reader(root, path, form="cityscapes"))


@pytest.mark.real
def test_damaged_toys_are_read_or_refused_soon(real_data, tmp_path, fuzz):
    folder = real_data / "formats/datumaro_toy/cityscapes/train_dataset"
    root = shutil.copytree(folder, tmp_path / "toy")
    path = next(root.rglob("*000019_gtFine_labelTrainIds.png"))
    fuzz(path.read_bytes(), make_reader(root, path, form="cityscapes"))


@pytest.mark.real
def test_the_toys_of_datumaro_have_instances_alone_or_a_class_19(real_data, tmp_path):
    folder = real_data / "formats/datumaro_toy/cityscapes"
    with pytest.raises(DataError, match="instanceIds and colours are not read"):
        open_as_is(folder / "dataset")
    root = shutil.copytree(folder / "train_dataset", tmp_path / "toy")
    dataset = open_as_is(root)
    assert dataset.splits == {"test": 2, "train": 1, "val": 1}
    with pytest.raises(DataError, match=r"labelTrainIds\.png: mask values 19 \(2 px\) are not"):
        dataset.labels(0)
    root.chmod(0o755)
    open_dataset(root)
    text = (root / "dataset.yaml").read_text()
    (root / "dataset.yaml").write_text(text.replace("ignored: [255]", "ignored: [19, 255]"))
    values = {tuple(np.unique(open_as_is(root).labels(i)).tolist()) for i in range(4)}
    assert values == {(14, IGNORE), (3, 16, IGNORE), (11, IGNORE), (IGNORE,)}
