"""Labelme's files as old versions, Windows and X-AnyLabeling write them."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.converted import assert_converts_to

from maskwright.core.errors import DataError
from maskwright.data.dataset import open_as_is
from maskwright.data.reading.codepage import choose_code_page

BOX = np.zeros((40, 60), np.uint8)
BOX[5:16, 5:31] = 1
CORNERS = [[5, 5], [30, 5], [30, 15], [5, 15]]


def polygon(label="car", points=CORNERS, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "flags": {}} | more


def document(image, *shapes):
    shapes = list(shapes or (polygon(),))
    head = {"version": "5.2.1", "flags": {}, "shapes": shapes, "imagePath": image}
    return head | {"imageData": None, "imageHeight": 40, "imageWidth": 60}


def save(path, pixels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((40, 60, 3), 90, np.uint8) if pixels is None else pixels
    Image.fromarray(pixels).save(path, "PNG" if path.suffix == ".png" else "JPEG")


def write(path, content, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))


@pytest.mark.parametrize(
    ("encoding", "labels"),
    [("gbk", ["裂缝", "car"]), ("cp1252", ["Straßenmöbel", "café"])],
)
def test_the_code_page_of_an_old_windows_is_read_where_it_is_clear(tmp_path, encoding, labels):
    for index, label in enumerate(labels):
        save(tmp_path / f"d/{index}.jpg")
        file = document(f"{index}.jpg", polygon(label))
        write(tmp_path / f"d/{index}.json", file, encoding)
    names = ("background", *labels)
    assert_converts_to(tmp_path / "d", {"0": BOX, "1": 2 * BOX}, names)
    (note,) = (n for n in open_as_is(tmp_path / "d").notes if "code page" in n)
    assert "save them as UTF-8 if that is wrong" in note


@pytest.mark.parametrize("encoding", ["cp932", "cp1251"])
def test_another_code_page_is_refused(tmp_path, encoding):
    label = {"cp932": "ひび割れ", "cp1251": "трещина"}[encoding]
    write(tmp_path / "0.json", document("0.jpg", polygon(label)), encoding)
    with pytest.raises(
        DataError, match=r"0\.json: is not UTF-8, and its code page is not clear"
    ):
        choose_code_page([tmp_path / "0.json"])


def test_paths_of_windows_and_names_in_another_case_are_found(tmp_path):
    for index, suffix in enumerate(("jpg", "jpg", "JPG")):
        save(tmp_path / f"d/images/a{index}.{suffix}")
        text = json.dumps(document(f"..\\images\\a{index}.jpg"), indent=2)
        file = tmp_path / f"d/annotations/a{index}.json"
        file.parent.mkdir(exist_ok=True)
        mark = "\ufeff" * (index == 1)
        file.write_bytes((mark + text).replace("\n", "\r\n").encode())
    assert_converts_to(tmp_path / "d", {f"a{i}": BOX for i in range(3)}, ("background", "car"))


def write_folder(root, name, values, names):
    save(root / f"{name}_json/img.png")
    save(root / f"{name}_json/label.png", values)
    save(root / f"{name}_json/label_viz.png", np.zeros((40, 60, 3), np.uint8))
    (root / f"{name}_json/label_names.txt").write_text("\n".join(names) + "\n")


def test_folders_of_json_to_dataset_beside_the_files_are_not_read(tmp_path):
    for name in ("a0", "a1"):
        save(tmp_path / f"d/{name}.jpg")
        write(tmp_path / f"d/{name}.json", document(f"{name}.jpg"))
        write_folder(tmp_path / "d", name, BOX, ("_background_", "car"))
    assert_converts_to(tmp_path / "d", {"a0": BOX, "a1": BOX}, ("background", "car"))


def test_folders_of_json_to_dataset_alone_are_read_each_with_its_own_names(tmp_path):
    write_folder(tmp_path / "d", "a0", BOX, ("_background_", "car"))
    write_folder(tmp_path / "d", "a1", BOX + BOX, ("_background_", "bus", "car"))
    write_folder(tmp_path / "d", "a2", BOX * 255, ("_background_", "car"))
    expected = {"a0": BOX, "a1": BOX, "a2": BOX * 255}
    assert_converts_to(tmp_path / "d", expected, ("_background_", "car"))


def test_a_value_that_a_folder_does_not_name_is_refused(tmp_path):
    write_folder(tmp_path / "d", "a0", BOX * 7, ("_background_", "car"))
    with pytest.raises(DataError, match=r"label\.png: has the value 7 \(286 px\), and label_"):
        open_as_is(tmp_path / "d").labels(0)


ROTATED = [[10.5, 5.2], [40.7, -3.3], [46.1, 16.0], [15.9, 24.5]]


def test_a_rotated_box_of_x_anylabeling_is_a_region_and_points_and_lines_are_not(tmp_path):
    save(tmp_path / "d/0.jpg")
    shapes = (
        polygon("meat", ROTATED, "rotation", direction=6.15, difficult=False, attributes={}),
        polygon("dot", [[3, 3]], "point"),
        polygon("line", [[3, 3], [9, 9]], "line"),
    )
    write(tmp_path / "d/0.json", document("0.jpg", *shapes))
    canvas = Image.new("L", (60, 40))
    ImageDraw.Draw(canvas).polygon([tuple(p) for p in ROTATED], fill=1, outline=1)
    assert_converts_to(tmp_path / "d", {"0": np.array(canvas)}, ("background", "meat"))
    dataset = open_as_is(tmp_path / "d")
    assert dataset.spec.names == ("background", "meat")
    assert dataset.entries[0].labels.read().skipped == {"points": 1, "lines": 1}


def test_points_and_lines_of_labelme_are_regions(tmp_path):
    save(tmp_path / "d/0.jpg")
    write(tmp_path / "d/0.json", document("0.jpg", polygon("dot", [[30, 20]], "point")))
    assert open_as_is(tmp_path / "d").labels(0).sum() == 97


def test_a_polygon_of_two_points_is_counted(tmp_path):
    save(tmp_path / "d/0.jpg")
    shapes = (polygon(), polygon(points=[[1, 1], [2, 2]]))
    write(tmp_path / "d/0.json", document("0.jpg", *shapes))
    assert_converts_to(tmp_path / "d", {"0": BOX}, ("background", "car"))
    skipped = open_as_is(tmp_path / "d").entries[0].labels.read().skipped
    assert skipped == {"polygons of fewer than three corners": 1}


def test_two_files_of_one_image_are_refused(tmp_path):
    save(tmp_path / "d/0.jpg")
    for name in ("0.json", "0 (copy).json"):
        write(tmp_path / "d" / name, document("0.jpg"))
    with pytest.raises(DataError, match=r"0\.json and .*copy\)\.json both label .*0\.jpg"):
        open_as_is(tmp_path / "d")


def test_a_mask_that_is_a_bomb_is_refused_by_its_header(tmp_path):
    save(tmp_path / "d/0.jpg")
    buffer = io.BytesIO()
    Image.new("1", (1, 1)).save(buffer, "PNG")
    png = bytearray(buffer.getvalue())
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    mask = polygon(points=[[0, 0], [9, 9]], kind="mask")
    mask["mask"] = base64.b64encode(png).decode()
    write(tmp_path / "d/0.json", document("0.jpg", mask))
    with pytest.raises(
        DataError, match=r"0\.json: shapes\.0: its mask is 60000 x 60000 \(H x W\)"
    ):
        open_as_is(tmp_path / "d").labels(0)


def test_a_label_that_is_a_number_is_its_text(tmp_path):
    for index, label in enumerate((5, "5")):
        save(tmp_path / f"d/{index}.jpg")
        write(tmp_path / f"d/{index}.json", document(f"{index}.jpg", polygon(label)))
    assert_converts_to(tmp_path / "d", {"0": BOX, "1": BOX}, ("background", "5"))
