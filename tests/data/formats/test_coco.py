"""COCO instances: read as pycocotools reads them, and written so that it reads the same."""

import json
import pickle

import numpy as np
import pycocotools.mask as peer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.coco import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
PLAIN = {"size": [4, 6], "counts": [5, 3, 1, 1, 1, 1, 1, 3, 6, 2]}
PACKED = {"size": [4, 6], "counts": "531N00025O"}
SQUARE = [[1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0]]
CAR = {"id": 3, "name": "car", "supercategory": "vehicle"}
BLACK = np.zeros((4, 6, 3), np.uint8)
NOTHING = DatasetFile()


def drawn(*segmentations, **changes):
    """A COCO document of one 4 x 6 image, "a.png", with a car for each segmentation."""
    annotations = [
        {"id": n, "image_id": 1, "category_id": 3, "iscrowd": 0, "segmentation": s}
        for n, s in enumerate(segmentations, start=1)
    ]
    images = [{"id": 1, "file_name": "a.png", "height": 4, "width": 6}]
    document = {"images": images, "categories": [CAR], "annotations": annotations}
    return document | changes


def opened(write, document, name="annotations.json", image=BLACK):
    return open_as_is(write({"a.png": image, name: json.dumps(document)}))


def peer_of(document):
    coco = COCO()
    coco.dataset = document
    coco.createIndex()
    return coco


@pytest.fixture(autouse=True)
def _quiet(capsys):
    """Discard what pycocotools prints."""
    yield
    capsys.readouterr()


@pytest.mark.parametrize("segmentation", [PLAIN, PACKED])
def test_the_golden_vector_is_read(segmentation, write):
    dataset = opened(write, drawn(segmentation))
    np.testing.assert_array_equal(dataset.labels(0), M)
    assert dataset.spec.names == ("background", "car")
    assert [c.kind for c in dataset.spec.classes] == ["stuff", "thing"]


def test_the_golden_vector_is_written(write, tmp_path_factory):
    source = write({"images/a.png": BLACK, "masks/a.png": M, "classes.txt": "0 soil\n1 car\n"})
    (source / "dataset.yaml").write_text(
        "classes: [{name: background}, {name: car, kind: stuff}]\ncodec: {pixels: index}\n"
    )
    target = tmp_path_factory.mktemp("out") / "coco"
    assert convert(source, target, to="coco", verify=True).agreement.differing == 0
    document = json.loads((target / "annotations/instances.json").read_text())
    assert document["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 2,
            "segmentation": PACKED,
            "area": 10,
            "bbox": [1, 1, 5, 3],
            "iscrowd": 0,
        }
    ]
    assert document["images"] == [{"id": 1, "file_name": "a.png", "height": 4, "width": 6}]
    assert document["categories"] == [
        {"id": 2, "name": "car", "supercategory": "stuff", "color": [128, 0, 0]}
    ]
    annotation = document["annotations"][0]
    np.testing.assert_array_equal(peer_of(document).annToMask(annotation), M)


rings = st.lists(
    st.lists(st.tuples(*[st.floats(-5, 25, width=32)] * 2), min_size=3, max_size=7),
    min_size=1,
    max_size=3,
)


@settings(max_examples=30)
@given(rings, st.integers(1, 20), st.integers(1, 20))
def test_polygons_fill_as_pycocotools_fills_them(tmp_path_factory, rings, height, width):
    root = tmp_path_factory.mktemp("coco")
    polygons = [[value for corner in ring for value in corner] for ring in rings]
    images = [{"id": 1, "file_name": "a.png", "height": height, "width": width}]
    document = drawn(polygons, images=images)
    Image.new("L", (width, height)).save(root / "a.png")
    (root / "annotations.json").write_text(json.dumps(document))
    expected = peer_of(document).annToMask(document["annotations"][0])
    np.testing.assert_array_equal(open_as_is(root).labels(0), expected)


