"""Supervisely: bitmaps and polygons."""

import base64
import io
import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.supervisely import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
DATA_OF_M = (
    "eJzrDPBz5+WS4mJgYOD19HAJAtKsQMzMyAwkE3+E7wZSbAE+Ia5A+v///0tvzr8LZDGWBPkFMzg8u5EG5PB5ujiG"
    "VMxJrjhQ0vSQlYF9HdPk54LBq4AyDJ6ufi7rnBKaANfwHD8="
)
BLACK = np.zeros((4, 6, 3), np.uint8)
META = {"classes": [{"title": "car", "shape": "any", "color": "#0A141E"}], "tags": []}


FOLDERS = "names of folders, which become the start of the file name"


def bitmap(data=DATA_OF_M, origin=(1, 1), **more):
    region = {"origin": list(origin), "data": data}
    return {"classTitle": "car", "geometryType": "bitmap", "bitmap": region, **more}


def polygon(exterior, *interior, **more):
    points = {"exterior": exterior, "interior": interior}
    return {"classTitle": "car", "geometryType": "polygon", "points": points, **more}


def image(*objects, size=(4, 6)):
    sides = dict(zip(("height", "width"), size, strict=True))
    return json.dumps({"description": "", "tags": [], "size": sides, "objects": list(objects)})


def project(write, *objects, meta=META, **options):
    return write(
        {
            "meta.json": json.dumps(meta),
            "ds/ann/a.png.json": image(*objects, **options),
            "ds/img/a.png": BLACK,
        }
    )


def one(write, *objects, **options):
    """The dataset of one image of 4 x 6."""
    return open_as_is(project(write, *objects, **options))


def png(mode, array, **options):
    buffer = io.BytesIO()
    picture = Image.fromarray(np.asarray(array, np.uint8))
    if mode == "P":
        picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def text(content, *, packed=True):
    return base64.b64encode(zlib.compress(content) if packed else content).decode()


def read_chunks(data):
    """Read the chunks of the PNG in a bitmap, image data inflated, as packing may differ."""
    content = zlib.decompress(base64.b64decode(data))
    chunks, offset = [], 8
    while offset < len(content):
        (length,) = struct.unpack(">I", content[offset : offset + 4])
        kind, body = content[offset + 4 : offset + 8], content[offset + 8 : offset + 8 + length]
        chunks.append((kind, zlib.decompress(body) if kind == b"IDAT" else body))
        offset += length + 12
    return chunks


def test_the_golden_mask_is_read(write):
    dataset = one(write, bitmap())
    assert dataset.spec.names == ("background", "car")
    assert dataset.spec.classes[1].color == (10, 20, 30)
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_the_golden_mask_is_written(write, tmp_path):
    files = {"images/a.png": BLACK, "masks/a.png": M, "classes.txt": "background\ncar\n"}
    source = write({f"src/{name}": content for name, content in files.items()}) / "src"
    account = convert(source, tmp_path / "out", to="supervisely", verify=True)
    assert account.agreement.differing == 0
    document = json.loads((tmp_path / "out/images/ann/a.png.json").read_text())
    (drawn,) = document["objects"]
    assert document["size"] == {"height": 4, "width": 6}
    assert (drawn["geometryType"], drawn["shape"]) == ("bitmap", "bitmap")
    assert drawn["bitmap"]["origin"] == [1, 1]
    assert read_chunks(drawn["bitmap"]["data"]) == read_chunks(DATA_OF_M)
    meta = json.loads((tmp_path / "out/meta.json").read_text())
    assert [c["title"] for c in meta["classes"]] == ["background", "car"]


@pytest.mark.parametrize(
    "data",
    [
        text(png("P", M[1:, 1:], transparency=0), packed=False),
        text(png("L", M[1:, 1:] * 255)),
        text(png("LA", np.stack([M[1:, 1:] * 0, M[1:, 1:] * 9], -1))),
        text(png("RGBA", np.stack([M[1:, 1:] * 0] * 3 + [M[1:, 1:] * 255], -1))),
        text(png("RGBA", np.stack([M[1:, 1:] * 255] * 4, -1)), packed=False),
    ],
)
def test_other_forms_of_bitmaps_are_read(write, data):
    np.testing.assert_array_equal(one(write, bitmap(data)).labels(0), M)


def test_a_bitmap_across_the_border_is_clipped(write):
    labels_HW = one(write, bitmap(origin=(-1, -1))).labels(0)
    assert labels_HW.tolist() == [[0, 1, 0, 1, 0, 0], [1, 1, 0, 1, 0, 0], [0] * 6, [0] * 6]


def test_the_outline_of_a_hole_is_outside(write):
    """OpenCV's fillPoly of the outer ring with 1, then of the inner rings with 0."""
    outer, inner = [[0, 0], [5.9, 0], [5, 3], [0, 3]], [[2, 1], [3.7, 1], [3, 2]]
    labels_HW = one(write, polygon(outer, inner)).labels(0)
    expected_HW = np.ones((4, 6), np.uint8)
    expected_HW[1, 2:4] = 0
    expected_HW[2, 3] = 0
    np.testing.assert_array_equal(labels_HW, expected_HW)


