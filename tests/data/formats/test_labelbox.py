"""Labelbox: exports v2 and files for its import are read."""

import base64
import io
import json
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.labelbox.part import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
BLACK = np.zeros((4, 6, 3), np.uint8)
PURPLE, GREEN = [123, 103, 152], [142, 220, 196]
COLORS = np.array([[0, 0, 0], PURPLE, GREEN], np.uint8)
COMPOSITE = "https://api.labelbox.com/api/v1/tasks/t/masks/m1/index/1"
SINGLE = "https://api.labelbox.com/api/v1/projects/p/annotations/f1/index/1/mask"


def composite(color=PURPLE, *, url=COMPOSITE, name="car", **more):
    mask = {"url": url, "color_rgb": color}
    return {"feature_id": "f1", "name": name, "composite_mask": mask, **more}


def single(**more):
    return {"feature_id": "f1", "name": "car", "mask": {"url": SINGLE}, **more}


def polygon(*points, name="car"):
    return {
        "feature_id": "f2",
        "name": name,
        "annotation_kind": "ImagePolygon",
        "polygon": [{"x": x, "y": y} for x, y in points],
    }


def row(*objects, key="a.png", labels=1, size=(4, 6), **more):
    annotations = {"objects": list(objects), "classifications": [], "relationships": []}
    return {
        "data_row": {
            "id": "d1",
            "global_key": key,
            "row_data": "https://x.org/p/img%201.png?q",
        },
        "media_attributes": dict(zip(("height", "width"), size, strict=True)),
        "projects": {"p": {"name": "P", "labels": [{"annotations": annotations}] * labels}},
        **more,
    }


