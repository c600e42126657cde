"""A few huge images are trained on by windows: none is ever read whole."""

import tracemalloc

import numpy as np
import pytest
import yaml

from maskwright.data.dataset import open_as_is
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image
from maskwright.data.pixels.window import WINDOW_PX, list_windows

rasterio = pytest.importorskip("rasterio")
SIDE = 20_000
MOST_BYTES = 200 << 20
"""The image has 1.2 GB, its mask 400 MB."""


def write_raster(path, bands, draw):
    """A sparse file: tiles that are not written are 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": SIDE, "width": SIDE, "count": bands}
    profile |= {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 5e5, 0, -1, 4e6)}
    profile |= {"dtype": "uint8", "tiled": True, "blockxsize": 256, "blockysize": 256}
    with rasterio.open(path, "w", compress="deflate", SPARSE_OK=True, **profile) as raster:
        for top, left in ((0, 0), (4096, 2048), (SIDE - 3072, SIDE - 3072)):
            block = draw(top, left, 1024)
            window = rasterio.windows.Window(left, top, 1024, 1024)
            raster.write(np.broadcast_to(block, (bands, 1024, 1024)), window=window)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("huge")
    write_raster(root / "images/train/a.tif", 3, lambda y, x, n: np.full((n, n), y // 256 + 1))
    write_raster(root / "masks/train/a.tif", 1, lambda y, x, n: np.ones((n, n)))
    classes = [{"name": "field", "raw": [0]}, {"name": "road", "raw": [1]}]
    (root / "dataset.yaml").write_text(yaml.safe_dump({"classes": classes}))
    return root


def test_windows_cover_an_image_once():
    windows = list_windows((5000, 2048))
    assert windows == [(0, 2048, 0, 2048), (2048, 4096, 0, 2048), (4096, 5000, 0, 2048)]


def test_a_huge_image_is_many_samples_in_bounded_memory(folder):
    tracemalloc.start()
    dataset = open_as_is(folder)
    cut = dataset.cut_large_images()
    num = -(-SIDE // WINDOW_PX)
    assert len(cut) == num**2
    assert set(cut.groups) == set(dataset.groups)
    assert cut.size_HW(0) == (WINDOW_PX, WINDOW_PX)
    last = cut[len(cut) - 1]
    rest = SIDE - (num - 1) * WINDOW_PX
    assert last.image_HWC.shape == (rest, rest, 3)
    index = cut.keys.index("a__4096_2048")
    sample = cut[index]
    assert (sample.image_HWC[:1024, :1024] == 17).all()
    assert (sample.image_HWC[1024:] == 0).all()
    assert (sample.labels_HW[:1024, :1024] == 1).all()
    assert (sample.labels_HW[1024:] == 0).all()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < MOST_BYTES


def test_a_window_of_a_window_is_that_of_the_image(folder):
    ref = ImageRef(folder / "images/train/a.tif", window=(4000, 4200, 2000, 2300))
    image = open_image(ref)
    assert image.size_HW == (200, 300)
    expected = open_image(ref.file).read(np.s_[4000:4200, 2000:2300])
    np.testing.assert_array_equal(image.read(), expected)
    np.testing.assert_array_equal(image.read(np.s_[90:110, 40:60]), expected[90:110, 40:60])
    assert expected.any()
