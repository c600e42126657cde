"""One layer over many tiles: classes, systems and faults; rasterio fills the same pixels."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.check.audit import audit
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is

geopandas = pytest.importorskip("geopandas")
rasterio = pytest.importorskip("rasterio")
shapely = pytest.importorskip("shapely")

WEST, NORTH = 5e5, 5e6


def write_tile(path, *, column=0, epsg=32633, size=(50, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = rasterio.Affine(10, 0, WEST + 600 * column, 0, -10, NORTH)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": f"EPSG:{epsg}"}
    with rasterio.open(
        path, "w", height=size[0], width=size[1], transform=transform, **profile
    ) as raster:
        raster.write(np.random.default_rng(column).integers(0, 256, (1, *size), np.uint8))
    return path


def draw_blobs(num):
    """Polygons of many corners, with holes, over three tiles, which do not touch each other."""
    rng = np.random.default_rng(1)
    shapes = []
    for index in range(num):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 40))
        reach = rng.uniform(40, 90, 40)
        center = WEST + 200 + 200 * index, NORTH - 250
        outline = np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]
        shapes.append(shapely.Polygon(outline + center, [outline / 4 + center]))
    return shapes


def write_layer(path, shapes, *, crs=32633, **columns):
    layer = geopandas.GeoDataFrame(columns, geometry=shapes, crs=32633)
    layer.to_crs(crs).to_file(path)


@pytest.fixture
def folder(tmp_path):
    for column, split in enumerate(("train", "train", "val")):
        write_tile(tmp_path / f"images/{split}/t{column}.tif", column=column)
    return tmp_path


@pytest.mark.parametrize(
    ("suffix", "crs"), [("gpkg", 32633), ("gpkg", 3857), ("shp", 3857), ("geojson", 4326)]
)
def test_pixels_are_those_that_rasterio_burns(folder, suffix, crs):
    from rasterio.features import rasterize

    shapes = draw_blobs(8)
    write_layer(folder / f"fields.{suffix}", shapes, crs=crs, label=["field"] * 8)
    dataset = open_as_is(folder)
    assert (dataset.format, dataset.spec.names) == ("vector", ("background", "field"))
    for index, entry in enumerate(dataset.entries):
        with rasterio.open(entry.image.file) as raster:
            burnt_HW = rasterize(shapes, raster.shape, transform=raster.transform)
        found_HW = dataset.labels(index)
        assert found_HW.sum() > 100
        # A centre that lies on an edge, up to the rounding of another system, may turn.
        assert np.count_nonzero(found_HW != burnt_HW) <= (0 if crs == 32633 else 1)


def test_the_column_is_chosen_by_name_and_nulls_are_ignored_and_counted(folder):
    columns = {"landuse": ["wood", None, "field"], "note": ["", "b", "c"]}
    write_layer(folder / "a.gpkg", draw_blobs(3), **columns)
    (folder / "dataset.yaml").write_text("label_key: use\n")
    with pytest.raises(DataError, match=r"has no column 'use', it has landuse, note"):
        open_as_is(folder)
    (folder / "dataset.yaml").write_text("label_key: landuse\n")
    dataset = open_as_is(folder)
    assert dataset.spec.names == ("background", "field", "wood")
    assert "1 polygon without a value of 'landuse': ignored" in dataset.notes
    assert set(np.unique(dataset.labels(0))) == {0, 1, 2, IGNORE}


def test_without_a_class_all_polygons_are_one_and_a_note_lists_the_columns(folder):
    write_layer(folder / "a.gpkg", draw_blobs(3), owner=list("abc"))
    dataset = open_as_is(folder)
    assert dataset.spec.names == ("background", "polygon")
    assert "its columns are owner: name one as 'label_key'" in " ".join(dataset.notes)


def test_classes_that_are_not_listed_are_counted(folder):
    write_layer(folder / "a.gpkg", draw_blobs(3), label=list("aab"))
    (folder / "dataset.yaml").write_text(
        "format: vector\nclasses: [{name: ground, raw: ['(undrawn)']}, {name: a, raw: [a]}]\n"
        "codec: {pixels: name}\n"
    )
    dataset = open_as_is(folder)
    assert "1 polygon of classes that dataset.yaml does not list: b" in dataset.notes
    with pytest.raises(DataError, match="'b'"):
        dataset.labels(0)


def test_an_invalid_polygon_is_named_and_filled_even_odd(folder):
    bow = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    bow = shapely.transform(bow, lambda corners: np.add(corners, (WEST + 100, NORTH - 300)))
    write_layer(folder / "a.gpkg", [bow, *draw_blobs(8)[4:]])
    dataset = open_as_is(folder)
    words = "1 invalid polygon, filled by the even-odd rule (1: Self-intersection"
    assert words in " ".join(dataset.notes)
    assert dataset.labels(0)[:, :25].sum() == 50  # half of 10 x 10 px


def test_points_are_skipped_and_tiles_outside_of_the_layer_left_out(folder):
    write_tile(folder / "images/train/far.tif", column=40)
    shapes = [*draw_blobs(8), shapely.Point(WEST, NORTH)]
    write_layer(folder / "a.gpkg", shapes, label=["x"] * 9)
    dataset = open_as_is(folder)
    assert "1 features of type point skipped" in dataset.notes
    assert [item.names for item in dataset.left_out] == [("images/train/far.tif",)]
    assert len(dataset) == 3


def test_tiles_of_two_zones_share_a_layer_and_polygons_reach_past_them(folder):
    around = shapely.box(WEST - 1e5, NORTH - 1e5, WEST + 6e5, NORTH + 1e5)
    write_layer(folder / "a.gpkg", [around], label=["land"])
    write_tile(folder / "images/val/other.tif", epsg=32634)
    dataset = open_as_is(folder)
    assert [np.unique(dataset.labels(index)).tolist() for index in range(4)] == [[1]] * 4
    found = audit(folder)  # a polygon that goes on in the next tile is nothing to mend
    assert "outside-image" not in {finding.code for finding in found.findings}


def test_check_and_convert_take_it(folder, tmp_path_factory):
    write_layer(folder / "a.gpkg", draw_blobs(8), label=["x"] * 8)
    found = audit(folder)
    assert not found.harmful, found.to_text()
    assert convert(folder, tmp_path_factory.mktemp("o") / "coco", to="coco").num_images == 3


def test_several_layers_and_damaged_files_are_named(folder):
    for layer in ("roads", "woods"):
        frame = geopandas.GeoDataFrame({"label": ["x", "y"]}, geometry=draw_blobs(2), crs=32633)
        frame.to_file(folder / "a.gpkg", layer=layer)
    with pytest.raises(DataError, match=r"has 2 layers of polygons, roads, woods; name one in"):
        open_as_is(folder)
    (folder / "dataset.yaml").write_text("format: vector\nmasks: a.gpkg/woods\n")
    assert open_as_is(folder).spec.names == ("background", "x", "y")
    (folder / "a.gpkg").write_bytes(b"PK not a package")
    with pytest.raises(DataError, match=r"a\.gpkg: the vector file is damaged"):
        open_as_is(folder)


def test_an_image_without_a_place_is_named(folder):
    write_layer(folder / "a.gpkg", draw_blobs(8), label=["x"] * 8)
    Image.new("L", (9, 9)).save(folder / "images/train/photo.png")
    dataset = open_as_is(folder)
    with pytest.raises(DataError, match=r"photo\.png: has no georeference, and .*a\.gpkg"):
        dataset.labels(dataset.keys.index("photo"))
