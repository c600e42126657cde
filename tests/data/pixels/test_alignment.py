"""Two files lie alike, or the message says how they do not."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError, MissingDependencyError
from maskwright.core.labels import IGNORE
from maskwright.data.pixels import grids
from maskwright.data.pixels.alignment import describe_misalignment, require_alike
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.rawmask import read_raw
from maskwright.data.pixels.resample import read_aligned

rasterio = pytest.importorskip("rasterio")
warp = pytest.importorskip("rasterio.warp")
RNG = np.random.default_rng(4)
MAP = RNG.integers(0, 3, (60, 80)).astype(np.uint8)
ZONE = "EPSG:32632"


def save_map(
    path, labels_HW=MAP, *, crs=ZONE, corner=(500_000, 5_300_000), side=10, south=False
):
    x, y = corner
    top, step = (y - side * len(labels_HW), side) if south else (y, -side)
    transform = rasterio.Affine(side, 0, x, 0, step, top)
    height, width = labels_HW.shape
    shape = {"height": height, "width": width, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, transform=transform, **shape
    ) as file:
        file.write(labels_HW, 1)
    return ImageRef(path)


def save_volume(path, values, affine, page=0, *, stated=True):
    image = nib.Nifti1Image(values, affine if stated else None)
    image.header.set_zooms(np.linalg.norm(np.array(affine)[:3, :3], axis=0))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return ImageRef(path, page)


def read(ref):
    return read_raw(ref, "index").astype(np.uint8)


LPS = np.array([[-0.5, 0, 0, 10], [0, -0.7, 0, -3], [0, 0, 3, 7], [0, 0, 0, 1.0]])
VOLUME = RNG.integers(0, 3, (8, 9, 6)).astype(np.uint8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"corner": (500_070, 5_300_000)}, "is shifted by 7 px (70 m)"),
        ({"corner": (500_000.05, 5_300_000)}, ""),  # half of a hundredth of a pixel
        ({"crs": "EPSG:25832"}, ""),  # the same places, by another ellipsoid
        ({"south": True}, "has its rows in the other order (south up), lies up to 60 px"),
        ({"side": 20}, "has pixels of 20 x 20 m, the other of 10 x 10 m, lies up to 80 px"),
    ],
)
def test_maps_of_one_place_lie_alike_and_the_others_say_how_far_they_are_off(
    tmp_path, changes, words
):
    image = save_map(tmp_path / "image.tif")
    found = describe_misalignment(save_map(tmp_path / "mask.tif", **changes), image)
    assert found.startswith(words) if words else found == ""


def test_the_same_numbers_in_another_zone_are_another_place(tmp_path):
    image, mask = (
        save_map(tmp_path / f"{zone}.tif", crs=f"EPSG:{zone}") for zone in (32632, 32633)
    )
    found = describe_misalignment(mask, image)
    assert found.startswith("lies in EPSG:32633, the other in EPSG:32632, lies up to 4.4")


def test_without_pyproj_another_zone_is_named(tmp_path, monkeypatch):
    def missing(*_):
        raise MissingDependencyError("pyproj", "geo")

    monkeypatch.setattr(grids, "transform_points", missing)
    image, mask = (save_map(tmp_path / f"{z}.tif", crs=f"EPSG:{z}") for z in (32632, 32633))
    assert describe_misalignment(mask, image) == "lies in EPSG:32633, the other in EPSG:32632"


def test_another_size_is_said_with_the_size_of_the_pixels(tmp_path):
    image = save_map(tmp_path / "image.tif")
    mask = save_map(tmp_path / "mask.tif", MAP[::2, ::2], side=20)
    assert describe_misalignment(mask, image) == (
        "has 30 x 40 pixels, the other 60 x 80, has pixels of 20 x 20 m, the other of 10 x 10 m"
    )


def test_a_file_that_states_no_place_is_not_refused(tmp_path):
    image = save_map(tmp_path / "image.tif")
    Image.fromarray(MAP).save(tmp_path / "mask.png")
    require_alike(ImageRef(tmp_path / "mask.png"), image)
    (tmp_path / "mask.pgw").write_text("10\n0\n0\n-10\n500025\n5299995\n")
    with pytest.raises(DataError) as error:
        require_alike(ImageRef(tmp_path / "mask.png"), image)
    assert str(error.value) == (
        f"{tmp_path / 'mask.png'}: does not lie where {tmp_path / 'image.tif'} lies: it is "
        f"shifted by 2 px (20 m); resample the labels to the grid of the image with "
        f"`maskwright convert --align`, or save them on it"
    )


def test_volumes_in_another_order_of_voxels_lie_alike(tmp_path):
    image = save_volume(tmp_path / "image.nii", VOLUME, LPS, 2)
    nib.save(nib.as_closest_canonical(nib.load(image.file)), tmp_path / "mask.nii")
    mask = ImageRef(tmp_path / "mask.nii", 2)
    assert describe_misalignment(mask, image) == ""
    np.testing.assert_array_equal(read(mask), read(image))


@pytest.mark.parametrize(
    ("affine", "stated", "words"),
    [
        (np.eye(4), True, "has voxels of 1 x 1 x 1 mm, the other of 3 x 0.7 x 0.5 mm, lies up"),
        (LPS @ [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], True, "is shifted by"),
        (LPS, False, "states no orientation, the other is stored in the order LPS"),
    ],
)
def test_a_lost_spacing_and_a_lost_orientation_are_said(tmp_path, affine, stated, words):
    image = save_volume(tmp_path / "image.nii", VOLUME, LPS)
    mask = save_volume(tmp_path / "mask.nii", VOLUME, affine, stated=stated)
    found = describe_misalignment(mask, image)
    assert found.startswith(words)


def test_a_volume_without_an_orientation_fits_one_that_is_stored_in_the_usual_order(tmp_path):
    affine = np.diag([0.5, 0.7, 3, 1])
    affine[:3, 3] = 5, 6, 7
    image = save_volume(tmp_path / "image.nii", VOLUME, affine)
    mask = save_volume(tmp_path / "mask.nii", VOLUME, affine, stated=False)
    assert describe_misalignment(mask, image) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"corner": (500_070, 5_300_030)},
        {"south": True},
        {"crs": "EPSG:4326", "corner": (9.0, 47.852), "side": 0.0001},
        {"crs": "EPSG:32633", "corner": (51_100, 5_317_500), "side": 12},
    ],
)
def test_labels_are_resampled_to_a_grid_as_gdal_does_it(tmp_path, changes):
    image = save_map(tmp_path / "image.tif")
    mask = save_map(tmp_path / "mask.tif", **changes)
    ours = read_aligned(read, mask, image)
    expected = np.full(MAP.shape, IGNORE, np.uint8)
    with rasterio.open(mask.file) as file, rasterio.open(image.file) as there:
        warp.reproject(
            file.read(1),
            expected,
            src_transform=file.transform,
            src_crs=file.crs,
            dst_transform=there.transform,
            dst_crs=there.crs,
            resampling=warp.Resampling.nearest,
            dst_nodata=IGNORE,
            tolerance=0,
        )
    assert (ours != IGNORE).mean() > 0.2
    assert (ours == expected).mean() > 0.999


def test_a_shifted_map_keeps_its_values_at_their_place(tmp_path):
    image = save_map(tmp_path / "image.tif")
    mask = save_map(tmp_path / "mask.tif", corner=(500_020, 5_300_000))
    ours = read_aligned(read, mask, image)
    np.testing.assert_array_equal(ours[:, 2:], MAP[:, :-2])
    assert (ours[:, :2] == IGNORE).all()


def test_a_volume_is_resampled_from_another_plane_and_spacing(tmp_path):
    isotropic = RNG.integers(0, 3, (12, 12, 12)).astype(np.uint8)
    mask = save_volume(tmp_path / "mask.nii", isotropic, np.eye(4))
    # coronal slices of 3 mm over the same body
    affine = np.diag([1.0, 3.0, 1.0, 1.0])
    affine[1, 3] = 1.0
    image = save_volume(tmp_path / "image.nii", np.zeros((12, 4, 12), np.uint8), affine, 1)
    ours = read_aligned(read, mask, image)
    # slice 1 lies at A = 4 mm; rows run from the head, columns from the right
    np.testing.assert_array_equal(ours, isotropic[::-1, 4, ::-1].T)


def test_files_without_a_pixel_in_common_are_not_resampled_to_nothing(tmp_path):
    image = save_map(tmp_path / "image.tif")
    mask = save_map(tmp_path / "mask.tif", crs="EPSG:32633")
    with pytest.raises(DataError, match=r"mask\.tif: has no pixel in common with .*image\.tif"):
        read_aligned(read, mask, image)
    image = save_volume(tmp_path / "image.nii", VOLUME, LPS, 2)
    far = LPS.copy()
    far[2, 3] += 18
    mask = save_volume(tmp_path / "mask.nii", VOLUME, far)
    with pytest.raises(DataError, match=r"no pixel in common with .*, it is shifted by 6 px"):
        read_aligned(read, mask, image)
    far[2, 3] -= 3  # one slice meets another
    read_aligned(read, save_volume(tmp_path / "mask.nii", VOLUME, far), image)
