"""CVAT's XML 1.1 for images."""

import json
import math
import pickle

import cv2
import numpy as np
import pycocotools.mask as coco
import pytest

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.entries.scan import LeftOut
from maskwright.data.formats.cvat.elements import parse_shape
from maskwright.data.formats.cvat.part import recognises, scan
from maskwright.data.reading.xmlindex import iterate_elements

from .cvat_documents import (
    BLACK,
    LABELS,
    MASK_OF_M,
    M,
    document,
    image,
    mask,
    names_of,
    one,
    polygon,
)


def test_the_golden_mask_is_read(write):
    dataset = one(write, mask())
    assert dataset.spec.names == ("background", "car")
    assert dataset.spec.classes[1].color == (10, 20, 30)
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_the_golden_mask_is_written(write, tmp_path):
    source = write(
        {
            "src/images/a.png": BLACK,
            "src/masks/a.png": M,
            "src/classes.txt": "background\ncar\n",
        }
    )
    account = convert(source / "src", tmp_path / "out", to="cvat", verify=True)
    assert account.agreement.differing == 0
    text = (tmp_path / "out/default.xml").read_text()
    assert MASK_OF_M.split(" left", maxsplit=1)[0] in text
    assert 'left="1" top="1" width="5" height="3"' in text
    assert '<image id="0" name="a.png" width="6" height="4">' in text
    assert "<subset>default</subset>" in text
    (tmp_path / "out/dataset.yaml").unlink()
    np.testing.assert_array_equal(open_as_is(tmp_path / "out").labels(0), M)


def test_the_higher_z_order_is_on_top_then_the_later(write):
    labels = "".join(f"<label><name>{n}</name></label>" for n in "abc")
    box = '<box label="{}" xtl="0" ytl="0" xbr="{}" ybr="4" occluded="0" z_order="{}"/>'
    shapes = box.format("a", 6, 2) + box.format("b", 3, 5) + box.format("c", 6, -1)
    dataset = one(write, shapes, labels=labels)
    assert dataset.labels(0)[0].tolist() == [2, 2, 2, 1, 1, 1]
    shapes = box.format("a", 6, 0) + box.format("b", 3, 0)
    dataset = one(write, shapes, labels=labels)
    assert dataset.labels(0)[0].tolist() == [2, 2, 2, 1, 1, 1]


def test_annotations_that_are_not_regions_are_skipped_and_counted(write):
    shapes = (
        '<polyline label="car" points="1,1;2,2" occluded="0" z_order="0"/>'
        '<points label="car" points="1,1" occluded="0" z_order="0"/>'
        '<tag label="night" source="manual"/>'
        '<cuboid label="car" occluded="0" xtl1="1" z_order="0"/>'
        '<skeleton label="man" z_order="0"><points label="head" points="1,1"/></skeleton>'
    )
    dataset = one(write, shapes + mask())
    assert dataset.entries[0].labels.read().skipped == {
        "lines": 1,
        "points": 1,
        "tags": 1,
        "cuboids": 1,
        "skeletons": 1,
    }
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_labels_of_skeletons_and_tags_are_not_classes(write):
    labels = (
        "<label><name>man</name><type>skeleton</type><svg>&lt;line/&gt;</svg></label>"
        "<label><name>head</name><type>points</type><parent>man</parent></label>"
        "<label><name>night</name><type>tag</type></label>"
        "<label><name>BG</name><color>#010203</color></label>"
    )
    spec = one(write, mask(), labels=labels + LABELS).spec
    assert spec.names == ("BG", "car")
    assert spec.classes[0].color == (1, 2, 3)


def test_attributes_groups_and_occlusion_are_kept(write, tmp_path):
    shape = mask().replace('occluded="0"', 'occluded="1" group_id="7"')
    shape = shape.replace(
        "></mask>", '><attribute name="a &lt; b">1 &amp; 2</attribute></mask>'
    )
    dataset = one(write, shape)
    (found,) = dataset.entries[0].labels.read().shapes
    assert dict(found.attributes) == {"a < b": "1 & 2", "occluded": "1"}
    assert found.instance == "7"
    account = convert(dataset, tmp_path / "out", to="cvat", verify=True)
    assert account.losses == {}
    (again,) = open_as_is(tmp_path / "out").entries[0].labels.read().shapes
    assert again.attributes == found.attributes
    assert again.instance == "1"
    assert "<attribute><name>a &lt; b</name>" in (tmp_path / "out/default.xml").read_text()


