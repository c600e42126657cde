"""Slices of a volume with their neighbours as channels."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.inputspec import InputSpec
from maskwright.data.entries.walk import image_files
from maskwright.data.pixels.imagefile import ImageKind
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image, read_data, read_image

from ...dicoms import save_series

RNG = np.random.default_rng(2)


def save(path, values_RAS, order="RAS"):
    """Save a volume of 1 x 1 x 3 mm, its voxels stored in this order."""
    image = nib.Nifti1Image(values_RAS, np.diag([1, 1, 3, 1.0]))
    stored = nib.orientations.axcodes2ornt(order)
    start = nib.orientations.axcodes2ornt("RAS")
    image = image.as_reoriented(nib.orientations.ornt_transform(start, stored))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


@pytest.fixture
def values():
    return RNG.integers(0, 999, (4, 5, 6)).astype(np.uint16)


@pytest.mark.parametrize("order", ["RAS", "LPI", "SRA"])
def test_neighbours_are_those_in_the_body_however_it_is_stored(tmp_path, values, order):
    path = save(tmp_path / "a.nii.gz", values, order)
    stack = read_image(ImageRef(path, 3, num_slices=5))
    singles = [read_image(ImageRef(path, page))[..., 0] for page in range(1, 6)]
    np.testing.assert_array_equal(stack, np.stack(singles, axis=-1))
    np.testing.assert_array_equal(stack[..., 4], values[::-1, ::-1, 5].T)


def test_the_last_slice_is_repeated_at_both_ends(tmp_path, values):
    path = save(tmp_path / "a.nii", values)
    planes = values[::-1, ::-1].transpose(2, 1, 0)
    for page, pages in ((0, [0, 0, 0, 1, 2]), (5, [3, 4, 5, 5, 5])):
        stack = read_image(ImageRef(path, page, num_slices=5))
        np.testing.assert_array_equal(stack.transpose(2, 0, 1), planes[pages])


def test_channels_of_a_slice_stay_side_by_side(tmp_path, values):
    for name in ("t1", "t2"):
        save(tmp_path / f"a_{name}.nii", values + (name == "t2"))
    files = (tmp_path / "a_t1.nii", tmp_path / "a_t2.nii")
    scene = tmp_path / "a.nii"
    ref = ImageRef(files[0], 2, (files[1],), ("t1", "t2"), scene, num_slices=3)
    stack = read_image(ref)
    assert stack.shape == (5, 4, 6)
    np.testing.assert_array_equal(stack[..., 1::2], stack[..., ::2] + 1)
    assert open_image(ref).kind == ImageKind(6, "uint16")


def test_a_neighbour_without_data_is_the_slice_itself(tmp_path):
    values = RNG.normal(0, 9, (4, 5, 3)).astype(np.float32)
    values[0, 0, 0] = values[3, 4, 1] = np.nan
    image_HWC, valid_HW = read_data(ImageRef(save(tmp_path / "a.nii", values), 1, num_slices=3))
    assert image_HWC[-1, -1, 0] == image_HWC[-1, -1, 1] == values[0, 0, 1]
    assert np.argwhere(~valid_HW).tolist() == [[0, 0]]


def test_it_lies_where_the_slice_lies(tmp_path, values):
    path = save(tmp_path / "a.nii.gz", values)
    one, stack = (open_image(ImageRef(path, 2, num_slices=n)) for n in (1, 3))
    assert one.size_HW == stack.size_HW
    assert one.spacing_mm_DHW == stack.spacing_mm_DHW == (3, 1, 1)
    np.testing.assert_array_equal(one.patient_frame.affine_44, stack.patient_frame.affine_44)
    assert one.unpacked_bytes == stack.unpacked_bytes
    assert (one.modality, stack.num_pages) == ("", 6)


def test_a_single_image_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.png: is a single image, and each slice is read"):
        open_image(ImageRef(tmp_path / "a.png", num_slices=3))


def make_spec(**values):
    given = {"channels": 3, "mean": (0.0,) * 3, "std": (1.0,) * 3, "max_value": 65535}
    return InputSpec(**given | {"kind": "mr", "slices": 3} | values)


def test_the_z_score_of_mr_is_that_of_all_slices_together():
    image = np.stack([np.full((8, 8), 100), np.full((8, 8), 300)], axis=-1).astype(np.float32)
    image[:4] = 0
    stack = np.concatenate([image, image[..., :1]], axis=-1)
    scaling = make_spec().measure_scaling(stack)
    np.testing.assert_allclose(scaling.scale_C, scaling.scale_C[0])
    x = scaling.normalize(stack)
    assert x[1].max() > x[0].max()


def test_the_slice_in_the_middle_is_the_one_that_is_shown():
    stack = np.arange(2 * 2 * 6, dtype=np.float32).reshape(2, 2, 6)
    spec = make_spec(channels=6, mean=(0.0,) * 6, std=(1.0,) * 6, bands=("t1", "t2"))
    np.testing.assert_array_equal(spec.select_slice(stack), stack[..., 2:4])
    assert InputSpec.from_json(spec.to_json()) == spec
    assert "slices" not in make_spec(slices=1).to_json()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"slices": 2}, "slices must be odd"),
        ({"slices": 5}, "5 slices have as many channels each, got 3 channels of all"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        make_spec(**values)


def test_one_slice_for_a_model_of_three_is_refused_and_never_repeated():
    spec = make_spec(kind="photograph", max_value=255)
    with pytest.raises(DataError, match="is one slice, the model takes 3 neighbouring slices"):
        spec.prepare(np.zeros((4, 4, 1), np.uint8), where="a.png")


def test_neighbours_in_a_series_are_those_by_position(tmp_path):
    values = RNG.integers(-9, 99, (5, 4, 3)).astype(np.int16)
    save_series(tmp_path / "p", values, names=lambda k: f"IM{7 * k % 11:03}.dcm")
    pages = list(image_files(tmp_path))
    singles = [read_image(page)[..., 0] for page in pages]
    stack = read_image(replace(pages[4], num_slices=3))
    np.testing.assert_array_equal(stack, np.stack([singles[i] for i in (3, 4, 4)], axis=-1))