@pytest.mark.parametrize("size", [2, 3, 6])
def test_a_written_class_map_is_what_pycocotools_reads(size, tmp_path):
    rng = np.random.default_rng(size)
    labels_HW = np.kron(rng.integers(0, 4, (9, 11)), np.ones((size, size))).astype(np.uint8)
    for folder, pixels in (("images", np.zeros_like(labels_HW)), ("masks", labels_HW)):
        (tmp_path / "in" / folder / "train").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "in" / folder / "train/a.png")
    names = "{name: background}, {name: b}, {name: c, kind: thing}, {name: d}"
    (tmp_path / "in/dataset.yaml").write_text(f"classes: [{names}]\ncodec: {{pixels: index}}\n")
    convert(tmp_path / "in", tmp_path / "out", to="coco")
    coco = COCO(tmp_path / "out/annotations/instances_train.json")
    painted_HW = np.zeros_like(labels_HW)
    for annotation in coco.dataset["annotations"]:
        mask_HW = coco.annToMask(annotation)
        assert annotation["area"] == mask_HW.sum()
        box = peer.toBbox(peer.encode(np.asfortranarray(mask_HW)))
        assert annotation["bbox"] == box.tolist()
        painted_HW[mask_HW > 0] = annotation["category_id"] - 1
    np.testing.assert_array_equal(painted_HW, labels_HW)
    assert all(a["iscrowd"] == 0 for a in coco.dataset["annotations"])


def test_parts_are_united_and_have_no_holes(write):
    inner = [[0.0, 0, 6, 0, 6, 4, 0, 4], [2.0, 1, 4, 1, 4, 3, 2, 3]]
    assert opened(write, drawn(inner)).labels(0).all()


def test_categories_have_gaps_and_count_by_name_over_files(write):
    other = {"id": 3, "name": "sign", "supercategory": "stuff", "color": [1, 2, 3]}
    train = drawn(PACKED)
    val = drawn(PACKED, categories=[other, {"id": 9, "name": "car"}])
    val["annotations"][0]["category_id"] = 9
    root = write(
        {
            "train2017/a.png": BLACK,
            "val2017/a.png": BLACK,
            "annotations/instances_train2017.json": json.dumps(train),
            "annotations/instances_val2017.json": json.dumps(
                val | {"images": [val["images"][0] | {"id": 7}]}
            ).replace('"image_id": 1', '"image_id": 7'),
            "annotations/person_keypoints_val2017.json": json.dumps(val),
            "annotations/captions_val2017.json": '{"images": [], "annotations": ["caption"]}',
        }
    )
    found = scan(root, NOTHING)
    assert [(e.split, e.key, e.group) for e in found.entries] == [
        ("train", "a", "a"),
        ("val", "a", "a"),
    ]
    assert [e.image.file.parent.name for e in found.entries] == ["train2017", "val2017"]
    assert [(c.name, c.kind, c.color) for c in found.classes] == [
        ("background", "stuff", None),
        ("car", "thing", None),
        ("sign", "stuff", (1, 2, 3)),
    ]
    assert found.notes == ("1 other COCO file is skipped",)


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (("train/_annotations.coco.json", "train/a.png"), ["train"]),
        (("valid/_annotations.coco.json", "valid/a.png"), ["val"]),
        (("annotations.json", "images/a.png"), [""]),
        (("annotations/instances_minival2014.json", "images/val2014/a.png"), ["minival"]),
        (("annotations/test.json", "images/a.png"), ["test"]),
        (("labels/coco.json", "val/images/a.png"), ["val"]),
    ],
)
def test_every_layout_gives_its_splits(files, splits, write):
    root = write({files[0]: json.dumps(drawn(PACKED)), files[1]: BLACK})
    assert recognises(root)
    found = scan(root, NOTHING)
    assert [(e.split, e.key) for e in found.entries] == [(s, "a") for s in splits]


def test_the_smaller_is_on_top_unless_dataset_yaml_says_otherwise(write):
    whole = [[0.0, 0, 6, 0, 6, 4, 0, 4]]
    sign = {"id": 5, "name": "sign"}
    document = drawn(SQUARE, whole, categories=[CAR, sign])
    document["annotations"][1]["category_id"] = 5
    dataset = opened(write, document)
    assert np.count_nonzero(dataset.labels(0) == dataset.spec.names.index("car")) == 9
    assert dataset.entries[0].labels.overlap == "smaller_on_top"
    (dataset.root / "dataset.yaml").write_text("format: coco\noverlap: file\n")
    assert not (open_as_is(dataset.root).labels(0) == 1).any()


def test_annotations_without_a_region_are_counted(write):
    document = drawn(PACKED, [], None, [[1.0, 1, 3, 3]], [[0.0, 0, 2, 0], SQUARE[0]])
    del document["annotations"][2]["segmentation"]
    dataset = opened(write, document)
    assert dataset.notes[0] == "2 of 5 annotations are boxes without a mask"
    drawing = dataset.entries[0].labels.read()
    assert len(drawing.shapes) == 2
    assert drawing.skipped == {
        "boxes without a mask": 2,
        "polygons of fewer than three corners": 2,
    }