def test_polygons_stay_polygons_to_the_last_digit(write, tmp_path):
    dataset = one(write, polygon("0.123456789,0.5;5.25,0.75;3.1,3.99"))
    convert(dataset, tmp_path / "out", to="cvat")
    (again,) = open_as_is(tmp_path / "out").entries[0].labels.read().shapes
    assert again.rings[0].tolist() == [[0.123456789, 0.5], [5.25, 0.75], [3.1, 3.99]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/b.png", "c.png"], [("", "a__b"), ("", "c")]),
        (["train/x.png", "val/deep/y.png"], [("train", "x"), ("val", "deep__y")]),
        (["dir\\w.png"], [("", "dir__w")]),
        (["a.b.c.png"], [("", "a.b.c")]),
    ],
)
def test_names_with_folders(write, names, expected):
    files = {f"images/{name}".replace("\\", "/"): BLACK for name in names}
    body = "".join(image(mask(), name=name) for name in names)
    root = write({"annotations.xml": document(body), **files})
    assert recognises(root)
    assert names_of(scan(root, DatasetFile())) == expected


def test_subsets_are_splits_and_repeated_names_get_their_split_as_prefix(write):
    body = "".join(
        image(mask(), name=name, more=f'subset="{subset}"')
        for subset, name in (("Train", "a.png"), ("Validation", "a.png"), ("default", "b.png"))
    )
    files = ("images/Train/a.png", "images/Validation/a.png", "images/default/b.png")
    root = write({"annotations.xml": document(body), **dict.fromkeys(files, BLACK)})
    found = scan(root, DatasetFile())
    assert names_of(found) == [("", "b"), ("train", "train__a"), ("val", "val__a")]
    assert [e.image.file for e in found.entries] == [
        root / files[2],
        root / files[0],
        root / files[1],
    ]


def test_the_subset_of_a_task_is_that_of_its_images(write):
    root = write(
        {
            "annotations.xml": document(image(mask()), task="<subset>Test</subset>"),
            "a.png": BLACK,
        }
    )
    assert names_of(scan(root, DatasetFile())) == [("test", "a")]


def test_several_tasks_in_folders_of_their_own(write):
    files = {f"{t}/annotations.xml": document(image(mask(), name=f"{t}.png")) for t in "xy"}
    root = write({**files, "x/images/x.png": BLACK, "y/images/y.png": BLACK})
    assert names_of(scan(root, DatasetFile())) == [("", "x"), ("", "y")]


def test_a_job_has_a_subset_too_and_labels_need_no_declaration(write):
    text = document(image(mask(label="dog") + mask(label="cat"))).replace(LABELS, "")
    text = text.replace("<task>", "<job><subset>val</subset>").replace("</task>", "</job>")
    dataset = open_as_is(write({"annotations.xml": text, "images/a.png": BLACK}))
    assert dataset.splits == {"val": 1}
    assert dataset.spec.names == ("background", "cat", "dog")
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_a_byte_order_mark_is_ignored(write):
    root = write({"annotations.xml": "\ufeff" + document(image(mask())), "images/a.png": BLACK})
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_a_dataset_goes_to_other_processes(write):
    dataset = pickle.loads(pickle.dumps(one(write, mask())))
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_missing_images_and_unnamed_images_are_noted(write):
    body = image(mask()) + image("", name="b.png") + image(mask(), name="gone.png")
    root = write(
        {
            "annotations.xml": document(body),
            **dict.fromkeys(("images/a.png", "images/b.png", "images/x.png"), BLACK),
        }
    )
    found = scan(root, DatasetFile())
    assert found.notes == ("1 image has no shape: all is background",)
    assert found.left_out == (
        LeftOut("images that are listed and not there", ("gone.png",)),
        LeftOut("images that no XML file names", ("images/x.png",)),
    )


