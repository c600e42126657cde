"""What says where pixels lie is in the files of every format, or in the account."""

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.data.conversion.convert import convert, list_writable
from maskwright.data.dataset import open_dataset
from maskwright.data.georef.geotags import make_tags, nodata_tag

RNG = np.random.default_rng(4)
CLASSES = "classes: [{name: ground}, {name: road}]\n"
AFFINE = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_300_000.0)


def draw_mask(height=12, width=16):
    mask = np.zeros((height, width), np.uint8)
    mask[3:8, 4:12] = 1
    return mask


def save_tiff(path, pixels, affine=AFFINE, nodata=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = make_tags(affine, 32632, is_geographic=False)
    if nodata is not None:
        tags = (*tags, nodata_tag(nodata))
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None, extratags=tags)


def write_geotiff(root):
    for name, pixels in (("images", RNG.integers(0, 200, (12, 16))), ("masks", draw_mask())):
        save_tiff(root / name / "a.tif", pixels.astype(np.uint8))
    (root / "dataset.yaml").write_text(CLASSES)


def write_world_file(root):
    for name, pixels in (("images", RNG.integers(0, 200, (12, 16))), ("masks", draw_mask())):
        (root / name).mkdir(parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(root / name / "a.png")
    (root / "images/a.pgw").write_text("10\n0\n0\n-10\n500005\n5299995\n")
    (root / "images/a.prj").write_text('PROJCS["UTM", AUTHORITY["EPSG","32632"]]')
    (root / "dataset.yaml").write_text(CLASSES)


def write_bands(root):
    for band in ("B04", "B08"):
        pixels = RNG.integers(1, 4000, (12, 16)).astype(np.uint16)
        pixels[:2, :3] = 0
        save_tiff(root / f"images/a_{band}.tif", pixels, nodata=0)
    Image.fromarray(draw_mask()).save(_folder(root / "masks") / "a.png")
    (root / "dataset.yaml").write_text(f"{CLASSES}bands: [B04, B08]\n")


def write_volume(root):
    values = RNG.integers(0, 200, (16, 12, 2)).astype(np.uint8)
    labels = np.stack([draw_mask().T] * 2, axis=-1)
    for name, stored in (("images", values), ("masks", labels)):
        image = nib.Nifti1Image(stored, np.diag([0.5, 0.5, 3, 1]))
        image.header.set_xyzt_units("mm")
        nib.save(image, _folder(root / name) / "a.nii")
    (root / "dataset.yaml").write_text(CLASSES)


def _folder(path):
    path.mkdir(parents=True, exist_ok=True)
    return path


SOURCES = {
    "geotiff": write_geotiff,
    "world file": write_world_file,
    "bands": write_bands,
    "volume": write_volume,
}


@pytest.mark.parametrize("to", list_writable())
@pytest.mark.parametrize("source", SOURCES)
def test_what_says_where_pixels_lie_is_kept_or_in_the_account(tmp_path, source, to):
    SOURCES[source](tmp_path / "data")
    account = convert(tmp_path / "data", tmp_path / "out", to=to)
    lost = " ".join(what for what, item in account.losses.items() if item.count)
    written = open_dataset(tmp_path / "out").image_file(0)
    before = open_dataset(tmp_path / "data").image_file(0)
    if source == "volume" and "spacings of slices in mm" in lost:
        assert "orientations of slices in the patient" in lost
        return
    if source == "volume":
        assert written.spacing_mm_DHW == before.spacing_mm_DHW == (3, 0.5, 0.5)
        assert (written.patient_frame.affine_44 == before.patient_frame.affine_44).all()
        return
    if "georeferences of images" in lost:
        assert to == "nnunet"
        return
    assert written.placement.affine == AFFINE
    assert written.placement.epsg == 32632
    assert "georeferences" not in lost
    before = before.read_data()
    after = written.read_data()
    np.testing.assert_array_equal(after.image_HWC, before.image_HWC)
    assert (after.valid_HW is None) == (before.valid_HW is None)
    if after.valid_HW is not None:
        np.testing.assert_array_equal(after.valid_HW, before.valid_HW)


def test_the_bands_of_a_scene_become_one_geotiff_that_names_them(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    write_bands(tmp_path / "data")
    account = convert(tmp_path / "data", tmp_path / "out", to="mask_folder")
    assert "lost: nothing" in account.to_text()
    (path,) = (tmp_path / "out").rglob("a.tif")
    with rasterio.open(path) as raster:
        assert raster.descriptions == ("B04", "B08")
        assert (raster.crs.to_epsg(), raster.nodata) == (32632, 0)
        assert tuple(raster.transform)[:6] == AFFINE
        assert raster.dataset_mask()[:2, :3].tolist() == [[0] * 3] * 2
    written = open_dataset(tmp_path / "out")
    assert written.bands == ("B04", "B08")
