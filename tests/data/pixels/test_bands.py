"""Bands of one scene: files of a band each, files that name their bands, derived bands."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.pixels.bands import join_files
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image
from maskwright.inference.inputs import find_images

rasterio = pytest.importorskip("rasterio")

RNG = np.random.default_rng(0)


def write(path, plane_HW, *, pixel=10.0, east=0.0, names=(), dtype="uint16", **options):
    planes = np.atleast_3d(plane_HW.T).T.astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = rasterio.Affine(pixel, 0, 5e5 + east, 0, -pixel, 5e6)
    profile = {"driver": "GTiff", "crs": "EPSG:32633", "transform": transform, "dtype": dtype}
    count, height, width = planes.shape
    with rasterio.open(
        path, "w", count=count, height=height, width=width, **profile, **options
    ) as raster:
        raster.write(planes)
        for index, name in enumerate(names, start=1):
            raster.set_band_description(index, name)
    return path


def draw(size=(40, 60)):
    return RNG.integers(1, 5000, size)


def join(folder, *bands):
    return join_files(sorted(folder.rglob("*.tif")), bands)


def test_files_of_one_scene_are_the_channels_of_one_image(tmp_path):
    red, near, coarse = draw(), draw(), draw((20, 30))
    write(tmp_path / "T33_20240501_B04.tif", red)
    write(tmp_path / "T33_20240501_B08.tif", near)
    write(tmp_path / "T33_20240501_B05.tif", coarse, pixel=20.0)
    write(tmp_path / "T33_20240501_B01.tif", draw())
    (image,) = join(tmp_path, "B08", "B04", "B05", "NDVI", "NDRE")
    assert str(image) == str(tmp_path / "T33_20240501.tif")
    opened = open_image(image)
    image_HWC, valid_HW = opened.read_data()
    assert opened.kind == (5, "float32")
    assert valid_HW is None
    repeated = coarse.repeat(2, 0).repeat(2, 1)
    for index, band in enumerate((near, red, repeated)):
        np.testing.assert_array_equal(image_HWC[..., index], band)
    np.testing.assert_allclose(image_HWC[..., 3], (near - red) / (near + red), rtol=1e-5)
    edge = (near - repeated) / (near + repeated)
    np.testing.assert_allclose(image_HWC[..., 4], edge, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(opened.read(np.s_[3:9, 5:]), image_HWC[3:9, 5:])
    assert opened.placement.affine[0] == 10.0
    assert open_image(replace(image, bands=("B04",))).read().dtype == np.uint16


def test_folders_of_sentinel_2_and_of_landsat_are_understood(tmp_path):
    for metres, size in ((10, (40, 60)), (20, (20, 30))):
        place = tmp_path / f"s2/R{metres}m"
        write(place / f"T33UUP_20240501_B02_{metres}m.tif", draw(size), pixel=float(metres))
    write(tmp_path / "s2/R20m/T33UUP_20240501_B05_20m.tif", draw((20, 30)), pixel=20.0)
    (image,) = join(tmp_path / "s2", "B02", "B05")
    assert [file.name for file in (image.file, *image.others)] == [
        "T33UUP_20240501_B02_10m.tif",
        "T33UUP_20240501_B05_20m.tif",
    ]
    assert open_image(image).size_HW == (40, 60)
    for band in ("SR_B4", "SR_B5"):
        write(tmp_path / f"l8/LC08_{band}.TIF", draw())
    (image,) = join_files(sorted((tmp_path / "l8").iterdir()), ("NDVI",))
    assert image.path.name == "LC08.tif"
    assert open_image(image).read().shape == (40, 60, 1)
    write(tmp_path / "f/scene1/B02.tif", draw())
    write(tmp_path / "f/scene1/B03.tif", draw())
    (image,) = join(tmp_path / "f", "B02", "B03")
    assert image.path == tmp_path / "f/scene1.tif"


def test_a_pixel_without_data_in_one_band_is_invalid(tmp_path):
    hole = draw((20, 30))
    hole[:3] = 0
    write(tmp_path / "a_B04.tif", draw(), nodata=0)
    write(tmp_path / "a_B05.tif", hole, pixel=20.0, nodata=0)
    (image,) = join(tmp_path, "B04", "B05")
    valid_HW = open_image(image).read_valid()
    assert not valid_HW[:6].any()
    assert valid_HW[6:].all()


def test_bands_of_a_file_that_names_them_are_chosen(tmp_path):
    planes = np.stack([draw(), draw(), draw()])
    path = write(tmp_path / "a.tif", planes, names=("B02", "B03", "B04"))
    assert open_image(path).bands == ("B02", "B03", "B04")
    image = open_image(ImageRef(path, bands=("B04", "B02")))
    np.testing.assert_array_equal(image.read(), planes[[2, 0]].transpose(1, 2, 0))
    with pytest.raises(DataError, match=r"a\.tif: has no band 'B08'.*it has b02, b03, b04"):
        open_image(ImageRef(path, bands=("B08",))).read()
    path = write(tmp_path / "b.tif", planes)
    with pytest.raises(DataError, match=r"b\.tif: has 3 channels and names no bands"):
        open_image(ImageRef(path, bands=("B04", "B02"))).read()


def test_files_of_other_ground_are_refused(tmp_path):
    write(tmp_path / "a_B04.tif", draw())
    write(tmp_path / "a_B05.tif", draw((20, 30)), pixel=20.0, east=400.0)
    (image,) = join(tmp_path, "B04", "B05")
    with pytest.raises(DataError, match=r"a_B05\.tif: does not cover the ground of a_B04\.tif"):
        open_image(image).read()


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "val"):
        for band in ("B03", "B04", "B08"):
            write(tmp_path / f"images/{split}/{split}1_{band}.tif", draw())
        (tmp_path / f"masks/{split}").mkdir(parents=True)
        mask = Image.fromarray(RNG.integers(0, 2, (40, 60)).astype(np.uint8))
        mask.save(tmp_path / f"masks/{split}/{split}1.png")
    (tmp_path / "dataset.yaml").write_text(
        "bands: [B04, B08, NDVI]\nclasses: [{name: a}, {name: b}]\n"
    )
    return tmp_path


def test_dataset_yaml_joins_bands_and_says_so(folder):
    dataset = open_dataset(folder)
    assert dataset.keys == ("train1", "val1")
    assert dataset.bands == ("B04", "B08", "NDVI")
    assert dataset[0].image_HWC.shape == (40, 60, 3)
    assert "bands of 2 images are joined from files" in " ".join(dataset.notes)
    assert dataset.with_bands(("B08",))[0].image_HWC.shape == (40, 60, 1)


def test_predict_joins_the_bands_of_its_model(folder):
    found = find_images([folder / "images"], bands=("B08", "B04"))
    assert list(found.images) == ["train/train1", "val/val1"]
    image_HWC = open_image(found.images["val/val1"]).read()
    with rasterio.open(folder / "images/val/val1_B08.tif") as raster:
        np.testing.assert_array_equal(image_HWC[..., 0], raster.read(1))


def test_a_band_that_is_not_there_is_named_beside_those_that_are(folder):
    with pytest.raises(DataError, match=r"has no band 'B09'.*it has b04, b08: add the file"):
        open_dataset(folder).with_bands(("B09",))[0]


def test_other_files_stay_images_of_their_own():
    files = [Path("a/x_B04.tif"), Path("a/x_SCL.tif"), Path("a/xy.tif"), Path("b/plate_B1.tif")]
    found = join_files(files, ("B04",))
    assert [str(one) for one in found] == ["a/x.tif", "a/xy.tif", "b/plate_B1.tif"]
