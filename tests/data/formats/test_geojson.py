"""GeoJSON for georeferenced images, and in pixels for others."""

import json
import shutil

import numpy as np
import pytest
import tifffile

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.geojson import recognises, scan
from maskwright.data.georef.placement import read_placement

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
BLACK = np.zeros((4, 6, 3), np.uint8)
NOTHING = DatasetFile()
RING = [[1, 1], [4, 1], [4, 4], [1, 4], [1, 1]]
HOLE = [[2, 2], [2, 3], [3, 3], [3, 2], [2, 2]]
BAR = [[5, 2], [6, 2], [6, 4], [5, 4], [5, 2]]
EAST, NORTH, STEP = 733601.0, 3725139.0, 0.5
UTM = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}
WGS84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}


def feature(coordinates, kind="Polygon", **properties):
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features, **more):
    return json.dumps({"type": "FeatureCollection", "features": list(features), **more})


def golden(**properties):
    return feature([[RING, HOLE], [BAR]], "MultiPolygon", **properties)


def opened(write, *features, image=BLACK, yaml="", **more):
    files = {"a.png": image, "a.geojson": collection(*features, **more)}
    return open_as_is(write(files | ({"dataset.yaml": yaml} if yaml else {})))


def on_ground(rings):
    return [[[EAST + STEP * x, NORTH - STEP * y] for x, y in ring] for ring in rings]


def geotiff(path, *, model=1, epsg=32616):
    """An image of 4 x 6 pixels with its upper left corner at EAST, NORTH."""
    keys = (
        1,
        1,
        0,
        3,
        1024,
        0,
        1,
        model,
        1025,
        0,
        1,
        1,
        3072 if model == 1 else 2048,
        0,
        1,
        epsg,
    )
    tags = [
        (33550, "d", 3, (STEP, STEP, 0.0), False),
        (33922, "d", 6, (0.0, 0.0, 0.0, EAST, NORTH, 0.0), False),
        (34735, "H", len(keys), keys, False),
    ]
    tifffile.imwrite(path, BLACK, extratags=tags, metadata=None, photometric="rgb")


def test_the_golden_vector_is_read_in_pixels(write):
    dataset = opened(write, golden(**{"class": "car"}))
    assert dataset.spec.names == ("background", "car")
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_the_golden_vector_is_written(write, tmp_path_factory):
    source = write({"images/train/a.png": BLACK, "masks/train/a.png": M})
    (source / "dataset.yaml").write_text("classes: [{name: background}, {name: car}]\n")
    target = tmp_path_factory.mktemp("out") / "geojson"
    assert convert(source, target, to="geojson", verify=True).agreement.differing == 0
    document = json.loads((target / "train/a.geojson").read_text())
    (found,) = document["features"]
    classification = {"name": "car", "color": [128, 0, 0]}  # for QuPath
    assert found["properties"] == {"class": "car", "classification": classification}
    assert "crs" not in document
    assert found["geometry"]["type"] == "MultiPolygon"
    assert [[len(ring) for ring in p] for p in found["geometry"]["coordinates"]] == [
        [5, 5],
        [5],
    ]