def test_a_crowd_is_a_region_of_its_class_and_stays_one(write, tmp_path_factory):
    document = drawn(PLAIN)
    document["annotations"][0] |= {"iscrowd": 1, "attributes": {"far": True, "note": "x"}}
    dataset = opened(write, document)
    np.testing.assert_array_equal(dataset.labels(0), M)
    (shape,) = dataset.entries[0].labels.read().shapes
    assert shape.attributes == {"iscrowd": "1", "far": "true", "note": "x"}
    assert shape.instance == "1"
    target = tmp_path_factory.mktemp("out") / "coco"
    assert convert(dataset.root, target, to="coco", verify=True).losses.keys() == {
        "supercategories of classes",
        "types of attributes, which become text",
    }
    (annotation,) = json.loads((target / "annotations/instances.json").read_text())[
        "annotations"
    ]
    assert annotation["iscrowd"] == 1
    assert annotation["attributes"] == {"far": "true", "note": "x"}


def test_one_flat_list_is_one_polygon(write):
    flat_HW = opened(write, drawn(SQUARE[0])).labels(0)
    np.testing.assert_array_equal(flat_HW, opened(write, drawn(SQUARE)).labels(0))


def test_a_background_category_is_the_background(write):
    nothing = {"id": 0, "name": "_background_", "supercategory": None}
    dataset = opened(write, drawn(PACKED, categories=[nothing, CAR]))
    assert dataset.spec.names == ("_background_", "car")


def test_missing_images_and_unlisted_images_are_noted(write):
    document = drawn(PACKED)
    document["images"].append({"id": "x", "file_name": "gone.jpg"})
    document["annotations"].append(document["annotations"][0] | {"image_id": 99})
    root = write({"a.png": BLACK, "b.png": BLACK, "x.json": json.dumps(document)})
    assert [item.to_note() for item in scan(root, NOTHING).left_out] == [
        "left out: images that annotations of x.json name and that it does not list: 1 (99)",
        "left out: images that are listed and not there: 1 (gone.jpg)",
        "left out: images that no COCO file lists: 1 (b.png)",
    ]


def test_an_image_of_another_split_is_not_taken_for_one_that_is_missing(write):
    listed = json.dumps(drawn(PACKED))
    root = write({"train/a.png": BLACK, "annotations/instances_val.json": listed})
    with pytest.raises(DataError, match="no COCO file names an image that is here"):
        scan(root, NOTHING)
    root = write({"annotations/instances_train.json": listed, "more/val/c.png": BLACK})
    assert [entry.split for entry in scan(root, NOTHING).entries] == ["train"]


def test_a_dataset_goes_to_another_process_and_back(write):
    sent = pickle.loads(pickle.dumps(opened(write, drawn(PACKED))))
    np.testing.assert_array_equal(sent.labels(0), M)


def test_an_image_without_annotations_is_background(write):
    assert not opened(write, drawn()).labels(0).any()


