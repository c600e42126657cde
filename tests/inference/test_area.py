"""`predict --aoi`: pixels outside of polygons are IGNORE, tiles outside are not run."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import DataError, OutputError
from maskwright.core.results import WriteMode
from maskwright.inference.area import AreaOfInterest
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.tiling import Tiling

from .test_resumed_bands import ONE_BY_ONE, PLACE, Failing, draw

pyproj = pytest.importorskip("pyproj")
pytest.importorskip("pyogrio")

RING = [[200.0, 10.0], [310.0, 10.0], [250.0, 150.5], [200.0, 10.0]]
"""A triangle in pixels, x and y."""


def write_area(path, *rings, crs=None):
    shapes = ({"type": "Polygon", "coordinates": [ring]} for ring in rings)
    features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes]
    document = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(document | ({"crs": crs} if crs else {})))
    return path


def to_ground(ring):
    return [[500_000 + 0.5 * x, 4_600_000 - 0.5 * y] for x, y in ring]


def inside(size_HW):
    """Of the triangle, by the signs of three cross products at the centres of pixels."""
    y, x = np.mgrid[: size_HW[0], : size_HW[1]] + 0.5
    sides = [
        (bx - ax) * (y - ay) - (by - ay) * (x - ax) for (ax, ay), (bx, by) in pairwise(RING)
    ]
    return np.all([side > 0 for side in sides], axis=0)


@pytest.fixture
def model(painted_bundle, tmp_path):
    return open_model(painted_bundle(tmp_path / "bundle").root)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("tiling", [ONE_BY_ONE, Tiling(tile="off")])
@pytest.mark.parametrize("kind", ["pixels", "ground", "no system", "crs", "degrees"])
def test_pixels_outside_of_the_area_are_ignore(model, tmp_path, tiling, kind):
    image = draw()
    if kind == "pixels":
        Image.fromarray(image).save(tmp_path / "a.png")
        path, ring, crs = tmp_path / "a.png", RING, None
    else:
        place = PLACE[:2] if kind == "no system" else PLACE
        tifffile.imwrite(tmp_path / "a.tif", image, tile=(64, 64), extratags=place)
        path, ring, crs = tmp_path / "a.tif", to_ground(RING), None
        if kind == "crs":
            crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
        if kind == "degrees":
            to_degrees = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
            ring = [list(to_degrees.transform(*point)) for point in ring]
    area = write_area(tmp_path / "area.geojson", ring, crs=crs)
    engine = Failing(model.engine, 0, None)
    cut = replace(model, engine=engine, tiling=tiling)
    predict(cut, [path], tmp_path / "out", aoi=area)
    found = read(tmp_path / "out/classes" / path.name)
    expected = np.where(inside(image.shape[:2]), image[..., 0], 255)
    off = found != expected
    assert off.sum() <= (3 if kind == "degrees" else 0)
    assert engine.calls == (6 if tiling is ONE_BY_ONE else 1)


def test_an_image_beside_the_area_is_all_ignore_and_runs_no_tile(model, tmp_path):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    area = write_area(
        tmp_path / "area.geojson", [[900, 900], [990, 900], [900, 990], [900, 900]]
    )
    engine = Failing(model.engine, 0, None)
    summary = predict(
        replace(model, engine=engine, tiling=ONE_BY_ONE),
        [tmp_path / "a.png"],
        tmp_path / "out",
        aoi=area,
    )
    assert engine.calls == 0
    assert summary.pixels_C.sum() == 0
    assert (read(tmp_path / "out/classes/a.png") == 255).all()
    assert any("1 image lies outside of the area" in remark for remark in summary.remarks)


def test_another_area_cannot_resume_a_prediction(model, tmp_path):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    area = write_area(tmp_path / "area.geojson", RING)
    failing = Failing(model.engine, 3, KeyboardInterrupt())
    cut = replace(model, tiling=ONE_BY_ONE)
    with pytest.raises(KeyboardInterrupt):
        predict(replace(cut, engine=failing), [tmp_path / "a.png"], tmp_path / "out", aoi=area)
    write_area(area, [[0, 0], [9, 0], [9, 9], [0, 0]])
    with pytest.raises(OutputError, match="begun with other options or inputs"):
        predict(
            cut, [tmp_path / "a.png"], tmp_path / "out", aoi=area, mode=WriteMode(resume=True)
        )


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_an_area_in_a_named_system_is_refused_for_an_image_without_one(model, tmp_path, name):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", draw(), extratags=PLACE[:2])
    system = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    area = write_area(tmp_path / "area.geojson", to_ground(RING), crs=system)
    message = rf"{name}: names no EPSG code, and the area of .*area\.geojson is in EPSG:32633"
    with pytest.raises(DataError, match=message):
        predict(model, [tmp_path / name], tmp_path / "out", aoi=area)
    assert not (tmp_path / "out").exists()


def test_what_is_no_area_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no\.geojson: no such file; --aoi takes"):
        AreaOfInterest.open(tmp_path / "no.geojson")
    (tmp_path / "bad.geojson").write_text("[]")
    with pytest.raises(DataError, match=r"bad\.geojson"):
        AreaOfInterest.open(tmp_path / "bad.geojson")