def test_polygons_on_the_ground_lie_where_the_image_lies(write, tmp_path):
    shape = feature(on_ground([RING, HOLE]), label="car")
    root = write({"train/a.geojson": collection(shape, crs=UTM)})
    geotiff(root / "train/a.tif")
    expected = M.copy()
    expected[:, 5] = 0
    np.testing.assert_array_equal(open_as_is(root).labels(0), expected)
    target = tmp_path / "out"
    assert convert(root, target, to="geojson", verify=True).agreement.differing == 0
    document = json.loads((target / "train/a.geojson").read_text())
    assert document["crs"] == UTM
    outline, hole = document["features"][0]["geometry"]["coordinates"]
    assert sorted(map(tuple, outline[1:])) == sorted(map(tuple, on_ground([RING])[0][1:]))
    for ring, turn in ((outline, 1), (hole, -1)):  # RFC 7946, section 3.1.6
        x, y = np.array(ring).T - np.array([[EAST], [NORTH]])
        assert np.sign((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) == turn


def test_a_world_file_is_copied(write, tmp_path):
    root = write(
        {
            "a.png": BLACK,
            "a.pgw": f"{STEP}\n0\n0\n{-STEP}\n{EAST + STEP / 2}\n{NORTH - STEP / 2}\n",
            "a.prj": 'PROJCS["x",AUTHORITY["EPSG","32616"]]',
            "a.geojson": collection(feature(on_ground([RING, HOLE]), type="car"), crs=UTM),
        }
    )
    assert open_as_is(root).labels(0).sum() == 8
    convert(root, tmp_path / "out", to="geojson", verify=True)
    placed = read_placement(tmp_path / "out/a.png")
    assert (placed.epsg, placed.affine) == (32616, (STEP, 0, EAST, 0, -STEP, NORTH))


@pytest.mark.parametrize(
    ("properties", "yaml", "names"),
    [
        ({"type": "car", "class": "tree"}, "", ("background", "tree")),
        (
            {"classification": {"name": "Tumor", "color": [1, 2, 3]}},
            "",
            ("background", "Tumor"),
        ),
        ({"category": 7}, "", ("background", "7")),
        ({"building": "yes", "class": "x"}, "label_key: building", ("background", "yes")),
        ({"osm_id": 5}, "", ("background", "polygon")),
    ],
)
def test_the_class_is_a_property(properties, yaml, names, write):
    dataset = opened(write, golden(**properties), yaml=yaml)
    assert dataset.spec.names == names
    notes = scan(dataset.root, NOTHING).notes
    assert any("name one as 'label_key'" in note for note in notes) == ("osm_id" in properties)


def test_labels_may_lie_in_a_folder_of_their_own(write):
    files = {f"images/{split}/a.png": BLACK for split in ("train", "val")}
    files["images/val/b.png"] = BLACK
    files |= {
        f"labels/{split}/a.geojson": collection(golden(label=split))
        for split in ("train", "val")
    }
    found = scan(write(files | {"labels/val/gone.geojson": collection()}), NOTHING)
    assert [(e.split, e.labels.file.parent.name) for e in found.entries] == [
        ("train", "train"),
        ("val", "val"),
    ]
    assert [path.name for path in found.lone_masks] == ["gone.geojson"]
    assert [(item.reason, item.names) for item in found.left_out] == [
        ("images without a GeoJSON file", ("images/val/b.png",))
    ]


def test_a_file_of_regions_of_interest_alone_is_not_labels(write):
    root = write({"images/a.png": BLACK, "masks/a.png": M, "rois.geojson": collection()})
    assert not recognises(root)
    assert recognises(write({"images/a.geojson": collection()}))


def test_other_geometries_and_polygons_outside_are_counted_and_ids_are_kept(write):
    far = feature([[[9, 9], [12, 9], [12, 12], [9, 9]]], label="car")
    line = feature([[0, 0], [1, 1]], "LineString", label="road")
    nowhere = {"type": "Feature", "geometry": None, "properties": None}
    shape = golden(label="car", note="x", empty="") | {"id": 5}
    dataset = opened(write, shape, far, line, nowhere)
    drawing = dataset.entries[0].labels.read()
    assert drawing.skipped == {
        "polygons outside the image": 1,
        "features of type LineString": 1,
        "features of type null": 1,
    }
    assert [(s.instance, s.attributes) for s in drawing.shapes] == [("5", {"note": "x"})] * 2
    assert dataset.spec.names == ("background", "car")


WRONG = {
    "another system": (
        {"crs": {"name": "EPSG:4326"}},
        True,
        r"a\.geojson: is in EPSG:4326, and ",
    ),
    "CRS84": ({"crs": WGS84}, True, r"EPSG:4326, and .*a\.tif is in EPSG:32616; export"),
    "degrees": (
        {},
        True,
        "is in degrees by its values, as RFC 7946 requires, and .* EPSG:32616",
    ),
    "no georeference": (
        {"crs": UTM},
        False,
        r"is in EPSG:32616, and .*png has no georeference",
    ),
    "no code": ({"crs": {"name": "local"}}, False, "crs .* is not an EPSG code"),
}


@pytest.mark.parametrize("case", WRONG)
def test_another_reference_system_is_refused_by_name(case, write):
    more, on_earth, message = WRONG[case]
    root = write({"a.geojson": collection(golden(label="car"), **more)})
    if on_earth:
        geotiff(root / "a.tif")
    else:
        write({"a.png": BLACK})
    with pytest.raises(DataError, match=message):
        open_as_is(root).labels(0)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            [feature([[[9, 9], [12, 9], [12, 12]]], label="x")],
            "none of its polygons touches .*png",
        ),
        (
            [golden(label="car"), golden()],
            r"features\.1: has no property 'label'; write its class",
        ),
        ([feature([[[1], [2]]], label="x")], r"features\.0: coordinates: .*at least 2"),
        ([feature([[["a", 1]]], label="x")], r"features\.0: coordinates: .*got 'a'"),
        ([feature(RING, label="x")], r"features\.0: coordinates"),
        ([feature([[[0, 0], [1e9, 0], [1, 1]]], label="x")], "a corner lies 1e.09 px away"),
        ([feature([[[0, 0], [float("nan"), 0], [1, 1]]], label="x")], "finite"),
        ([feature(json.loads("[" * 90 + "]" * 90), label="x")], r"features\.0: coordinates"),
    ],
)
def test_what_is_wrong_is_named(features, message, write):
    with pytest.raises(DataError, match=message):
        opened(write, *features).labels(0)