WRONG = {
    "size swapped": (
        drawn({"size": [6, 4], "counts": PLAIN["counts"]}),
        r"a\.png: annotation 1: its mask is 6 x 4 \(H x W\), the image is 4 x 6",
    ),
    "counts too long": (
        drawn({"size": [4, 6], "counts": [5, 1000]}),
        r"annotation 1: a run length is not in 0\.\.24",
    ),
    "counts absurd": (
        drawn({"size": [4, 6], "counts": [5, 10**10]}),
        "counts.*less than or equal to",
    ),
    "counts negative": (drawn({"size": [4, 6], "counts": [-5, 29]}), "greater than or equal"),
    "counts too short": (
        drawn({"size": [4, 6], "counts": [5, 3, 1]}),
        "run lengths add up to 9, the mask has 4 x 6 = 24 pixels",
    ),
    "no COCO string": (drawn({"size": [4, 6], "counts": "\x01"}), "not a COCO string"),
    "odd polygon": (drawn([[1.0, 1, 2, 2, 3]]), "5 coordinates, expected pairs of x and y"),
    "corner far away": (drawn([[0, 0, 1e9, 0, 1, 1]]), "a corner lies 1e.09 px away"),
    "corner NaN": (drawn([[0, 0, float("nan"), 0, 1, 1]]), "finite"),
    "unknown category": (
        drawn(PACKED, categories=[CAR | {"id": 4}]),
        "annotation 1: category_id 3 is not one of the 1 categories",
    ),
    "other size": (
        drawn(PACKED, images=[{"id": 1, "file_name": "a.png", "height": 40, "width": 60}]),
        r"annotations\.json: a\.png: says 40 x 60 \(H x W\), .*a\.png is 4 x 6; export both",
    ),
    "turned": (
        drawn(SQUARE, images=[{"id": 1, "file_name": "a.png", "height": 6, "width": 4}]),
        "is 4 x 6: it is rotated by its EXIF tag",
    ),
    "size negative": (
        drawn(PACKED, images=[{"id": 1, "file_name": "a.png", "height": -4, "width": 6}]),
        r"annotations\.json: images: elements\.0\.height: .*got -4",
    ),
    "two images of one id": (
        drawn(images=[{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]),
        "two images have the id 1",
    ),
    "two spellings of one file": (
        drawn(images=[{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "./a.png"}]),
        r"a\.png: is labelled in .*annotations\.json and in .*annotations\.json",
    ),
    "two categories of one id": (drawn(categories=[CAR, CAR]), "two categories have the id 3"),
    "two categories of one name": (
        drawn(categories=[CAR, CAR | {"id": 4}]),
        "categories 3 and 4 are both called 'car'",
    ),
    "boxes alone": (
        drawn([], None),
        "none of 2 annotations has a 'segmentation': these are boxes, and all would be backgr",
    ),
    "no image is here": (
        drawn(images=[{"id": 1, "file_name": "../../etc/b.png"}]),
        r"no COCO file names an image that is here; '\.\./\.\./etc/b\.png' and 0 others",
    ),
    "deep": (
        drawn(json.loads("[" * 100 + "]" * 100)),
        r"annotations\.json: annotations\.0: segmentation",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, write):
    document, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        opened(write, document).labels(0)


def test_results_alone_are_not_a_dataset(write):
    results = [{"image_id": 1, "category_id": 3, "segmentation": PACKED, "score": 0.9}]
    root = write({"a.png": BLACK, "instances.json": json.dumps(results)})
    with pytest.raises(DataError, match="no JSON file here has COCO's 'images' and"):
        scan(root, NOTHING)


def test_damaged_files_are_read_or_refused_soon(fuzz, tmp_path):
    document = drawn(PACKED, PLAIN, SQUARE, [[0.5, 0.5, 5.5, 1.25, 3, 3.75, -1, 2]])
    Image.fromarray(BLACK).save(tmp_path / "a.png")

    def read(damaged):
        (tmp_path / "annotations.json").write_bytes(damaged)
        for entry in scan(tmp_path, NOTHING).entries:
            entry.labels.read().fill_shapes()

    fuzz(json.dumps(document).encode(), read)


def test_other_rules_move_pixels_and_are_counted(write, tmp_path_factory):
    shapes = [
        {"label": "car", "points": [[1, 1], [4, 1], [4, 3], [1, 3]], "shape_type": "polygon"},
        {"label": "car", "points": [[0, 0], [5, 3]], "shape_type": "line", "group_id": 4},
        {"label": "__ignore__", "points": [[5, 0], [5, 0]], "shape_type": "rectangle"},
    ]
    labelme = {"shapes": shapes, "imagePath": "a.png", "imageHeight": 4, "imageWidth": 6}
    root = write({"a.png": BLACK, "a.json": json.dumps(labelme)})
    target = tmp_path_factory.mktemp("out") / "coco"
    account = convert(root, target, to="coco", verify=True)
    assert account.losses.pop("lines, written as polygons or masks").count == 1
    assert account.losses.pop("rectangles, written as polygons or masks").count == 1
    (what,) = account.losses
    assert "which the tool fills by another rule" in what
    assert account.losses[what].count == 6
    document = json.loads((target / "annotations/instances.json").read_text())
    assert document["annotations"][0]["segmentation"] == [[1.0, 1, 4, 1, 4, 3, 1, 3]]
    assert document["annotations"][0]["area"] == 6
    assert [(a["category_id"], a["iscrowd"]) for a in document["annotations"]] == [
        (2, 0),
        (2, 0),
        (3, 1),
    ]
    assert document["categories"][-1]["name"] == "__ignore__"
