import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.core.errors import DataError
from maskwright.data.georef.geodesic import metric_size
from maskwright.data.georef.placement import Placement
from maskwright.data.georef.units import METRE
from maskwright.measurement.ground.roi import fill_rings, read_rois

SQUARE = [[1, 1], [5, 1], [5, 4], [1, 4], [1, 1]]
HOLE = [[2, 2], [3, 2], [3, 3], [2, 3], [2, 2]]


def write(path, *features, **members):
    document = {"type": "FeatureCollection", "features": list(features), **members}
    path.write_text(json.dumps(document))
    return path


def feature(coordinates, kind="Polygon", **properties):
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def test_a_square_with_a_hole_pixel_by_pixel(tmp_path):
    path = write(tmp_path / "a.geojson", feature([SQUARE, HOLE], name="plot"))
    (roi,) = read_rois(path).regions
    assert roi.name == "plot"
    assert roi.mask((5, 6), None).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 0, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-5, 25), st.floats(-5, 20)), min_size=3, max_size=8, unique=True
    )
)
def test_a_pixel_is_inside_when_its_centre_is(points):
    ring = np.array(points, np.float64)
    inside_HW = fill_rings([ring], (15, 20))
    for (row, column), inside in np.ndenumerate(inside_HW):
        x, y, crossings = column + 0.5, row + 0.5, 0
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if (y0 <= y) != (y1 <= y):
                crossings += x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x
        assert inside == crossings % 2


def test_neighbours_share_no_pixel_and_leave_none():
    middle = np.array([10.5, 7.5])
    rim = np.array([[-1, -1], [21, -1], [21, 16], [-1, 16]], np.float64)
    sides = zip(rim, np.roll(rim, -1, axis=0), strict=True)
    parts = [fill_rings([np.array([middle, a, b])], (15, 20)) for a, b in sides]
    assert (np.sum(parts, axis=0) == 1).all()


def test_the_area_of_a_disc_is_that_of_opencv_within_its_border():
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = 50 + 30.2 * np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    inside_HW = fill_rings([ring], (100, 100))
    assert inside_HW.sum() == pytest.approx(np.pi * 30.2**2, rel=0.005)
    painted_HW = np.zeros((100, 100), np.uint8)
    cv2.fillPoly(painted_HW, [np.rint(ring - 0.5).astype(np.int32)], 1)
    assert (inside_HW != painted_HW.astype(bool)).sum() < 2 * np.pi * 30.2


def test_regions_of_one_name_are_one_and_the_nameless_are_counted(tmp_path):
    path = write(
        tmp_path / "a.geojson",
        feature([SQUARE], name="bed"),
        feature([SQUARE]),
        feature([[HOLE], [SQUARE]], "MultiPolygon", name="bed"),
    )
    rois = read_rois(path)
    assert rois.names == ("bed", "region_2")
    assert len(rois.regions[0].polygons) == 3


def test_ground_coordinates_go_through_the_georeference(tmp_path):
    placed = Placement(
        affine=(0.5, 0.0, 100.0, 0.0, -0.5, 200.0), epsg=32616, unit=METRE, origin=Path("a.tif")
    )
    ring = [[101, 199.5], [102, 199.5], [102, 199], [101, 199]]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}
    rois = read_rois(write(tmp_path / "a.geojson", feature([ring]), crs=crs))
    assert rois.epsg == 32616
    rois.require_fit(32616)
    assert np.argwhere(rois.regions[0].mask((4, 6), placed)).tolist() == [[1, 2], [1, 3]]


def test_polygons_in_another_system_than_the_maps_are_refused(tmp_path):
    crs = {"type": "name", "properties": {"name": "EPSG:32617"}}
    rois = read_rois(write(tmp_path / "a.geojson", feature([[[9e5, 0]] * 3]), crs=crs))
    with pytest.raises(DataError, match="is in EPSG:32617, the maps are in EPSG:32616; export"):
        rois.require_fit(32616)
    rois = read_rois(write(tmp_path / "a.geojson", feature([[[8.5, 47.1]] * 3])))
    with pytest.raises(DataError, match="is in what look like degrees"):
        rois.require_fit(32616)
    rois.require_fit(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not GeoJSON with polygons; its 'type' is None"),
        ('{"type": "Topology"}', "its 'type' is 'Topology', expected 'FeatureCollection'"),
        ('{"type": "FeatureCollection", "features": []}', "has no polygon"),
        ('{"type": "LineString", "coordinates": []}', "'LineString'"),
        ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}', "a ring of 2 points"),
        ('{"type": "Polygon", "coordinates": [[[0, 0], [1, "x"], [1, 1]]]}', "bad coordinates"),
        (
            '{"type": "Polygon", "coordinates": [[[0, 0], [1, NaN], [1, 1]]]}',
            "NaN is not a number",
        ),
        ('{"type": "Polygon", "coordinates": null}', "feature 1: bad coordinates"),
        ('{"type": "FeatureCollection", "features": [3]}', "feature 1 is None"),
    ],
)
def test_a_file_without_polygons_is_refused(tmp_path, text, message):
    (tmp_path / "a.geojson").write_text(text)
    with pytest.raises(DataError, match=message):
        read_rois(tmp_path / "a.geojson")


@pytest.mark.real
def test_real_footprints_have_the_area_that_their_file_states(real_data, tmp_path):
    document = json.loads((real_data / "formats/geotiff/geotiff_labels.geojson").read_text())
    stated = [feature.pop("properties") for feature in document["features"]]
    (tmp_path / "a.geojson").write_text(json.dumps(document))
    rois = read_rois(tmp_path / "a.geojson")
    rois.require_fit(32616)
    placed = Placement(
        affine=(0.5, 0.0, 733601.0, 0.0, -0.5, 3725139.0),
        epsg=32616,
        unit=METRE,
        origin=Path("sample_geotiff.tif"),
    )
    num_compared = 0
    for roi, facts in zip(rois.regions, stated, strict=True):
        if facts["truncated"] == 0 and facts["origarea"] > 50:
            found_m2 = roi.mask((900, 900), placed).sum() * metric_size(placed).pixel_area
            assert found_m2 == pytest.approx(facts["origarea"], rel=0.05)
            num_compared += 1
    assert num_compared > 20