def test_only_polygons_that_stay_polygons_move(write, tmp_path):
    """Labelme's polygons are filled by Pillow; a shape with a hole is written as a mask."""
    shape = {"label": "car", "points": [[0, 0], [5, 0], [5, 3]], "shape_type": "polygon"}
    labelme = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 4, "imageWidth": 6}
    root = write({"src/a.png": BLACK, "src/a.json": json.dumps(labelme)})
    account = convert(root / "src", tmp_path / "out", to="cvat", verify=True)
    (loss,) = account.losses.values()
    assert loss.count == account.agreement.differing > 0


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            mask(MASK_OF_M.replace("4, 1, 1", "4, 1")),
            "run lengths add up to 14, .* = 15 pixels",
        ),
        (mask(MASK_OF_M.replace("0, 3", "0, -3")), r"a run length is not in 0\.\.15"),
        (mask(MASK_OF_M.replace("0, 3", "0, x")), r"its rle is '0, x.*expected 'n, n, n'"),
        (mask(MASK_OF_M.replace("0, 3", "9" * 30)), r"its rle is '9"),
        (mask(MASK_OF_M.replace('left="1"', 'left="2"')), r"column 7, the image is \(4, 6\)"),
        (
            mask(MASK_OF_M.replace('left="1"', 'left="-1"')),
            "left: Input should be greater than",
        ),
        (mask(MASK_OF_M.replace('width="5"', 'width="0"')), "width: Input should be greater"),
        (mask('rle="1"'), "mask: left: Field required"),
        (polygon("1,1;2,2;3"), "points are '1,1;2,2;3', expected 'x,y;x,y'"),
        (polygon("1,1;2,2,2;3,3"), "points are '1,1;2,2,2;3,3'"),
        (polygon("1,1,1;2,2,2;3,3,3"), "points are '1,1,1;2,2,2;3,3,3'"),
        (polygon("1,1;2,nan;3,3"), "expected finite x, y for each corner"),
        (polygon("1,1;2,1e9;3,3"), r"a corner lies 1e\+09 px away"),
        (polygon("1,1;1,3;3,3", z="high"), "z_order: Input should be a valid integer"),
        (
            '<ellipse label="car" cx="2" cy="2" rx="-1" ry="1"/>',
            "rx: Input should be greater than or equal to 0",
        ),
        (
            '<ellipse label="car" cx="2" cy="2" rx="1" ry="1e7"/>',
            r"extends 1e\+07 px, the image is",
        ),
        ('<blob label="car"/>', r"<blob> is not a shape of CVAT 1\.1 \(known: polygon, box"),
        (
            polygon("1,1;1,3;3,3", label="cat"),
            r"labels 'cat' \(1 shape\) are not in .*mean 'car",
        ),
    ],
)
def test_a_bad_shape_is_named(write, shapes, message):
    with pytest.raises(DataError, match=rf"annotations\.xml: a\.png.*{message}") as refusal:
        one(write, shapes).labels(0)
    assert "\n" not in str(refusal.value)


DOCTYPE = '<!DOCTYPE a [<!ENTITY b "b">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            document(image(mask(), name="../a.png")),
            r"'\.\./a\.png' is a path outside of the folder",
        ),
        (
            document(image(mask(), name="/etc/a.png")),
            r"'/etc/a\.png' is a path outside of the folder",
        ),
        (
            document(image(mask(), more='subset="../x"')),
            r"image: subset: .*'\.\./x' is not a name of a folder",
        ),
        (
            document(image(mask()), task="<subset>..</subset>"),
            r"meta: subset: .*'\.\.' is not a n",
        ),
        (document(image(mask(), size=(4, 0))), "image: width: Input should be greater"),
        (
            document(image(mask(), name="b.png")),
            "names the image 'b.png' and 0 others, and all",
        ),
        (document(image(mask()) * 2), "both label .*a.png; keep one"),
        (document(image(mask()) + image("", name="images/a.png")), "both label .*a.png"),
        (document(""), "no XML file here holds images or tracks"),
        (document(image(mask()))[:-30], "not valid XML: no element found"),
        (document("<x>" * 120), "nested more than 100 deep"),
        (DOCTYPE + document("").split("?>")[1], "declares a document type or entities"),
        (
            document("").replace("utf-8", "latin-1"),
            "is latin-1 text, expected UTF-8; save it as UTF-8",
        ),
        (document("", labels=LABELS.replace("#0a141e", "#0a1")), "'car' has the colour '#0a1'"),
    ],
)
def test_a_bad_file_is_refused(write, text, message):
    root = write({"annotations.xml": text, "images/a.png": BLACK})
    with pytest.raises(DataError, match=message):
        scan(root, DatasetFile())


def test_an_image_of_another_size_is_refused(write):
    root = write({"annotations.xml": document(image(mask(), size=(8, 6))), "a.png": BLACK})
    with pytest.raises(DataError, match=r"a\.png: states \(8, 6\) .*a\.png is \(4, 6\)"):
        open_as_is(root).labels(0)


