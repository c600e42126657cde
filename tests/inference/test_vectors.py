"""`predict --vectorise`: regions as polygons whose neighbours share their border."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import ConfigError
from maskwright.data.georef.geodesic import make_scale
from maskwright.data.georef.placement import read_placement
from maskwright.data.pixels.imageref import ImageRef
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.vectors import trace_polygons

from .test_resumed_bands import PLACE

shapely = pytest.importorskip("shapely")
pyogrio = pytest.importorskip("pyogrio")
pytest.importorskip("rasterio")
SIZE_HW = (120, 90)
DEGREES = (1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326)


@pytest.fixture
def model(painted_bundle, tmp_path):
    return open_model(painted_bundle(tmp_path / "bundle").root)


def draw(seed=0):
    """Blobs of the values 0 to 3, which the painted network calls classes 0 to 3."""
    noise = np.random.default_rng(seed).normal(size=(4, *SIZE_HW)).astype(np.float32)
    blobs = np.stack([cv2.GaussianBlur(plane, (0, 0), 4) for plane in noise])
    return np.repeat(blobs.argmax(axis=0).astype(np.uint8)[..., None], 3, axis=2)


def read_layer(path):
    meta, _, wkb, (names, areas) = pyogrio.raw.read(path)
    return meta, shapely.from_wkb(wkb), np.array(names), np.array(areas)


def rasterise(polygons, names, classes):
    """Which class covers the centre of each pixel, by shapely."""
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]] + 0.5
    found = np.full(SIZE_HW, 255)
    for polygon, name in zip(polygons, names, strict=True):
        found[shapely.contains_xy(polygon, x, y)] = classes.index(name)
    return found


@pytest.mark.parametrize("form", ["geojson", "gpkg"])
def test_polygons_cover_the_image_once_and_have_the_area_of_their_pixels(model, tmp_path, form):
    image = draw()
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=PLACE, photometric="rgb")
    predict(model, [tmp_path / "a.tif"], tmp_path / "out", vectorise=form)
    meta, polygons, names, areas = read_layer(tmp_path / f"out/vectors/a.{form}")
    assert meta["crs"] == "EPSG:32633"
    assert meta["fields"].tolist() == ["class", "area_m2"]
    placement = read_placement(tmp_path / "a.tif")
    in_pixels = shapely.transform(polygons, lambda p: placement.to_pixels(p).round(6))
    assert shapely.coverage_is_valid(in_pixels)
    assert shapely.is_valid(in_pixels).all()
    whole = shapely.union_all(in_pixels)
    assert whole.symmetric_difference(shapely.box(0, 0, *SIZE_HW[::-1])).area < 2
    classes = list(model.card.labels.names)
    for index, name in enumerate(classes):
        num_px = (image[..., 0] == index).sum()
        assert areas[names == name].sum() == pytest.approx(0.25 * num_px)
    labels = rasterise(in_pixels, names, classes)
    assert (labels == image[..., 0]).mean() > 0.97
    stairs, _ = trace_polygons(ImageRef(tmp_path / "out/classes/a.tif"))
    assert len(stairs) == len(polygons)
    assert shapely.get_num_coordinates(polygons).sum() < (
        0.7 * shapely.get_num_coordinates(stairs).sum()
    )


def test_areas_in_degrees_are_those_of_measure(model, tmp_path):
    place = [
        (33550, "d", 3, (0.01, 0.01, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 10.0, 60.0, 0.0), True),
        (34735, "H", len(DEGREES), DEGREES, True),
    ]
    image = draw(1)
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=place, photometric="rgb")
    predict(model, [tmp_path / "a.tif"], tmp_path / "out", vectorise="gpkg")
    _, _, names, areas = read_layer(tmp_path / "out/vectors/a.gpkg")
    scale = make_scale(read_placement(tmp_path / "a.tif"))
    expected = scale.sum_areas(image[..., 0], 4)
    for name, area in zip(model.card.labels.names, expected, strict=True):
        assert areas[names == name].sum() == pytest.approx(area, rel=1e-9)


def test_holes_are_cut_and_pixels_without_data_have_no_polygon(model, tmp_path):
    image = np.zeros((*SIZE_HW, 3), np.uint8)
    image[20:60, 20:60] = 1
    image[30:40, 30:40] = 2
    Image.fromarray(image).save(tmp_path / "a.png")
    predict(
        model, [tmp_path / "a.png"], tmp_path / "out", write=["coverage"], vectorise="geojson"
    )
    assert not (tmp_path / "out/classes").exists()
    meta, polygons, names, areas = read_layer(tmp_path / "out/vectors/a.geojson")
    assert meta["fields"].tolist() == ["class", "area_px2"]
    found = dict(zip(names.tolist(), areas.tolist(), strict=True))
    classes = model.card.labels.names
    assert found == {classes[0]: 120 * 90 - 1600, classes[1]: 1500, classes[2]: 100}
    ring = next(p for p, n in zip(polygons, names, strict=True) if n == classes[1])
    assert ring.bounds == (20, 20, 60, 60)
    assert shapely.area(polygons).tolist() == areas.tolist()

    valid = np.zeros((*SIZE_HW, 3), np.uint8) + 1
    valid[:50] = 9
    nodata = [(42113, "s", 0, "9", True)]
    tifffile.imwrite(tmp_path / "b.tif", valid, extratags=[*PLACE, *nodata], photometric="rgb")
    tifffile.imwrite(
        tmp_path / "c.tif", 0 * valid + 9, extratags=[*PLACE, *nodata], photometric="rgb"
    )
    images = [tmp_path / "b.tif", tmp_path / "c.tif"]
    predict(model, images, tmp_path / "two", vectorise="gpkg")
    _, _, _, areas = read_layer(tmp_path / "two/vectors/b.gpkg")
    assert areas.tolist() == [70 * 90 * 0.25]
    _, polygons, _, _ = read_layer(tmp_path / "two/vectors/c.gpkg")
    assert len(polygons) == 0


def test_the_same_map_gives_the_same_bytes(model, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", draw(), extratags=PLACE, photometric="rgb")
    for name in ("one", "two"):
        predict(model, [tmp_path / "a.tif"], tmp_path / name, vectorise="gpkg")
    files = [(tmp_path / name / "vectors/a.gpkg").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_another_format_is_refused_before_any_image_is_read(model, tmp_path):
    with pytest.raises(ConfigError, match="vectorise is 'shp'; choose from geojson, gpkg"):
        predict(model, [tmp_path / "no.png"], tmp_path / "out", vectorise="shp")
