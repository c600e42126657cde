"""A mosaic of predicted tiles, and class maps with a georeference, as rasterio reads them."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classmaps import open_class_maps
from maskwright.inference.mosaic import MosaicGrid
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model

rasterio = pytest.importorskip("rasterio")


@pytest.fixture
def model(painted_bundle, tmp_path):
    """Predicts the value of the red channel, 0 to 3, as the class."""
    return open_model(painted_bundle(tmp_path / "model/bundle").root)


def write_tile(path, index_HW, *, east=0.0, epsg=32633, pixel=10.0, driver="GTiff", **options):
    path.parent.mkdir(exist_ok=True)
    bands_3HW = np.stack([np.asarray(index_HW, np.uint8)] * 3)
    transform = rasterio.Affine(pixel, 0, 5e5 + east, 0, -pixel, 5e6)
    profile = {"driver": driver, "count": 3, "dtype": "uint8", "crs": f"EPSG:{epsg}"} | options
    height, width = bands_3HW.shape[1:]
    with rasterio.open(
        path, "w", height=height, width=width, transform=transform, **profile
    ) as raster:
        raster.write(bands_3HW)
    return path


def test_rasterio_reads_class_map_and_confidence_with_place_and_nodata(model, tmp_path):
    path = write_tile(tmp_path / "in/a.tif", [[0, 3, 2], [1, 3, 2]], nodata=0)
    predict(model, [path], tmp_path / "out")
    with rasterio.open(path) as image, rasterio.open(tmp_path / "out/classes/a.tif") as found:
        assert (found.crs, found.transform) == (image.crs, image.transform)
        assert found.nodata == 255
        assert found.read(1).tolist() == [[255, 3, 2], [1, 3, 2]]
        assert found.colormap(1)[2][:3] == tuple(model.card.labels.palette[2].tolist())
    with rasterio.open(tmp_path / "out/confidence/a.tif") as found:
        assert (found.crs.to_epsg(), found.nodata) == (32633, 0)
        assert (found.read(1) == 0).tolist() == [[True, False, False], [False] * 3]
    assert open_class_maps(tmp_path / "out/classes").read("a")[0, 0] == 255


def test_a_class_map_of_jpeg_2000_is_a_geotiff_on_its_grid(model, tmp_path):
    index_HW = np.arange(64 * 64).reshape(64, 64) // 999 % 4
    path = write_tile(
        tmp_path / "in/a.jp2", index_HW, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES"
    )
    predict(model, [path], tmp_path / "out", write=["classes"])
    with rasterio.open(path) as image, rasterio.open(tmp_path / "out/classes/a.tif") as found:
        assert (found.crs, found.transform) == (image.crs, image.transform)
        np.testing.assert_array_equal(found.read(1), index_HW)


def test_tiles_on_one_grid_make_one_mosaic(model, tmp_path):
    write_tile(tmp_path / "in/b.tif", [[1, 1], [1, 1]])
    write_tile(tmp_path / "in/a.tif", [[2, 2], [3, 3]], east=30.0)
    predict(model, [tmp_path / "in"], tmp_path / "out", write=["mosaic"])
    with rasterio.open(tmp_path / "out/mosaic.tif") as found:
        assert found.read(1).tolist() == [[1, 1, 255, 2, 2], [1, 1, 255, 3, 3]]
        assert (found.nodata, found.crs.to_epsg()) == (255, 32633)
        assert found.transform[:6] == (10.0, 0.0, 5e5, 0.0, -10.0, 5e6)
    with rasterio.open(tmp_path / "out/mosaic_confidence.tif") as found:
        assert (found.read(1)[0] == 0).tolist() == [False, False, True, False, False]
    assert not (tmp_path / "out/classes").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsg": 32634}, r"b\.tif: lies on another grid than .*a\.tif \(EPSG:32634"),
        ({"pixel": 20.0}, "lies on another grid"),
        ({"east": 3.0}, r"0\.30 px beside it"),
    ],
)
def test_tiles_on_two_grids_are_refused(model, tmp_path, change, message):
    write_tile(tmp_path / "in/a.tif", [[1, 1]])
    write_tile(tmp_path / "in/b.tif", [[1, 1]], **change)
    with pytest.raises(DataError, match=message):
        predict(model, [tmp_path / "in"], tmp_path / "out", write=["mosaic"])


def test_a_photograph_is_in_no_mosaic(model, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: has no georeference"):
        predict(model, [tmp_path / "a.png"], tmp_path / "out", write=["mosaic"])


def test_overlapping_tiles_keep_the_more_confident_class(tmp_path):
    from maskwright.data.pixels.imageref import ImageRef
    from maskwright.inference.mosaic import Mosaic

    tiles = {"a": 0.0, "b": 10.0}
    images = {
        key: ImageRef(write_tile(tmp_path / f"in/{key}.tif", [[0, 0]], east=east))
        for key, east in tiles.items()
    }
    grid = MosaicGrid.from_images(images)
    palette = np.zeros((256, 3), np.uint8)
    mosaic = Mosaic(grid, tmp_path, palette, palette)
    mosaic.add("a", np.array([[1, 1]], np.uint8), np.array([[9, 50]], np.uint8))
    mosaic.add("b", np.array([[2, 2]], np.uint8), np.array([[60, 9]], np.uint8))
    with rasterio.open(tmp_path / "mosaic.tif") as found:
        assert found.read(1).tolist() == [[1, 2, 2]]