@pytest.mark.parametrize("seed", range(40))
def test_polygons_are_filled_as_by_the_library(write, seed):
    """Polygon._draw_impl of supervisely, geometry/polygon.py, on the whole image."""
    rng = np.random.default_rng(seed)
    size_HW = rng.integers(1, 60, 2)
    rings = [
        (rng.uniform(-0.2, 1.2, (rng.integers(1, 8), 2)) * size_HW[::-1]).round(seed % 2)
        for _ in range(1 + seed % 3)
    ]
    canvas_HW = np.zeros(size_HW, np.uint8)
    whole = [ring.astype(np.int64).astype(np.int32) for ring in rings]
    cv2.fillPoly(canvas_HW, pts=whole[:1], color=1)
    cv2.fillPoly(canvas_HW, pts=whole[1:], color=0)
    dataset = one(write, polygon(*(ring.tolist() for ring in rings)), size=size_HW.tolist())
    Image.fromarray(canvas_HW).save(dataset.entries[0].image.file)
    np.testing.assert_array_equal(dataset.labels(0), canvas_HW)


def test_the_later_object_is_on_top(write):
    meta = {"classes": [*META["classes"], {"title": "Dog"}]}
    square = [[1, 1], [3, 1], [3, 3], [1, 3]]
    dataset = one(write, bitmap(), polygon(square, classTitle="Dog"), meta=meta)
    assert dataset.spec.names == ("background", "car", "Dog")
    assert dataset.labels(0)[2].tolist() == [0, 2, 2, 2, 0, 1]


def test_objects_that_are_not_regions_are_skipped_and_counted(write):
    kinds = ("rectangle", "point", "line", "graph", "cuboid", "alpha_mask", "hologram")
    others = ({"classTitle": "car", "geometryType": kind} for kind in kinds)
    by_class = {"classTitle": "box", "points": {"exterior": [[0, 0], [1, 1]], "interior": []}}
    meta = {"classes": [*META["classes"], {"title": "box", "shape": "rectangle"}]}
    dataset = one(write, bitmap(), *others, by_class, meta=meta)
    assert dataset.spec.names == ("background", "car")
    assert dataset.entries[0].labels.read().skipped == {
        "boxes": 2,
        "points": 1,
        "lines": 1,
        "skeletons": 1,
        "cuboids": 1,
        "masks of transparency": 1,
        "objects of another kind": 1,
    }


def test_tags_and_ids_are_kept(write, tmp_path):
    tags = [{"name": "parked", "value": None}, {"name": "wheels", "value": 4}]
    dataset = one(write, bitmap(id=77, tags=tags))
    (shape,) = dataset.entries[0].labels.read().shapes
    assert shape.instance == "77"
    assert dict(shape.attributes) == {"parked": "", "wheels": "4"}
    account = convert(dataset, tmp_path / "out", to="supervisely", verify=True)
    assert account.losses.keys() == {FOLDERS}
    (again,) = open_as_is(tmp_path / "out").entries[0].labels.read().shapes
    assert again.attributes == shape.attributes
    assert again.instance == "1"
    meta = json.loads((tmp_path / "out/meta.json").read_text())
    assert [tag["name"] for tag in meta["tags"]] == ["parked", "wheels"]


def test_polygons_stay_polygons_to_the_last_digit(write, tmp_path):
    rings = [[0.123456789, 0.0], [5.5, 0.0], [5.0, 3.0]], [[3.0, 0.5], [4.0, 0.5], [4.0, 1.25]]
    dataset = one(write, polygon(*rings))
    account = convert(dataset, tmp_path / "out", to="supervisely", verify=True)
    assert account.losses.keys() == {FOLDERS}
    (shape,) = open_as_is(tmp_path / "out").entries[0].labels.read().shapes
    assert [ring.tolist() for ring in shape.rings] == list(rings)


def test_pixels_that_move_in_polygons_of_other_tools_are_counted(write, tmp_path):
    shape = {"label": "car", "points": [[0.7, 0], [4, 0.4], [0, 3]], "shape_type": "polygon"}
    labelme = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 40, "imageWidth": 60}
    shape["points"] = [[10 * x, 10 * y] for x, y in shape["points"]]
    black = np.zeros((40, 60, 3), np.uint8)
    root = write({"src/a.png": black, "src/a.json": json.dumps(labelme)})
    account = convert(root / "src", tmp_path / "out", to="supervisely", verify=True)
    assert sum(loss.count for loss in account.losses.values()) == account.agreement.differing