def test_a_name_that_xml_cannot_hold_is_refused(write, tmp_path):
    source = write(
        {"src/images/a.png": BLACK, "src/masks/a.png": M, "src/classes.txt": "bg\nc\x01r\n"}
    )
    with pytest.raises(DataError, match=r"has the character '\\x01', which XML cannot hold"):
        convert(source / "src", tmp_path / "out", to="cvat")


def test_boxes_and_ellipses_are_filled_as_cvat_exports_them():
    """The steps of formats/transformations.py, by the libraries that CVAT uses."""
    from xml.etree.ElementTree import Element

    rng = np.random.default_rng(5)
    for _ in range(300):
        height, width = rng.integers(4, 70, 2).tolist()
        x, y, w, h = (float(f"{v:.2f}") for v in rng.uniform((-9, -9, 0, 0), (60, 60, 40, 40)))
        turn = float(f"{rng.uniform(0, 360):.2f}") if rng.random() < 0.6 else 0.0
        place = {"xtl": x, "ytl": y, "xbr": x + w, "ybr": y + h, "rotation": turn}
        element = Element("box", {"label": "a", **{k: str(v) for k, v in place.items()}})
        found = parse_shape(element, (height, width), label=None, where="x")
        rle = coco.frPyObjects([turned(place)], height, width)
        truth_HW = coco.decode(rle)[..., 0]
        size_HW = (height, width)
        np.testing.assert_array_equal(found.fill(size_HW, "coco").to_mask(size_HW), truth_HW)
        place = {"cx": x, "cy": y, "rx": w, "ry": h, "rotation": turn}
        element = Element("ellipse", {"label": "a", **{k: str(v) for k, v in place.items()}})
        found = parse_shape(element, size_HW, label=None, where="x")
        truth_HW = np.zeros(size_HW, np.uint8)
        middle, axes = (round(x), round(y)), (round(w), round(h))
        cv2.ellipse(truth_HW, middle, axes, turn, 0, 360, 1, thickness=-1)
        np.testing.assert_array_equal(found.fill(size_HW, "coco").to_mask(size_HW), truth_HW)


def turned(box):
    """Corners of a box, rotated as RotatedBoxesToPolygons does it."""
    angle = math.radians(box["rotation"])
    middle_x = box["xtl"] + (box["xbr"] - box["xtl"]) / 2
    middle_y = box["ytl"] + (box["ybr"] - box["ytl"]) / 2
    points = []
    for x, y in (("xtl", "ytl"), ("xbr", "ytl"), ("xbr", "ybr"), ("xtl", "ybr")):
        across, down = box[x] - middle_x, box[y] - middle_y
        points.append(middle_x + math.cos(angle) * across - math.sin(angle) * down)
        points.append(middle_y + math.sin(angle) * across + math.cos(angle) * down)
    return np.around(points, 2).tolist()


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_each_element_ends_where_the_next_begins(write, monkeypatch, chunk):
    monkeypatch.setattr("maskwright.data.reading.xmlindex._CHUNK", chunk)
    text = "<a><!-- x --><b n='1'><c/><c>t</c></b>\n<b/>  <d><e><f/></e></d></a>"
    root = write({"a.xml": text})
    found = [(p.tag, text[p.start : p.end]) for p in iterate_elements(root / "a.xml", depth=3)]
    assert found == [
        ("c", "<c/>"),
        ("c", "<c>t</c>"),
        ("b", "<b n='1'><c/><c>t</c></b>\n"),
        ("b", "<b/>  "),
        ("e", "<e><f/></e>"),
        ("d", "<d><e><f/></e></d>"),
    ]


def test_a_large_file_is_indexed_once_and_read_by_element(write, monkeypatch):
    names = [f"{n}.png" for n in range(50)]
    body = "".join(image(mask(), name=name) for name in names)
    root = write({"annotations.xml": document(body), **{f"images/{n}": BLACK for n in names}})
    from maskwright.data.formats.cvat import index as cvat_index

    passes = []
    whole = cvat_index.iterate_elements
    monkeypatch.setattr(
        cvat_index, "iterate_elements", lambda *a, **k: (passes.append(1), whole(*a, **k))[1]
    )
    dataset = open_as_is(root)
    for index in range(50):
        np.testing.assert_array_equal(dataset.labels(index), M)
    assert passes == [1]
