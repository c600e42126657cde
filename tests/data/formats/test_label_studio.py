"""Label Studio: its JSON export is read as its converter reads it, and is written."""

import base64
import io
import json
import math

import cv2
import numpy as np
import pycocotools.mask as peer
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.entries.scan import LeftOut
from maskwright.data.formats.label_studio.part import scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
PACKED = [0, 0, 0, 96, 57, 27, 254, 27, 0, 183, 255, 108, 2, 63, 248, 192, 35, 255, 140, 2]
PACKED += [63, 248, 192, 45, 255, 198, 1, 31, 248]
WRITTEN = [0, 0, 0, 96, 56, 9, 167, 216, 6, 191, 253, 96, 23, 255, 184, 5, 255, 238, 1, 127]
WRITTEN += [251, 128, 107, 255, 184, 5, 255, 192]
"""PACKED with the sizes of lengths that take the fewest bits."""
BLACK = np.zeros((4, 6, 3), np.uint8)
NOTHING = DatasetFile()


def region(kind, value, label="car", **changes):
    """A region of an image of 4 x 6."""
    names = {f"{kind}labels": [label]} if label else {}
    stated = {"original_width": 6, "original_height": 4, "image_rotation": 0}
    common = {"id": "x1", "type": f"{kind}labels", "from_name": "tag", "to_name": "image"}
    return {**common, **stated, "value": {**value, **names}, **changes}


def brush(rle=PACKED, **changes):
    return region("brush", {"format": "rle", "rle": rle}, **changes)


def task(*results, image="/data/upload/1/a.png", **changes):
    annotation = {"completed_by": 1, "ground_truth": False, "result": list(results)}
    return {"id": 1, "data": {"image": image}, "annotations": [annotation], **changes}


def opened(write, *tasks, image=BLACK):
    files = {"images/a.png": image, "export.json": json.dumps(tasks or [task(brush())])}
    return open_as_is(write(files))


def square(*corners):
    return {"points": [[x / 6 * 100, y / 4 * 100] for x, y in corners], "closed": True}


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_the_golden_vector_is_read(write):
    dataset = opened(write)
    assert dataset.spec.names == ("background", "car")
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_the_golden_vector_is_written(write, tmp_path_factory):
    source = write({"images/train/a.png": BLACK, "masks/train/a.png": M})
    (source / "dataset.yaml").write_text("classes: [{name: background}, {name: car}]\n")
    target = tmp_path_factory.mktemp("out") / "studio"
    assert convert(source, target, to="label_studio", verify=True).agreement.differing == 0
    (written,) = json.loads((target / "export.json").read_text())
    assert written["data"] == {"image": "/data/local-files/?d=images/train/a.png"}
    assert written["annotations"][0]["result"] == [
        {
            "id": "region0",
            "type": "brushlabels",
            "from_name": "brush",
            "to_name": "image",
            "original_width": 6,
            "original_height": 4,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": WRITTEN, "brushlabels": ["car"]},
        }
    ]
    assert '<Label value="car" background="#800000"/>' in (
        target / "label_config.xml"
    ).read_text("utf-8")


def test_polygons_are_filled_as_the_coco_export_of_label_studio(write):
    ring = [(1, 1), (4.3, 0.2), (5.5, 3.9), (0.7, 2.5)]
    dataset = opened(write, task(region("polygon", square(*ring))))
    runs = peer.frPyObjects([[float(n) for corner in ring for n in corner]], 4, 6)
    np.testing.assert_array_equal(dataset.labels(0), peer.decode(runs)[..., 0])


def test_a_bitmask_is_every_pixel_that_is_not_transparent(write):
    black = np.zeros((4, 6, 4), np.uint8)
    black[..., 3] = M * 200
    for image in (Image.fromarray(black), Image.fromarray(M * 255)):
        shape = region("bitmask", {"imageDataURL": png(image)})
        np.testing.assert_array_equal(opened(write, task(shape)).labels(0), M)


def test_a_rectangle_turns_about_its_upper_left_corner(write):
    box = {"x": 50, "y": 25, "width": 50, "height": 50}
    np.testing.assert_array_equal(
        opened(write, task(region("rectangle", {**box, "rotation": 0}))).labels(0),
        np.pad(np.ones((2, 3), np.uint8), ((1, 1), (3, 0))),
    )
    np.testing.assert_array_equal(
        opened(write, task(region("rectangle", {**box, "rotation": 90}))).labels(0),
        np.pad(np.ones((3, 2), np.uint8), ((1, 0), (1, 3))),
    )


