from contextlib import suppress

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.georef.geodesic import metric_size
from maskwright.data.georef.placement import read_placement
from maskwright.data.georef.units import DEGREE

from .geotiffs import FOOT, US_FOOT, write_geotiff, write_transformed

MAP = np.zeros((4, 6), np.uint8)


def test_the_usual_geotiff(tmp_path):
    write_geotiff(tmp_path / "a.tif", MAP, scale=(0.5, 0.25))
    found = read_placement(tmp_path / "a.tif")
    assert found.affine == (0.5, 0.0, 733601.0, 0.0, -0.25, 3725139.0)
    assert (found.epsg, found.unit.metres, found.system) == (32616, 1.0, "EPSG:32616")
    assert metric_size(found).pixel_HW == (0.25, 0.5)


def test_a_point_raster_has_its_tie_at_the_middle_of_the_first_pixel(tmp_path):
    write_geotiff(tmp_path / "a.tif", MAP, scale=(0.5, 0.5), tie=(100.0, 200.0), raster=2)
    found = read_placement(tmp_path / "a.tif")
    assert found.to_ground([[0.5, 0.5]]).tolist() == [[100.0, 200.0]]


def test_a_transformation_matrix_may_turn_the_map(tmp_path):
    affine = (0.3, 0.4, 10.0, 0.4, -0.3, 20.0)
    write_transformed(tmp_path / "a.tif", MAP, affine)
    found = read_placement(tmp_path / "a.tif")
    assert found.affine == affine
    assert metric_size(found).pixel_HW == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("unit", "metres"), [(FOOT, 0.3048), (US_FOOT, 1200 / 3937), (None, 1)]
)
def test_the_unit_is_that_of_the_file_and_known_for_utm(tmp_path, unit, metres):
    write_geotiff(tmp_path / "a.tif", MAP, unit=unit)
    assert read_placement(tmp_path / "a.tif").unit.metres == metres


def test_a_file_without_a_georeference_has_none(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", MAP)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert read_placement(tmp_path / "a.tif") is None
    assert read_placement(tmp_path / "a.png") is None


def test_an_affine_without_keys_places_the_map_in_an_unknown_unit(tmp_path):
    import tifffile

    scale = (33550, 12, 3, (0.5, 0.25, 0.0), True)
    tie = (33922, 12, 6, (0.0, 0.0, 0.0, 700.0, 900.0, 0.0), True)
    matrix = (0.5, 0, 0, 700, 0, -0.25, 0, 900, 0, 0, 0, 0, 0, 0, 0, 1)
    for name, tags in (("scale", [scale, tie]), ("matrix", [(34264, 12, 16, matrix, True)])):
        tifffile.imwrite(tmp_path / f"{name}.tif", MAP, extratags=tags)
        found = read_placement(tmp_path / f"{name}.tif")
        assert (found.affine, found.epsg) == ((0.5, 0.0, 700.0, 0.0, -0.25, 900.0), None)
        with pytest.raises(
            DataError, match=f"{name}.tif: names no reference system.*mm-per-px"
        ):
            metric_size(found)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"model": 2, "epsg": None}, "lies in degrees.*UTM zone.*--mm-per-px"),
        ({"model": 3, "epsg": None}, "geocentric"),
        ({"epsg": 3857}, "Web Mercator"),
        ({"epsg": 2263, "unit": None}, "does not name the unit of its coordinates.*EPSG:2263"),
        ({"unit": 9999}, "GeoKey 3076 9999"),
    ],
)
def test_what_has_no_size_in_metres_is_refused_with_the_way_out(tmp_path, choices, message):
    write_geotiff(tmp_path / "a.tif", MAP, **choices)
    placement = read_placement(tmp_path / "a.tif")
    assert placement.unit.metres is None
    with pytest.raises(DataError, match=rf"a\.tif.*{message}"):
        metric_size(placement)


def test_a_damaged_file_is_named_and_never_a_traceback(tmp_path):
    write_geotiff(tmp_path / "a.tif", MAP)
    content = (tmp_path / "a.tif").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content[: rng.integers(8, len(content))])
        for place in rng.integers(4, len(damaged), 6):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.tif").write_bytes(damaged)
        with suppress(DataError):  # any other error is a bug
            read_placement(tmp_path / "b.tif")
    (tmp_path / "b.tif").write_bytes(content[:12])
    with pytest.raises(DataError, match=r"b\.tif: the tags of the TIFF are damaged"):
        read_placement(tmp_path / "b.tif")


@pytest.mark.real
def test_real_geotiffs(real_data):
    folder = real_data / "formats/geotiff"
    found = read_placement(folder / "sample_geotiff.tif")
    assert (found.epsg, metric_size(found).pixel_HW) == (32616, (0.5, 0.5))
    assert found.to_ground([[0, 0]]).tolist() == [[733601.0, 3725139.0]]
    assert metric_size(read_placement(folder / "sample_geotiff_custom_proj.tif")).pixel_HW == (
        30,
        30,
    )
    assert read_placement(folder / "sample_road_raster_mask.tif").unit == DEGREE