def text(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def one(write, *objects, **options):
    """The dataset of one image of 4 x 6."""
    files = {"export.ndjson": text([row(*objects, **options)]), "a.png": BLACK}
    return open_as_is(write({**files, "masks/m1.png": COLORS[M]}))


def png(array, **options):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(buffer, "PNG", **options)
    return base64.b64encode(buffer.getvalue()).decode()


def imported(drawn, *, key="a.png", name="car"):
    return {"uuid": "u1", "name": name, "dataRow": {"globalKey": key}, **drawn}


def test_the_golden_mask_is_read(write):
    dataset = one(write, composite())
    assert dataset.spec.names == ("background", "car")
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_each_object_has_the_pixels_of_its_colour(write):
    painted_HW = M.copy()
    painted_HW[:, 5] *= 2
    painted_HW[0, 0] = 1
    root = write(
        {
            "export.ndjson": text([row(composite(), composite(GREEN, name="dog"))]),
            "a.png": BLACK,
            "masks/m1.png": COLORS[painted_HW],
        }
    )
    dataset = open_as_is(root)
    np.testing.assert_array_equal(dataset.labels(0), painted_HW)
    root = write({"export.ndjson": text([row(composite())])})
    dataset = open_as_is(root)
    skipped = dataset.entries[0].labels.read().skipped
    assert skipped == {"pixels of masks in a colour that no object has": 2}


@pytest.mark.parametrize("name", ["m1", "a"])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_mask_file_has_the_name_of_its_id_or_of_its_image(write, name, alpha):
    color_HWC = COLORS[M]
    if alpha:
        color_HWC = np.dstack((color_HWC + (1 - M[..., None]) * 9, 255 * M))
    files = {"export.ndjson": text([row(composite())]), "images/a.png": BLACK}
    root = write({**files, f"masks/{name}.png": color_HWC})
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_a_mask_without_colour_is_every_pixel_that_is_not_black(write):
    files = {"export.ndjson": text([row(single())]), "a.png": BLACK}
    root = write({**files, "masks/f1.png": M * 255})
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_either_mask_is_enough_if_a_row_has_both(write):
    drawn = {**composite(), "mask": {"url": SINGLE}}
    files = {"export.ndjson": text([row(drawn)]), "a.png": BLACK}
    root = write({**files, "masks/f1.png": M * 255})
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


@pytest.mark.parametrize("url", [COMPOSITE, SINGLE, "https://x.org/%2Fb%2Fm-1_2?Expires=1"])
def test_a_missing_mask_is_never_fetched_and_its_file_name_is_given(write, url):
    name = {COMPOSITE: "m1", SINGLE: "f1"}.get(url, "m-1_2")
    rows = [row(composite(url=url)), row(composite(url=url), key="b.png")]
    root = write({"export.ndjson": text(rows), "a.png": BLACK, "b.png": BLACK})
    with pytest.raises(
        DataError,
        match=rf"export\.ndjson: rows\.0 \(a\.png\): its mask http.* is not here, nor are 1 "
        rf"others; masks are not fetched: download them with your API key within 30 days of "
        rf"the export, this one as masks/{name}\.png beside the file",
    ):
        scan(root, DatasetFile())


@pytest.mark.parametrize(
    "url", ["https://x.org/..", "../../etc/passwd", "http://[", "/a b/c d"]
)
def test_an_address_does_not_lead_out_of_the_folder(write, url):
    root = write({"in/export.ndjson": text([row(composite(url=url))]), "in/a.png": BLACK})
    write({"x.png": COLORS[M], "passwd.png": COLORS[M]})
    with pytest.raises(DataError, match="is not here; masks are not fetched"):
        scan(root / "in", DatasetFile())


def test_polygons_are_filled_as_by_the_library(write):
    """Polygon.draw of labelbox: corners as whole numbers, cv2.fillPoly."""
    corners = [(0.7, 0.2), (5.9, 1.5), (2.2, 3.9)]
    expected_HW = cv2.fillPoly(np.zeros((4, 6), np.uint8), [np.int32(corners)], 1)
    np.testing.assert_array_equal(one(write, polygon(*corners)).labels(0), expected_HW)


def test_the_later_object_is_on_top(write):
    square = polygon((1, 1), (3, 1), (3, 3), (1, 3), name="dog")
    dataset = one(write, composite(), square)
    assert dataset.spec.names == ("background", "car", "dog")
    assert dataset.labels(0)[2].tolist() == [0, 2, 2, 2, 0, 1]


def test_objects_that_are_not_regions_are_skipped_and_counted(write):
    others = (
        {"name": "x", "bounding_box": {"top": 1}},
        {"name": "x", "bbox": {"top": 1}},
        {"name": "x", "point": {"x": 1, "y": 1}},
        {"name": "x", "line": []},
        {"name": "x", "annotation_kind": "ImageCuboid"},
    )
    dataset = one(write, composite(), *others)
    assert dataset.spec.names == ("background", "car")
    skipped = dict(dataset.entries[0].labels.read().skipped)
    assert skipped.pop("pixels of masks in a colour that no object has") == 0
    assert skipped == {"boxes": 2, "points": 1, "lines": 1, "objects of another kind": 1}


def test_ids_and_answers_are_kept(write):
    questions = [
        {"name": "color", "radio_answer": {"name": "red", "value": "red"}},
        {"name": "parts", "checklist_answers": [{"name": "door"}, {"name": "wheel"}]},
        {"name": "note", "text_answer": {"content": "old"}},
    ]
    dataset = one(write, composite(classifications=questions))
    (shape,) = dataset.entries[0].labels.read().shapes
    assert shape.instance == "f1"
    assert dict(shape.attributes) == {"color": "red", "parts": "door, wheel", "note": "old"}


def test_images_are_found_by_every_name_that_they_have(write):
    rows = [
        {**row(polygon((0, 0), (3, 0), (3, 3))), "data_row": names}
        for names in (
            {"id": "d0", "external_id": "folder/e.png"},
            {"id": "d1", "global_key": "no-suffix"},
            {"id": "d2", "global_key": "g", "row_data": "https://x.org/p/img%201.png?q=1"},
            {"id": "d3"},
            {"id": "d4"},
        )
    ]
    rows.append(row(labels=0, key="empty.png"))
    names = ("folder/e", "train/no-suffix", "img 1", "d3", "empty", "other", "masks/m")
    root = write({"export.json": json.dumps(rows), **{f"{name}.png": BLACK for name in names}})
    assert recognises(root)
    scanned = scan(root, DatasetFile())
    assert [(e.split, e.key) for e in scanned.entries] == [
        ("", "d3"),
        ("", "folder__e"),
        ("", "img 1"),
        ("train", "no-suffix"),
    ]
    assert [(item.reason, item.names) for item in scanned.left_out] == [
        ("images that are listed and not there", ("d4",)),
        ("images of rows without a label", ("empty.png",)),
        ("images that no row names", ("other.png",)),
    ]


@pytest.mark.parametrize(
    ("value", "split"),
    [("valid", "val"), ([{"schema_id": "x", "name": "Test"}], "test"), ("../up", ""), (1, "")],
)
def test_the_metadata_give_the_split_if_no_folder_does(write, value, split):
    fields = [{"name": "other", "value": 3}, {"name": "split", "value": value}]
    assert one(write, composite(), metadata_fields=fields).splits == {split: 1}


def test_rows_of_an_import_are_read(write):
    square = {"polygon": [{"x": x, "y": y} for x, y in ((4, 0), (5, 0), (5, 1), (4, 1))]}
    painted = {"mask": {"instanceURI": "https://x.org/u/m-1.png?x=2", "colorRGB": PURPLE}}
    lines = [
        imported({"mask": {"png": png(M)}}),
        imported(square, name="dog"),
        imported({"bbox": {"top": 1}}),
        imported(painted, key="b.png", name="dog"),
    ]
    files = {"a.png": BLACK, "b.png": BLACK, "masks/m-1.png": COLORS[M]}
    root = write({"import.ndjson": "\ufeff" + text(lines) + "\n\n", **files})
    dataset = pickle.loads(pickle.dumps(open_as_is(root)))
    assert dataset.spec.names == ("background", "car", "dog")
    expected_HW = M.copy()
    expected_HW[:2, 4:] = 2
    np.testing.assert_array_equal(dataset.labels(0), expected_HW)
    np.testing.assert_array_equal(dataset.labels(1), M * 2)
    assert dataset.entries[0].labels.read().skipped == {"boxes": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            row(composite(), labels=2),
            "has 2 labels, of several people or projects, expected one",
        ),
        (row(media_attributes={"mime_type": "video/mp4"}), "is a video, expected an image"),
        (
            {**row(), "projects": {"p": {"labels": [{"annotations": {"frames": {}}}]}}},
            "is a video, expected an image",
        ),
        ({"uuid": "data_row"}, "expected 'data_row' as in an export v2"),
        (row(composite(name=None)), "an object has no 'name'"),
        (row({**single(), "mask": {}}), "a mask without address or pixels"),
        (row(composite([1, 2])), "color_rgb.2: Field required"),
        (row(composite([1, 2, 256])), "color_rgb.2: Input should be less than or equal to 255"),
    ],
)
def test_an_error_names_the_row(write, changed, message):
    files = {"a.png": BLACK, "masks/m1.png": COLORS[M]}
    root = write({**files, "export.ndjson": text([changed, row(key="data_row")])})
    with pytest.raises(DataError, match=message) as error:
        scan(root, DatasetFile())
    assert str(error.value).startswith(f"{root}/export.ndjson: rows.0")


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (composite(GREEN), r"no pixel of .*m1\.png has the colour \[142, 220, 196\]; download"),
        (polygon((0, 0), (1, 1), (1e9, 0)), r"a corner lies 1e\+09 px away"),
    ],
)
def test_an_error_names_the_file_of_an_object(write, drawn, message):
    dataset = one(write, drawn)
    with pytest.raises(DataError, match=message) as error:
        dataset.labels(0)
    assert str(dataset.root / "export.ndjson") in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(M * 255), r"is \(4, 6\) with values up to 255, expected \(4, 6\) and 0 or 1"),
        (png(M[1:]), r"is \(3, 6\) with values up to 1, expected \(4, 6\)"),
        (png(np.zeros((9, 9))), r"its mask is 9 x 9 \(H x W\), the image has 4 x 6"),
        ("iVBORw0K", "its mask is not a PNG"),
        ("?", "its mask is not base64"),
    ],
)
def test_an_error_describes_wrong_pixels_in_a_row(write, content, message):
    root = write({"i.ndjson": text([imported({"mask": {"png": content}})]), "a.png": BLACK})
    dataset = open_as_is(root)
    with pytest.raises(DataError, match=message):
        dataset.labels(0)


