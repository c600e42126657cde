"""Areas on the ellipsoid, against pyproj's own and those of shapely's polygons."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.georef.geodesic import GeodesicScale, make_scale
from maskwright.data.georef.placement import Placement
from maskwright.data.georef.units import DEGREE, MERCATOR_METRE
from maskwright.measurement.figures.change import ClassChange
from maskwright.measurement.figures.coverage import Coverage
from maskwright.measurement.figures.regions import find_regions
from maskwright.measurement.ground.scales import find_scales

pyproj = pytest.importorskip("pyproj")
RNG = np.random.default_rng(8)
GEOD = pyproj.Geod(ellps="WGS84")


def in_degrees(tmp_path, side=0.01, north=60.0):
    affine = (side, 0.0, 9.0, 0.0, -side, north)
    return Placement(affine=affine, epsg=4326, unit=DEGREE, origin=tmp_path / "a.tif")


def test_the_area_of_a_region_is_that_of_its_outline_by_pyproj_and_shapely(tmp_path):
    shapely = pytest.importorskip("shapely")
    placement = in_degrees(tmp_path)
    scale = make_scale(placement)
    mask_HW = np.zeros((40, 50), np.bool_)
    mask_HW[5:30, 10:35] = True
    mask_HW[10:20, 15:25] = False  # a hole
    mask_HW[12:15, 18:21] = True  # an island in it
    total = 0.0
    for region in find_regions(mask_HW, scale):
        outer, *holes = (
            placement.to_ground(shapely.segmentize(shapely.LinearRing(ring), 1.0).coords)
            for ring in region.outline[0]
        )
        expected, _ = GEOD.geometry_area_perimeter(shapely.Polygon(outer, holes))
        assert region.area == pytest.approx(abs(expected), rel=1e-9)
        total += region.area
    coverage = Coverage.from_labels(mask_HW.astype(np.uint8), 2, scale)
    assert coverage.area_C[1] == pytest.approx(total, rel=1e-12)


def test_a_square_degree_at_60_degrees_north_made_by_hand(tmp_path):
    labels_HW = np.zeros((100, 100), np.uint8)
    area = Coverage.from_labels(labels_HW, 1, make_scale(in_degrees(tmp_path))).area_C[0]
    # the area between two parallels of an ellipsoid, in closed form
    a, e2 = 6378137.0, 0.0066943799901413165
    e = np.sqrt(e2)

    def q(latitude_deg):
        s = np.sin(np.radians(latitude_deg))
        return (1 - e2) * (s / (1 - e2 * s * s) + np.arctanh(e * s) / e)

    assert area == pytest.approx(a**2 / 2 * np.radians(1) * (q(60) - q(59)), rel=1e-7)
    assert area == pytest.approx(6.30e9, rel=0.01)


def test_change_and_regions_of_interest_sum_the_same_pixels(tmp_path):
    scale = make_scale(in_degrees(tmp_path, side=0.5, north=80.0))
    before, after = RNG.integers(0, 3, (2, 30, 20)).astype(np.uint8)
    change = ClassChange.from_maps(before, after, 3, scale)
    cover = Coverage.from_labels(after, 3, scale)
    np.testing.assert_allclose(change.area_CC.sum(axis=0), cover.area_C)
    top_HW = np.zeros((30, 20), np.bool_)
    top_HW[:10] = True
    halves = (Coverage.from_labels(after, 3, scale, m) for m in (top_HW, ~top_HW))
    np.testing.assert_allclose(sum(h.area_C for h in halves), cover.area_C)


def test_metres_of_web_mercator_are_those_on_the_ground(tmp_path):
    side = 100.0
    affine = (side, 0.0, 1_000_000.0, 0.0, -side, 6_000_000.0)
    placement = Placement(affine=affine, epsg=3857, unit=MERCATOR_METRE, origin=tmp_path / "a")
    scale = make_scale(placement)
    height, width = scale.at(0.0, 0.0).pixel_HW
    # at 47.35 degrees north a metre of the map is 0.678 m on a sphere
    assert (height, width) == (pytest.approx(67.7, abs=0.5), pytest.approx(67.9, abs=0.5))
    area = Coverage.from_labels(np.zeros((1, 1), np.uint8), 1, scale).area_C[0]
    assert area == pytest.approx(height * width, rel=1e-4)


def test_a_turned_map_in_degrees_is_refused(tmp_path):
    affine = (0.01, 0.001, 9.0, 0.001, -0.01, 60.0)
    placement = Placement(affine=affine, epsg=4326, unit=DEGREE, origin=tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif: .* turns the rows; resample the map"):
        GeodesicScale(placement)


def test_a_map_in_degrees_is_measured_in_metres_and_says_so(tmp_path):
    from PIL import Image

    from maskwright.data.mapfiles import find_maps

    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text("0.01\n0\n0\n-0.01\n9.0\n60.0\n")
    text = 'GEOGCS["WGS 84",UNIT["degree",0.01745],AUTHORITY["EPSG","4326"]]'
    (tmp_path / "a.prj").write_text(text)
    scales = find_scales(find_maps(tmp_path), {}, None)
    assert (scales.unit, scales.in_degrees) == ("m", True)
    assert scales.origin == (
        "georeference, EPSG:4326; areas and lengths in metres on its ellipsoid"
    )