def test_a_file_that_is_not_a_collection_is_refused(write):
    with pytest.raises(DataError, match=r"a\.geojson: type: .*FeatureCollection"):
        scan(
            write({"a.png": BLACK, "a.geojson": '{"type": "Feature", "features": []}'}), NOTHING
        )
    with pytest.raises(DataError, match="no image here has a GeoJSON file of its name"):
        scan(write({"c/d.geojson": "{}"}) / "c", NOTHING)


def test_damaged_files_are_read_or_refused_soon(fuzz, write):
    text = collection(golden(label="car") | {"id": 1}, feature([RING], **{"class": "tree"}))
    root = write({"a.png": BLACK})

    def read(damaged):
        (root / "a.geojson").write_bytes(damaged)
        for entry in scan(root, NOTHING).entries:
            entry.labels.read().fill_shapes()

    fuzz(text.encode(), read)


@pytest.mark.real
@pytest.mark.parametrize(
    ("image", "labels", "count"),
    [
        ("sample_geotiff.tif", "geotiff_labels.geojson", 43),
        ("sample_geotiff_custom_proj.tif", "geotiff_custom_proj_labels.geojson", 19),
    ],
)
def test_real_footprints_are_filled_where_they_lie(image, labels, count, real_data, tmp_path):
    """Compared with the rule of regions of interest, which is a separate implementation."""
    from maskwright.measurement.ground.roi import fill_rings

    folder = real_data / "formats/geotiff"
    shutil.copy(folder / image, tmp_path / "a.tif")
    shutil.copy(folder / labels, tmp_path / "a.geojson")
    (entry,) = scan(tmp_path, NOTHING).entries
    drawing = entry.labels.read()
    placed = read_placement(tmp_path / "a.tif")
    (a, _, c, _, e, f), expected_HW = placed.affine, np.zeros(drawing.size_HW, bool)
    features = json.loads((folder / labels).read_text())["features"]
    for found in features:
        rings = [
            (np.array(ring)[:, :2] - (c, f)) / (a, e)
            for ring in found["geometry"]["coordinates"]
        ]
        expected_HW |= fill_rings([r.round(6) for r in rings], drawing.size_HW)
    outside = drawing.skipped.get("polygons outside the image", 0)
    assert len(drawing.shapes) + outside == len(features) == count
    painted_HW = np.zeros(drawing.size_HW, bool)
    for crop in drawing.fill_shapes():
        painted_HW[crop.slices] |= crop.inside_hw
    np.testing.assert_array_equal(painted_HW, expected_HW)
    assert 1000 < painted_HW.sum() < painted_HW.size


@pytest.mark.real
def test_real_footprints_in_degrees_over_metres_are_refused(real_data, tmp_path):
    folder = real_data / "formats/geotiff"
    shutil.copy(folder / "sample_geotiff.tif", tmp_path / "a.tif")
    shutil.copy(folder / "gt_epsg4326.json", tmp_path / "a.geojson")
    with pytest.raises(DataError, match=r"is in EPSG:4326, and .*a\.tif is in EPSG:32616"):
        scan(tmp_path, NOTHING).entries[0].labels.read()


@pytest.mark.real
def test_damaged_real_footprints_are_read_or_refused_soon(fuzz, real_data, tmp_path):
    folder = real_data / "formats/geotiff"
    shutil.copy(folder / "sample_geotiff.tif", tmp_path / "a.tif")

    def read(damaged):
        (tmp_path / "a.geojson").write_bytes(damaged)
        for entry in scan(tmp_path, NOTHING).entries:
            entry.labels.read().fill_shapes()

    fuzz((folder / "geotiff_labels.geojson").read_bytes(), read)


@pytest.mark.real
def test_damaged_geotiffs_are_placed_or_refused_soon(fuzz, real_data, tmp_path):
    with tifffile.TiffFile(real_data / "formats/geotiff/sample_geotiff.tif") as file:
        tags = [
            (code, "d", len(tag.value), tag.value, False)
            for code in (33550, 33922)
            for tag in (file.pages[0].tags[code],)
        ]
        keys = file.pages[0].tags[34735].value
    tags.append((34735, "H", len(keys), keys, False))
    tifffile.imwrite(
        tmp_path / "a.tif", BLACK, extratags=tags, metadata=None, photometric="rgb"
    )

    def read(damaged):
        (tmp_path / "b.tif").write_bytes(damaged)
        if (placed := read_placement(tmp_path / "b.tif")) is not None:
            placed.to_pixels(np.zeros((1, 2)))

    fuzz((tmp_path / "a.tif").read_bytes(), read)