def test_a_mask_of_another_size_is_refused(write):
    dataset = one(write, composite())
    Image.fromarray(COLORS[M][:3]).save(dataset.root / "masks/m1.png")
    with pytest.raises(
        DataError, match=r"m1\.png: is \(3, 6\) \(H, W\), its image is \(4, 6\)"
    ):
        dataset.labels(0)
    dataset = one(write, composite(), size=(4, 7))
    with pytest.raises(
        DataError, match=r"rows\.0: labels an image of 4 x 7 \(H x W\), .*a\.png is 4 x 6"
    ):
        dataset.labels(0)


def test_two_rows_for_one_image_are_refused(write):
    root = write({"e.ndjson": text([row(single())] * 2), "a.png": BLACK, "masks/f1.png": M})
    with pytest.raises(DataError, match=r"rows\.1: .*a\.png is the image of .*rows\.0 too"):
        scan(root, DatasetFile())


def test_an_image_name_in_two_folders_is_refused(write):
    rows = [row(single(), key="a")]
    root = write({"e.ndjson": text(rows), "x/a.png": BLACK, "y/a.png": BLACK})
    with pytest.raises(
        DataError, match=r"names the image 'a', and .* have that name; keep one"
    ):
        scan(root, DatasetFile())


def test_a_damaged_export_is_refused_once_and_soon(write, fuzz):
    square = polygon((1, 1), (3, 1), (3, 3), (1, 3))
    rows = [row(composite(), square), row(single(), key="b.png")]
    root = write(
        {
            "a.png": BLACK,
            "b.png": BLACK,
            "masks/m1.png": COLORS[M],
            "masks/f1.png": M,
        }
    )

    def read(content):
        (root / "export.ndjson").write_bytes(content)
        dataset = open_as_is(root, form="labelbox")
        for index in range(len(dataset)):
            dataset.labels(index)

    fuzz(text(rows).encode(), read)