@pytest.mark.parametrize("turn_deg", [0, 30, 90])
def test_an_ellipse_has_the_pixels_whose_centres_are_inside(turn_deg, write):
    value = {"x": 40, "y": 50, "radiusX": 30, "radiusY": 10, "rotation": turn_deg}
    size = {"original_width": 60, "original_height": 80}
    image = np.zeros((80, 60, 3), np.uint8)
    ellipse_HW = opened(write, task(region("ellipse", value, **size)), image=image).labels(0)
    y, x = np.mgrid[:80, :60] + 0.5 - np.array([40, 24])[:, None, None]
    turn = math.radians(turn_deg)
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    np.testing.assert_array_equal(ellipse_HW, (u / 18) ** 2 + (v / 8) ** 2 <= 1)
    drawn = cv2.ellipse(
        np.zeros((80, 60), np.uint8), (24, 40), (18, 8), turn_deg, 0, 360, 1, -1
    )
    assert np.count_nonzero(ellipse_HW != drawn) < 80


def test_the_later_region_is_on_top(write):
    over = region("polygon", square((1, 1), (3, 1), (3, 4), (1, 4)), label="tree", id="x2")
    dataset = opened(write, task(brush(), over))
    assert dataset.spec.names == ("background", "car", "tree")
    assert dataset.labels(0)[2].tolist() == [0, 2, 2, 1, 0, 1]


def test_labels_and_answers_of_a_region_are_in_results_of_the_same_id(write):
    bare = brush(label=None) | {"type": "brush"}
    label = {"id": "x1", "type": "labels", "value": {"labels": ["car"]}}
    answer = {"id": "x1", "type": "choices", "from_name": "q", "value": {"choices": ["a", "b"]}}
    rating = {"id": "x1", "type": "rating", "from_name": "r", "value": {"rating": 4}}
    dataset = opened(write, task(bare, label, answer, rating))
    np.testing.assert_array_equal(dataset.labels(0), M)
    (shape,) = dataset.entries[0].labels.read().shapes
    assert shape.attributes == {"q": "a, b", "r": "4"}


def test_results_that_are_not_regions_are_counted(write):
    others = (
        region("keypoint", {"x": 1, "y": 2, "width": 0.2}),
        {"type": "relation", "from_id": "x1", "to_id": "x2", "direction": "right"},
        brush(label=None, id="x3"),
        region("polygon", square((1, 1), (4, 4)), id="x4"),
    )
    drawing = opened(write, task(brush(), *others)).entries[0].labels.read()
    assert len(drawing.shapes) == 1
    assert drawing.skipped == {
        "results of type keypointlabels": 1,
        "results of type relation": 1,
        "regions without a label": 1,
        "polygons of fewer than three corners": 1,
    }


def several(*changes):
    """A task with an annotation for each; the n-th paints the first n columns."""
    shape = [
        {"ground_truth": False, "result": [region("rectangle", box(n))], **change}
        for n, change in enumerate(changes, start=1)
    ]
    return {"id": 7, "data": {"image": "a.png"}, "annotations": shape}


def box(width):
    return {"x": 0, "y": 0, "width": width / 6 * 100, "height": 100, "rotation": 0}


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        (({"updated_at": "2025-01-02T00"}, {"updated_at": "2025-01-01T00"}), 1),
        (({"created_at": "2025-01-01T00"}, {"created_at": "2025-01-02T00"}), 2),
        (({"ground_truth": True}, {"updated_at": "2025-01-02T00"}), 1),
        (({}, {}, {"was_cancelled": True, "ground_truth": True}), 2),
    ],
)
def test_the_ground_truth_or_the_latest_of_several_annotations_is_read(changes, read, write):
    dataset = opened(write, several(*changes))
    assert dataset.labels(0)[0].tolist() == [1] * read + [0] * (6 - read)
    notes = scan(dataset.root, NOTHING).notes
    assert (
        "1 tasks have several annotations: the ground truth is read, else the one changed last"
    ) in notes
    skipped = "1 tasks have annotations that were cancelled (was_cancelled): these are not read"
    assert (skipped in notes) == (len(changes) == 3)


def test_tasks_without_labels_and_skipped_images_are_noted(write):
    tasks = [
        task(brush(), predictions=[{"result": [brush(label="tree")]}]),
        task(image="b.png"),  # nothing is drawn on it
        task(image="c.png", annotations=[{"was_cancelled": True, "result": [brush()]}]),
        task(brush(), image="gone.png"),
    ]
    files = {f"{name}.png": BLACK for name in "abcd"} | {"x.json": json.dumps(tasks)}
    scanned = scan(write(files), NOTHING)
    assert [entry.key for entry in scanned.entries] == ["a", "b"]
    assert [c.name for c in scanned.classes] == ["background", "car"]
    assert scanned.notes == (
        "1 tasks have annotations that were cancelled (was_cancelled): these are not read",
        "1 tasks have predictions, which are not read",
    )
    assert scanned.left_out == (
        LeftOut("images that are listed and not there", ("gone.png",)),
        LeftOut("images of tasks without an annotation", ("c.png",)),
        LeftOut("images that no task names", ("d.png",)),
    )


