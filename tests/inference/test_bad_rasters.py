"""Rasters that are odd or wrong: a right answer, or an error that says what to do."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model

from .test_resumed_bands import ONE_BY_ONE, PLACE, draw

NODATA = (42113, "s", 0, "9", True)


@pytest.fixture
def model(painted_bundle, tmp_path):
    bundle = painted_bundle(tmp_path / "bundle").root
    return replace(open_model(bundle), tiling=ONE_BY_ONE)


def test_a_raster_without_a_reference_system_keeps_its_place(model, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", draw(), tile=(64, 64), extratags=PLACE[:2])
    predict(model, [tmp_path / "a.tif"], tmp_path / "out")
    with tifffile.TiffFile(tmp_path / "out/classes/a.tif") as file:
        page = file.pages[0]
        assert page.tags[33922].value == (0.0, 0.0, 0.0, 500_000.0, 4_600_000.0, 0.0)
        assert 34735 not in page.tags
        np.testing.assert_array_equal(page.asarray(), draw()[..., 0])


def test_a_raster_without_data_is_all_nodata(model, tmp_path):
    empty = 0 * draw() + 9
    tifffile.imwrite(tmp_path / "a.tif", empty, tile=(64, 64), extratags=[*PLACE, NODATA])
    summary = predict(model, [tmp_path / "a.tif"], tmp_path / "out")
    assert summary.pixels_C.sum() == 0
    for kind, nodata in (("classes", 255), ("confidence", 0)):
        assert (tifffile.imread(tmp_path / f"out/{kind}/a.tif") == nodata).all()
    assert (tmp_path / "out/overlay/a.png").is_file()


@pytest.mark.parametrize("size_HW", [(1, 1), (20_000, 64), (64, 20_000)])
def test_tiny_and_long_rasters_are_predicted(model, tmp_path, size_HW):
    image = draw(3, size_HW)
    tifffile.imwrite(
        tmp_path / "a.tif", image, tile=(64, 64), extratags=PLACE, photometric="rgb"
    )
    predict(model, [tmp_path / "a.tif"], tmp_path / "out")
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out/classes/a.tif", key=0), image[..., 0]
    )
    with Image.open(tmp_path / "out/overlay/a.png") as overlay:
        assert overlay.size == size_HW[::-1]


def test_eight_bands_are_refused_by_a_model_of_three_and_nothing_is_left(model, tmp_path):
    bands = np.zeros((300, 260, 8), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", bands, tile=(64, 64), planarconfig="contig", extratags=PLACE
    )
    message = r"a\.tif: image has 8 channels, the model takes 3; convert the image or train"
    with pytest.raises(DataError, match=message):
        predict(model, [tmp_path / "a.tif"], tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
    tifffile.imwrite(tmp_path / "b.tif", draw(), tile=(64, 64), extratags=PLACE)
    summary = predict(model, [tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "two")
    assert len(summary.failed) == 1
    assert not list((tmp_path / "two").rglob("a.*"))
    assert (tmp_path / "two/classes/b.tif").is_file()


def test_a_virtual_raster_is_read_in_windows(model, tmp_path):
    pytest.importorskip("rasterio")
    tifffile.imwrite(tmp_path / "a.tif", draw(), tile=(64, 64), extratags=PLACE)
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        f"<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in (1, 2, 3)
    )
    place = "<SRS>EPSG:32633</SRS><GeoTransform>500000, 0.5, 0, 4600000, 0, -0.5</GeoTransform>"
    head = '<VRTDataset rasterXSize="330" rasterYSize="401">'
    (tmp_path / "b.vrt").write_text(f"{head}{place}{bands}</VRTDataset>")
    predict(model, [tmp_path / "b.vrt"], tmp_path / "out")
    found = tifffile.imread(tmp_path / "out/classes/b.tif", key=0)
    np.testing.assert_array_equal(found, draw()[..., 0])
