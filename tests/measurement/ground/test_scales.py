import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.data.mapfiles import find_maps
from maskwright.data.pixels.imageref import ImageRef
from maskwright.measurement.ground.scales import find_scales

from ...data.georef.geotiffs import write_geotiff


@pytest.fixture
def two(tmp_path):
    """Two georeferenced maps of half a metre and a metre a pixel."""
    files = {key: ImageRef(tmp_path / f"{key}.tif") for key in "ab"}
    for image, size in zip(files.values(), (0.5, 1.0), strict=True):
        write_geotiff(image.file, np.zeros((4, 4)), scale=(size, size))
    return files


def test_each_map_has_its_own_scale_in_one_unit(two):
    scales = find_scales(two, {}, None)
    assert (scales.unit, scales.area_unit, scales.epsg) == ("m", "m2", 32616)
    assert [scales.of_map(key).pixel_area for key in two] == [0.25, 1.0]
    assert scales.origin == "georeference, EPSG:32616"


def test_a_given_size_takes_precedence_over_a_georeference(two):
    scales = find_scales(two, {}, 0.05)
    assert (scales.unit, scales.of_map("a").pixel_HW) == ("mm", (0.05, 0.05))
    assert scales.epsg is None
    assert scales.origin == "given: 0.05 mm per pixel (--mm-per-px)"


def test_a_map_takes_the_georeference_of_its_photograph(two, tmp_path):
    maps = {key: ImageRef(tmp_path / f"{key}.png") for key in two}
    for image in maps.values():
        image.file.write_bytes(b"\x89PNG")
    assert find_scales(maps, two, None).of_map("a").pixel_area == 0.25
    assert find_scales(maps, {}, None).unit == "px"


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_a_given_size_that_is_not_above_zero_is_refused(two, size):
    with pytest.raises(ConfigError, match=r"--mm-per-px .*: give a number above 0"):
        find_scales(two, {}, size)


def test_a_series_in_part_without_a_georeference_is_refused(two, tmp_path):
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"c\.png: has no georeference, as 1 of 3 maps"):
        find_scales(two | {"c": ImageRef(tmp_path / "c.png")}, {}, None)


def test_a_series_in_two_systems_is_refused(two):
    write_geotiff(two["b"].file, np.zeros((4, 4)), epsg=32617)
    with pytest.raises(DataError, match=r"b\.tif: lies in EPSG:32617.*a\.tif in EPSG:32616"):
        find_scales(two, {}, None)


def test_the_spacing_of_medical_headers_gives_mm_where_all_state_it(tmp_path):
    nib = pytest.importorskip("nibabel")
    for name, unit in (("a", "mm"), ("b", "mm"), ("c", "unknown")):
        image = nib.Nifti1Image(np.zeros((5, 4, 2), np.uint8), np.diag([0.25, 0.5, 3, 1]))
        image.header.set_xyzt_units(unit)
        nib.save(image, tmp_path / f"{name}.nii")
    files = find_maps(tmp_path)
    said = {key: path for key, path in files.items() if not key.startswith("c")}
    scales = find_scales(said, {}, None)
    assert (scales.unit, scales.area_unit) == ("mm", "mm2")
    assert scales.of_map("a.nii/0001").pixel_HW == (0.5, 0.25)
    assert scales.origin == "spacing in the headers of the images, in mm"
    assert find_scales(said, {}, 2.0).of_map("a.nii/0001").pixel_HW == (2.0, 2.0)
    scales = find_scales(files, {}, None)
    assert (scales.unit, scales.of_map("c.nii/0001").pixel_HW) == ("mm", (0.5, 0.25))
    assert scales.origin.endswith("in mm (2 of 6 state no unit: taken as mm)")
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "d.png")
    scales = find_scales(find_maps(tmp_path), {}, None)
    assert (scales.unit, scales.of_map("a.nii/0001").pixel_HW) == ("px", (1.0, 1.0))
    assert scales.origin == "6 of 7 headers state a spacing: all is in pixels"


def test_maps_without_a_spacing_take_that_of_their_photographs(tmp_path):
    nib = pytest.importorskip("nibabel")
    image = nib.Nifti1Image(np.zeros((5, 4, 2), np.uint8), np.diag([0.25, 0.5, 3, 1]))
    image.header.set_xyzt_units("mm")
    (tmp_path / "images").mkdir()
    nib.save(image, tmp_path / "images/a.nii.gz")
    (tmp_path / "classes/a.nii.gz").mkdir(parents=True)
    for name in ("0000", "0001"):
        Image.fromarray(np.zeros((4, 5), np.uint8)).save(
            tmp_path / f"classes/a.nii.gz/{name}.png"
        )
    maps, photographs = find_maps(tmp_path / "classes"), find_maps(tmp_path / "images")
    assert list(maps) == list(photographs) == ["a.nii.gz/0000", "a.nii.gz/0001"]
    assert find_scales(maps, photographs, None).of_map("a.nii.gz/0000").pixel_HW == (0.5, 0.25)