def test_nested_projects_datasets_and_splits_are_read(write):
    body, meta = image(bitmap()), json.dumps(META)
    files = {
        "p/meta.json": meta,
        "p/train/ann/a.png.json": body,
        "p/val/ann/b.json": body,
        "p/ds/datasets/in/ann/a b.png.json": body,
        "p/ds/ann/gone.png.json": body,
        "p/ds/meta/x.json": "{}",
    }
    images = ("p/train/img/a.png", "p/val/img/b.png", "p/ds/datasets/in/img/a b.png")
    root = write({**files, **dict.fromkeys(images, BLACK)})
    assert recognises(root)
    scanned = scan(root, DatasetFile())
    assert [(e.split, e.key) for e in scanned.entries] == [
        ("", "p__ds__datasets__in__a b"),
        ("train", "p__a"),
        ("val", "p__b"),
    ]
    assert scanned.lone_masks == (root / "p/ds/ann/gone.png.json",)


def test_a_folder_without_a_project_is_refused(write):
    root = write({"ds/ann/a.png.json": image(), "ds/img/a.png": BLACK})
    assert not recognises(root)
    with pytest.raises(DataError, match=r"expected meta\.json of Supervisely"):
        scan(root, DatasetFile())


BOMB = text(png("L", np.zeros((4, 5))) + bytes(1 << 24))
HUGE = text(png("L", np.zeros((3000, 3000))))


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (bitmap(DATA_OF_M[:-2]), "its mask is not base64"),
        (bitmap("*" + DATA_OF_M[1:]), "its mask is not base64"),
        (bitmap(DATA_OF_M[:100]), "its mask is truncated; export it again"),
        (bitmap("AAAA" + DATA_OF_M[4:]), "its mask is damaged: Error -3"),
        (bitmap(text(b"GIF89a")), "its mask is not a PNG"),
        (bitmap(text(png("L", M)[:50])), "its mask is a damaged PNG"),
        (bitmap(BOMB), "its mask unpacks to more than 1,048,676 bytes"),
        (bitmap(HUGE), r"its mask is 3000 x 3000 \(H x W\), the image has 4 x 6"),
        (
            bitmap(text(png("RGB", np.zeros((2, 2, 3))))),
            "PNG of mode 'RGB' without transparency",
        ),
        (bitmap(text(png("P", M))), "PNG of mode 'P' without transparency"),
        (bitmap(origin=(10**9, 0)), r"its origin is \[1000000000, 0\]"),
        ({**bitmap(), "bitmap": None}, "a bitmap without its pixels"),
        (bitmap(classTitle="cat"), r"class 'cat' is not in meta\.json"),
        (polygon([]), "a polygon without a corner"),
        (polygon([[0, 0], [1, 1], [2, 0]], []), "interior.0: Tuple should have at least 1"),
        (polygon([[0, 0], [1e9, 1], [2, 0]]), r"a corner lies 1e\+09 px away"),
        (polygon([[0, 0], [float("inf"), 1], [2, 0]]), "finite number"),
    ],
)
def test_an_error_names_the_fault(write, drawn, message):
    dataset = one(write, drawn)
    with pytest.raises(DataError, match=message) as error:
        dataset.labels(0)
    assert str(error.value).startswith(str(dataset.root / "ds/ann/a.png.json"))


def test_an_image_of_another_size_is_refused(write):
    dataset = one(write, size=(4, 7))
    with pytest.raises(
        DataError, match=r"annotates an image of \(4, 7\) \(H, W\), .*a\.png is \(4, 6\)"
    ):
        dataset.labels(0)


def test_an_invalid_colour_is_refused(write):
    with pytest.raises(DataError, match=r"meta\.json: classes\.0\.color: .*got '#12345'"):
        one(write, meta={"classes": [{"title": "car", "color": "#12345"}]})


@pytest.mark.real
def test_the_bitmap_of_the_documentation_is_read(real_data, write):
    path = real_data / "formats/supervisely/sdk_docs_bitmap/bitmap.json"
    example = json.loads(path.read_text())
    labels_HW = one(write, bitmap(**example["bitmap"])).labels(0)
    assert labels_HW[:3, :3].tolist() == example["expected"]


@pytest.mark.real
def test_bitmaps_as_the_library_encodes_them_are_read(real_data):
    root = real_data / "formats/supervisely/peer_encoded"
    dataset = open_as_is(root)
    assert len(dataset) == 3
    assert len(dataset.spec) == 17
    for index, entry in enumerate(dataset.entries):
        truth_HW = np.array(Image.open(root / f"{entry.image.file.stem}_truth.png"))
        assert {0} < set(np.unique(truth_HW).tolist())
        labels_HW = dataset.labels(index)
        np.testing.assert_array_equal(labels_HW > 0, truth_HW > 0)
        pairs = set(zip(labels_HW.ravel().tolist(), truth_HW.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(truth_HW))


@pytest.mark.real
def test_a_damaged_file_is_refused_once_and_soon(real_data, write, fuzz):
    source = real_data / "formats/supervisely/peer_encoded"
    root = write(
        {
            "meta.json": (source / "meta.json").read_text(),
            "ds/img/0033.jpg": (source / "ds/img/0033.jpg").read_bytes(),
        }
    )
    path = root / "ds/ann/0033.jpg.json"
    path.parent.mkdir()

    def read(content):
        path.write_bytes(content)
        open_as_is(root, form="supervisely").labels(0)

    fuzz((source / "ds/ann/0033.jpg.json").read_bytes(), read)
