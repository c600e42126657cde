import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.georef.geodesic import metric_size
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.data.georef.placement import read_placement

LINES = "0.5\n0\n0\n-0.5\n733601.25\n3725138.75\n"
UTM = (
    'PROJCS["WGS_1984_UTM_Zone_16N",GEOGCS["GCS_WGS_1984",UNIT["Degree",0.0174532925199433]],'
    'PARAMETER["scale_factor",0.9996],UNIT["{unit}",{size}]{end}]'
)


@pytest.mark.parametrize("name", ["a.pgw", "a.pngw", "a.wld", "a.PGW"])
def test_a_world_file_gives_the_middle_of_the_first_pixel(tmp_path, name):
    (tmp_path / name).write_text(LINES)
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    found = read_placement(tmp_path / "a.png")
    assert found.affine == (0.5, 0.0, 733601.0, 0.0, -0.5, 3725139.0)
    assert (metric_size(found), found.epsg) == (PixelSize("m", (0.5, 0.5)), None)
    assert found.system == f"the system of {name}"


@pytest.mark.parametrize(
    ("unit", "size", "end", "metres", "epsg"),
    [
        ("Meter", "1.0", "", 1.0, None),
        ("Foot_US", "0.3048006096012192", "", 1200 / 3937, None),
        ("metre", "1", ',AUTHORITY["EPSG","32616"]', 1.0, 32616),
    ],
)
def test_the_prj_file_says_the_unit_and_the_system(tmp_path, unit, size, end, metres, epsg):
    (tmp_path / "a.tfw").write_text(LINES)
    Image.new("L", (2, 2)).save(tmp_path / "a.tif")
    (tmp_path / "a.prj").write_text(UTM.format(unit=unit, size=size, end=end))
    found = read_placement(tmp_path / "a.tif")
    assert found.unit.metres == pytest.approx(metres)
    assert found.epsg == epsg


def test_without_a_world_file_there_is_no_georeference(tmp_path):
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    assert read_placement(tmp_path / "a.png") is None


@pytest.mark.parametrize(
    ("lines", "prj", "message"),
    [
        ("2.7e-6\n0\n0\n-2.7e-6\n-115.2\n36.1\n", None, r"a\.pgw: lies in degrees"),
        (LINES, 'GEOGCS["GCS_WGS_1984",UNIT["Degree",0.0174532925199433]]', "degrees"),
        (LINES, 'PROJCS["WGS_1984_Web_Mercator_Auxiliary_Sphere",UNIT["Meter",1]]', "Mercator"),
        ("1\n2\n3\n", None, r"a\.pgw: a world file has six numbers, got 3"),
        ("1\n0\n0\nx\n1\n1\n", None, "six numbers; could not convert string to float: 'x'"),
    ],
)
def test_what_has_no_size_in_metres_is_refused(tmp_path, lines, prj, message):
    (tmp_path / "a.pgw").write_text(lines)
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    if prj:
        (tmp_path / "a.prj").write_text(prj)
    with pytest.raises(DataError, match=message):
        metric_size(read_placement(tmp_path / "a.png"))


def test_a_prj_file_whose_unit_is_not_a_number_is_damaged(tmp_path):
    (tmp_path / "a.pgw").write_text(LINES)
    (tmp_path / "a.prj").write_text('PROJCS["x",UNIT["metre",1.2.3]]')
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: the georeference is damaged"):
        read_placement(tmp_path / "a.png")
