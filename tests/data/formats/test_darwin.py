"""V7 Darwin JSON 2.0."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.darwin.part import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
RUNS_OF_M = [0, 7, 1, 3, 0, 3, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 3, 0, 1, 1, 1]
BLACK = np.zeros((4, 6, 3), np.uint8)
SLOT = {"type": "image", "slot_name": "0", "width": 6, "height": 4}
MASK = {"id": "u1", "name": "car", "slot_names": ["0"], "mask": {}, "properties": []}


def layer(runs=RUNS_OF_M, mapping=None, total=24):
    content = {
        "dense_rle": runs,
        "mask_annotation_ids_mapping": {"u1": 1} if mapping is None else mapping,
        "total_pixels": total,
    }
    return {"id": "u2", "name": "__raster_layer__", "raster_layer": content}


def polygon(*paths, name="car", **more):
    listed = [[{"x": x, "y": y} for x, y in path] for path in paths]
    return {"id": name, "name": name, "polygon": {"paths": listed}, **more}


def item(*annotations, name="a.png", path="/", slots=(SLOT,)):
    of = {"name": name, "path": path, "slots": list(slots)}
    return json.dumps({"version": "2.0", "item": of, "annotations": list(annotations)})


def one(write, *annotations, **options):
    """The dataset of one image of 4 x 6."""
    return open_as_is(write({"a.json": item(*annotations, **options), "a.png": BLACK}))


def test_the_golden_mask_is_read(write):
    dataset = one(write, MASK, layer())
    assert dataset.spec.names == ("background", "car")
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_the_golden_mask_is_written(write, tmp_path):
    files = {"images/a.png": BLACK, "masks/a.png": M, "classes.txt": "background\ncar\n"}
    source = write({f"src/{name}": content for name, content in files.items()}) / "src"
    account = convert(source, tmp_path / "out", to="darwin", verify=True)
    assert account.agreement.differing == 0
    found = json.loads((tmp_path / "out/annotations/a.json").read_text())
    (mask, in_layer) = found["annotations"]
    assert mask["name"] == "car"
    assert mask["mask"] == {}
    assert in_layer["name"] == "__raster_layer__"
    assert in_layer["raster_layer"] == {
        "dense_rle": RUNS_OF_M,
        "mask_annotation_ids_mapping": {mask["id"]: 1},
        "total_pixels": 24,
    }
    assert found["item"]["path"] == "/"
    assert {k: found["item"]["slots"][0][k] for k in SLOT} == SLOT


def test_rings_are_even_odd_and_the_hole_has_its_outline_drawn(write):
    """By upolygon.draw_polygon([[0, 0, 5, 0, 5, 3, 0, 3], [1, 1, 4, 1, 4, 3, 1, 3]])."""
    outer, inner = [(0, 0), (5, 0), (5, 3), (0, 3)], [(1, 1), (4, 1), (4, 3), (1, 3)]
    labels_HW = one(write, polygon(outer, inner)).labels(0)
    expected_HW = np.ones((4, 6), np.uint8)
    expected_HW[2, 2:4] = 0
    np.testing.assert_array_equal(labels_HW, expected_HW)


def test_later_shapes_in_the_file_lie_on_top(write):
    square = [(1, 1), (3, 1), (3, 3), (1, 3)]
    dataset = one(write, MASK, layer(), polygon(square, name="dog"))
    assert dataset.spec.names == ("background", "car", "dog")
    assert dataset.labels(0)[1].tolist() == [0, 2, 2, 2, 0, 0]
    dataset = one(write, polygon(square, name="dog"), MASK, layer())
    assert dataset.labels(0)[2].tolist() == [0, 1, 2, 1, 0, 1]


def test_annotations_that_are_not_regions_are_skipped_and_counted(write):
    box = {"x": 1, "y": 1, "w": 2, "h": 2}
    others = (
        {"bounding_box": box},
        {"keypoint": {"x": 1, "y": 1}},
        {"skeleton": {"nodes": []}},
        {"tag": {}, "text": {"text": "hi"}},
        {"ellipse": {}},
        {"line": {"path": []}},
        {"hologram": {}},
    )
    lone = {**MASK, "id": "u9"}
    dataset = one(write, MASK, layer(), lone, *({"name": "x", **other} for other in others))
    assert dataset.spec.names == ("background", "car")
    assert dataset.entries[0].labels.read().skipped == {
        "boxes": 1,
        "keypoints": 1,
        "skeletons": 1,
        "tags": 1,
        "ellipses": 1,
        "lines": 1,
        "annotations of another kind": 1,
        "masks without a pixel": 1,
    }
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_instances_properties_and_text_are_kept(write):
    properties = [{"name": "p", "value": v, "frame_index": 0} for v in ("1", "2", None)]
    more = {"instance_id": {"value": 7}, "text": {"text": "hi"}, "properties": properties}
    (shape,) = one(write, {**MASK, **more}, layer()).entries[0].labels.read().shapes
    assert shape.instance == "7"
    assert dict(shape.attributes) == {"p": "1, 2", "text": "hi"}


def test_folders_blanks_and_the_suffix_of_the_upload(write):
    slot = {**SLOT, "source_files": [{"file_name": "IMG 1.PNG"}]}
    root = write(
        {
            "releases/one/annotations/x.json": item(
                MASK, layer(), name="my car.jpg", path="/dir 1/deep", slots=[slot]
            ),
            "releases/one/annotations/y.json": item(name="b.png", path="/dir2"),
            "images/dir2/b.png": BLACK,
        }
    )
    place = root / "images/dir 1/deep/my car.PNG"
    place.parent.mkdir(parents=True)
    Image.fromarray(BLACK).save(place)
    (root / "releases/latest").symlink_to("one")
    assert recognises(root)
    found = scan(root, DatasetFile())
    assert [e.key for e in found.entries] == ["dir 1__deep__my car", "dir2__b"]
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_two_files_for_one_image_are_refused(write):
    root = write({"a.json": item(), "b.json": item(), "a.png": BLACK})
    with pytest.raises(DataError, match=r"b\.json and .*a\.json both label .*a\.png; keep one"):
        scan(root, DatasetFile())


def test_a_file_without_its_image_is_listed(write):
    root = write({"a.json": item(), "b.json": item(name="../b.png"), "a.png": BLACK})
    assert scan(root, DatasetFile()).lone_masks == (root / "b.json",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": [{**SLOT, "type": "video"}]}, "of type 'video'.*upload a video's frames"),
        ({"slots": [{**SLOT, "type": "dicom"}]}, "of type 'dicom'.*a volume's slices"),
        ({"slots": [SLOT, SLOT]}, "2 slots, expected one image; upload each"),
        ({"slots": []}, "0 slots"),
    ],
)
def test_only_one_image_is_read(write, options, message):
    with pytest.raises(DataError, match=message):
        one(write, **options)


def test_older_files_are_refused_by_name(write):
    files = {"a.json": item(), "b.json": json.dumps({"image": {}, "annotations": []})}
    root = write({**files, "a.png": BLACK})
    with pytest.raises(
        DataError, match=r"b\.json: has no 'item'.*export again as Darwin JSON 2"
    ):
        scan(root, DatasetFile())


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([MASK, layer(RUNS_OF_M[:-2])], "lengths of dense_rle add up to 23.* 4 x 6 = 24 pix"),
        ([MASK, layer(total=25)], "total_pixels is 25"),
        ([MASK, layer(RUNS_OF_M[:-1])], "dense_rle has 23 numbers, expected pairs"),
        ([MASK, layer([2, *RUNS_OF_M[1:]])], r"value 2 \(7 px\) has no mask in mask_ann"),
        ([MASK, layer([0, -7, *RUNS_OF_M[2:]])], "dense_rle.1: Input should be greater than"),
        ([MASK, layer([0, 10**10, *RUNS_OF_M[2:]])], "dense_rle.1: Input should be less than"),
        ([MASK, layer(mapping={"u1": 0})], "mapping.u1: Input should be greater than"),
        ([MASK, layer(mapping={"u1": 1, "x": 1})], "two masks have the same value"),
        ([MASK, layer(mapping={"u1": 1, "x": 2})], r"the mask 'x', which is not .* \(1 are"),
        ([MASK], "1 mask and 0 raster layers, expected one layer"),
        ([MASK, layer(), layer()], "1 mask and 2 raster layers"),
        ([{**MASK, "mask": {"sparse_rle": [1]}}], "sparse_rle: Input should be null"),
        ([{**MASK, "slot_names": ["1"]}], "is in slot '1', the item has only '0'"),
        ([{**MASK, "frames": {"0": {}}}], "has frames, as annotations of videos do"),
        ([polygon()], "a polygon without a corner"),
        ([polygon([])], "should have at least 1 item"),
        ([polygon([(0, 0), (1e9, 0), (1, 1)])], r"a corner lies 1e\+09 px away"),
        ([polygon([(0, 0), (float("nan"), 0), (1, 1)])], "finite number"),
    ],
)
def test_what_is_wrong_is_named(write, annotations, message):
    dataset = one(write, *annotations)
    with pytest.raises(DataError, match=message) as error:
        dataset.labels(0)
    assert str(error.value).startswith(str(dataset.root / "a.json"))


def test_an_image_of_another_size_is_refused(write):
    dataset = one(write, slots=[{**SLOT, "width": 7}])
    with pytest.raises(DataError, match=r"states 4 x 7 \(H x W\), .*a\.png is \(4, 6\)"):
        dataset.labels(0)


def test_polygons_stay_polygons_to_the_last_digit(write, tmp_path):
    outer, inner = [(0.123456789, 0), (5.5, 0), (5, 3)], [(3, 0.5), (4, 0.5), (4, 1.25)]
    dataset = one(write, polygon(outer, inner, instance_id={"value": 9}))
    account = convert(dataset, tmp_path / "out", to="darwin", verify=True)
    assert account.losses == {}
    assert account.agreement.differing == 0
    (shape,) = open_as_is(tmp_path / "out").entries[0].labels.read().shapes
    assert [ring.tolist() for ring in shape.rings] == [
        list(map(list, outer)),
        list(map(list, inner)),
    ]
    assert shape.instance == "1"
    content = json.loads((tmp_path / "out/annotations/a.json").read_text())
    assert content["annotations"][0]["bounding_box"] == {
        "x": 0.123456789,
        "y": 0,
        "w": 5.5 - 0.123456789,
        "h": 3,
    }


def test_an_image_of_both_kinds_is_written_as_masks_and_counted(write, tmp_path):
    dataset = one(write, MASK, layer(), polygon([(0, 0), (2, 0), (2, 2), (0, 2)], name="dog"))
    account = convert(dataset, tmp_path / "out", to="darwin", verify=True)
    assert account.agreement.differing == 0
    counts = {name.split(",")[0]: loss.count for name, loss in account.losses.items()}
    assert counts == {"polygons beside masks": 1, "pixels of shapes below others": 3}
    content = json.loads((tmp_path / "out/annotations/a.json").read_text())
    assert not any("polygon" in a for a in content["annotations"])


def test_pixels_that_polygons_of_other_tools_move_are_counted(write, tmp_path):
    shape = {"label": "car", "points": [[0, 0], [4.6, 0], [4.6, 2.6]], "shape_type": "polygon"}
    labelme = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 4, "imageWidth": 6}
    root = write({"src/a.png": BLACK, "src/a.json": json.dumps(labelme)})
    account = convert(root / "src", tmp_path / "out", to="darwin", verify=True)
    (loss,) = account.losses.values()
    assert loss.count == account.agreement.differing > 0


def real(real_data, tmp_path, place):
    """The dataset of one real file, with a black image."""
    content = (real_data / "formats/darwin" / place).read_text()
    (tmp_path / "a.json").write_text(content)
    found = json.loads(content)["item"]
    size = found["slots"][0]["width"], found["slots"][0]["height"]
    Image.new("L", size).save(tmp_path / (found["name"] or "a.png"), "PNG")
    return open_as_is(tmp_path)


def digest(inside_HW):
    return hashlib.sha256(inside_HW.astype(np.uint8).tobytes()).hexdigest()[:16]


@pytest.mark.real
@pytest.mark.parametrize(
    ("place", "counts", "expected"),
    [
        ("instance_mask/from/000000021295", [238983, 34297], "794cf611b540680b"),
        ("semantic_mask/from/221b-2", [638771, 2253], "25f86ce19c108211"),
        ("yolo/from/test_input_with_bboxes_and_polys", [237060, 12940], "85f1adda4c516709"),
        ("yolov8/from/test_input_with_bboxes_and_polys", [234479, 15521], "86ac9ff7499fc735"),
    ],
)
def test_a_real_file_is_as_darwin_py_exports_it(real_data, tmp_path, place, counts, expected):
    """`darwin.exporter.formats.mask`: render_polygons or render_raster, darwin-py 3.6.3."""
    labels_HW = real(real_data, tmp_path, f"convert_pairs/{place}.json").labels(0)
    assert np.bincount(labels_HW.ravel()).tolist() == counts
    assert digest(labels_HW) == expected


@pytest.mark.real
@pytest.mark.parametrize(
    ("number", "mask_px", "expected"),
    [
        (1, 1973, "fd37c8e3d2cf30e2"),
        (3, 1050, "5fc55fc76249000d"),
        (8, 1018, "a0594422d3f5f963"),
    ],
)
def test_a_real_file_of_both_kinds_is_read(real_data, tmp_path, number, mask_px, expected):
    """darwin-py does not export such a file as masks; its two renderers give these."""
    dataset = real(real_data, tmp_path, f"import/image_{number}.json")
    drawing = dataset.entries[0].labels.read()
    by_kind = {bool(s.rings): s.fill(drawing.size_HW, drawing.raster) for s in drawing.shapes}
    assert by_kind[True].area_px == 1299
    assert by_kind[False].area_px == mask_px
    assert digest(by_kind[True].to_mask(drawing.size_HW)) == "06b103b102b26892"
    assert digest(by_kind[False].to_mask(drawing.size_HW)) == expected
    assert dict(drawing.shapes[0].attributes)["text"] == "test_text"


@pytest.mark.real
def test_a_real_raster_layer_of_six_masks_is_read(real_data, write):
    """142,749 runs; only the layer of the file is known, so the size is one with its area."""
    place = real_data / "formats/darwin/annotation_raster_layer_data.json"
    stored = json.loads(place.read_text())
    names = stored["mask_annotation_ids_mapping"]
    size_HW = (2616, 1964)
    root = write(
        {
            "a.png": np.zeros(size_HW, np.uint8),
            "a.json": item(
                *(
                    {"id": mask, "name": f"c{value}", "mask": {}}
                    for mask, value in names.items()
                ),
                {"id": "l", "name": "__raster_layer__", "raster_layer": stored},
                slots=[{"type": "image", "height": size_HW[0], "width": size_HW[1]}],
            ),
        }
    )
    expected = []
    for value, length in zip(stored["dense_rle"][::2], stored["dense_rle"][1::2], strict=True):
        expected += [value] * length
    dataset = open_as_is(root)
    assert dataset.spec.names[1:] == tuple(f"c{value}" for value in names.values())
    np.testing.assert_array_equal(dataset.labels(0).ravel(), expected)


@pytest.mark.real
def test_a_volume_is_refused(real_data, tmp_path):
    place = "formats/darwin/nifti/legacy/sample_nifti.nii.json"
    (tmp_path / "a.json").write_text((real_data / place).read_text())
    with pytest.raises(DataError, match="of type 'dicom', expected an image"):
        scan(tmp_path, DatasetFile())


@pytest.mark.real
@pytest.mark.parametrize(
    "place",
    ["import/image_6.json", "convert_pairs/yolo/from/test_input_with_bboxes_and_polys.json"],
)
def test_a_damaged_file_is_refused_once_and_soon(real_data, tmp_path, fuzz, place):
    real(real_data, tmp_path, place)

    def read(content):
        (tmp_path / "a.json").write_bytes(content)
        open_as_is(tmp_path, form="darwin").labels(0)

    fuzz((tmp_path / "a.json").read_bytes(), read)
