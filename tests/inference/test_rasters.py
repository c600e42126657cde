"""The TIFF files that predict writes are what GDAL calls a tiled raster with overviews."""

import io

import numpy as np
import pytest
import tifffile

from maskwright.core.errors import DataError
from maskwright.data.pixels.images import read_image
from maskwright.inference.rasters import write_indexed_tiff

KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
PLACE = (
    (33550, 12, 3, (0.5, 0.5, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 500_000.0, 4_600_000.0, 0.0), True),
    (34735, 3, len(KEYS), KEYS, True),
)


def palette():
    return np.random.default_rng(3).integers(0, 256, (256, 3)).astype(np.uint8)


def write(path, index_HW, tags=PLACE):
    file = io.BytesIO()
    write_indexed_tiff(
        file,
        lambda start, stop: index_HW[start:stop],
        index_HW.shape,
        palette(),
        tags,
        nodata=255,
        where="a",
    )
    path.write_bytes(file.getvalue())
    return path


@pytest.mark.parametrize(
    ("size_HW", "factors"),
    [
        ((1, 1), []),
        ((256, 256), []),
        ((700, 301), [2, 4]),
        ((20_000, 640), [2, 4, 8, 16, 32, 64, 128]),
    ],
)
def test_gdal_finds_tiles_palette_nodata_overviews_and_place(tmp_path, size_HW, factors):
    rasterio = pytest.importorskip("rasterio")
    index_HW = np.random.default_rng(0).integers(0, 5, size_HW).astype(np.uint8)
    index_HW[:1] = 255
    path = write(tmp_path / "a.tif", index_HW)
    with rasterio.open(path) as raster:
        assert (raster.count, raster.nodata, raster.crs.to_epsg()) == (1, 255, 32633)
        assert raster.transform[:6] == (0.5, 0, 500_000, 0, -0.5, 4_600_000)
        assert raster.block_shapes == [(256, 256)]
        assert raster.compression.name == "deflate"
        assert raster.overviews(1) == factors
        assert raster.colormap(1)[2][:3] == tuple(palette()[2])
        np.testing.assert_array_equal(raster.read(1), index_HW)
    for level, factor in enumerate(factors):
        with rasterio.open(path, overview_level=level) as raster:
            np.testing.assert_array_equal(raster.read(1), index_HW[::factor, ::factor])
    np.testing.assert_array_equal(read_image(path).shape[:2], size_HW)


def test_the_same_map_gives_the_same_bytes_and_small_files(tmp_path):
    index_HW = np.zeros((1000, 1000), np.uint8)
    first, second = (write(tmp_path / name, index_HW) for name in ("a.tif", "b.tif"))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 20_000
    with tifffile.TiffFile(first) as file:
        assert [page.subfiletype for page in file.pages] == [0, 1, 1]


def test_tags_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(DataError, match=r"a: the georeference is damaged"):
        write(tmp_path / "a.tif", np.zeros((9, 9), np.uint8), ((33550, 12, 3, "x", True),))