@pytest.mark.parametrize(
    ("data", "upload"),
    [
        ({"image": "/data/upload/1/e97d4735-a b.png"}, None),
        ({"image": "/data/local-files/?d=train/a%20b.png"}, None),
        ({"image": "s3://bucket/train/a%20b.png"}, None),
        ({"img": "https://host/train/a%20b.png?token=x", "id": "7"}, None),
        ({"image": "C:\\data\\train\\a b.png"}, None),
        ({"image": "/image2"}, "e97d4735-a b.png"),
    ],
)
def test_an_image_is_found_by_each_kind_of_address(data, upload, write):
    document = [task(brush(), data=data, file_upload=upload)]
    scanned = scan(write({"train/a b.png": BLACK, "x.json": json.dumps(document)}), NOTHING)
    assert [(e.split, e.key) for e in scanned.entries] == [("train", "a b")]


WRONG = {
    "another size": (
        task(brush([*PACKED[:3], 92, *PACKED[4:]])),
        r"export\.json: a\.png: brush 'x1': its run lengths hold 92 values, expected",
    ),
    "broken off": (task(brush(PACKED[:20])), "run lengths are truncated"),
    "more than a byte": (
        task(brush([*PACKED[:9], 291])),
        r"tasks\.0: annotations\.0\.result\.0\.value\.rle\.9: .*got 291",
    ),
    "negative": (task(brush([-1, *PACKED])), "greater than or equal to 0, got -1"),
    "no run lengths": (task(region("brush", {})), "brush 'x1': has no run lengths"),
    "of another image": (
        task(brush(original_width=4, original_height=6)),
        r"drawn on an image of 6 x 4 \(H x W\), this one is 4 x 6 \(its EXIF tag rotates it\)",
    ),
    "turned": (task(brush(image_rotation=90)), r"rotated by 90 degrees \(image_rotation\)"),
    "two labels": (
        task(region("brush", {"format": "rle", "rle": PACKED, "labels": ["tree"]})),
        "has the labels 'tree', 'car', expected one, as a pixel has one class",
    ),
    "no PNG": (
        task(region("bitmask", {"imageDataURL": "data:image/png;base64,AAAA"})),
        "its bitmask is not a PNG in base64",
    ),
    "PNG of another size": (
        task(region("bitmask", {"imageDataURL": png(Image.new("L", (4, 6)))})),
        r"its bitmask has 6 x 4 pixels \(H x W\), the image has 4 x 6",
    ),
    "far away": (
        task(region("polygon", square((0, 0), (1e9, 0), (1, 1)))),
        "a corner lies 1e.09 px away",
    ),
    "not finite": (task(region("polygon", square((0, 0), (math.nan, 0), (1, 1)))), "finite"),
    "no image named": (
        task(data={"text": "a", "n": 1}),
        r"export\.json: tasks\.0: 'data' names 0 images \(text, n\), expected one",
    ),
    "outside": (
        task(brush(), image="../../etc/b.png"),
        r"labelled task whose image is here too; put .*; '\.\./\.\./etc/b\.png' is missing",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_names_the_fault(case, write):
    document, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        opened(write, document).labels(0)


def test_two_tasks_of_one_image_are_refused(write):
    with pytest.raises(DataError, match=r"tasks\.1: .*a\.png is the image of a task before it"):
        opened(write, task(brush()), task(brush()))


@pytest.mark.parametrize("text", ["[{]", "[" * 100 + "]" * 100, '[{"data":1}', "[1, {}]"])
def test_a_file_that_is_not_an_export_is_refused(text, write):
    words = ', {"annotations": [], "data": {}, "result": 1}'
    with pytest.raises(DataError, match=r"x\.json"):
        scan(write({"a.png": BLACK, "x.json": text + words}), NOTHING)


def test_damaged_files_are_read_or_refused_soon(fuzz, tmp_path):
    shapes = (
        brush(),
        region("polygon", square((0, 0), (5, 0.5), (1, 3.25)), id="x2"),
        region("rectangle", box(2) | {"rotation": 30}, id="x3"),
        region("ellipse", {"x": 40, "y": 50, "radiusX": 30, "radiusY": 20}, id="x4"),
        region("bitmask", {"imageDataURL": png(Image.fromarray(M * 255))}, id="x5"),
    )
    Image.fromarray(BLACK).save(tmp_path / "a.png")

    def read(damaged):
        (tmp_path / "export.json").write_bytes(damaged)
        for entry in scan(tmp_path, NOTHING).entries:
            if entry.labels is not None:
                entry.labels.read().fill_shapes()

    fuzz(json.dumps([task(*shapes)]).encode(), read)


def test_damaged_bits_are_read_or_refused_soon(fuzz, tmp_path):
    Image.fromarray(BLACK).save(tmp_path / "a.png")

    def read(damaged):
        (tmp_path / "export.json").write_text(json.dumps([task(brush(list(damaged)))]))
        scan(tmp_path, NOTHING).entries[0].labels.read().fill_shapes()

    fuzz(bytes(PACKED), read)
