"""Volumes are cut in the frame of the body, whatever the order of their voxels."""

import itertools

import nibabel as nib
import numpy as np
import pytest

from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import count_pages, image_size, open_image
from maskwright.data.pixels.rawmask import read_raw

from .test_medical import as_viewed, save_nifti

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("order", list(itertools.product(*["RL", "AP", "SI"])))
def test_slices_are_the_same_in_whatever_order_voxels_are_stored(tmp_path, order):
    values = RNG.integers(0, 200, (4, 5, 6)).astype(np.uint8)
    affine = [[0.5, 0.02, 0, 10], [0, 0.7, 0.01, -3], [0.01, 0, 3, 7], [0, 0, 0, 1]]
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    for axes in itertools.permutations(order):
        turn = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
        )
        nib.save(image.as_reoriented(turn), tmp_path / "a.nii")
        opened = open_image(ImageRef(tmp_path / "a.nii", 2))
        assert (opened.num_pages, opened.patient_frame.plane) == (6, "axial")
        assert opened.patient_frame.stored == "".join(axes)
        np.testing.assert_array_equal(opened.read_stored(), as_viewed(values[..., 2]))
        # the first voxel on screen is the one that lies most to the right and to the front
        at = opened.patient_frame.affine_44 @ [0.5, 0.5, 2, 1]
        np.testing.assert_allclose(at, np.array(affine) @ [3, 4, 2, 1], atol=1e-5)
        assert opened.spacing_mm_DHW == pytest.approx((3, 0.7, 0.5), rel=1e-3)


def test_the_first_axial_slice_is_at_the_feet_with_the_right_of_the_patient_on_the_left(
    tmp_path,
):
    values = np.zeros((3, 2, 4), np.uint8)
    values[-1, -1, 0] = 7  # most to the right, to the front and to the feet
    path = save_nifti(tmp_path / "a.nii", values)
    assert read_raw(ImageRef(path, 0), "index").tolist() == [[7, 0, 0], [0, 0, 0]]


def test_a_volume_of_one_slice_is_that_slice(tmp_path):
    path = save_nifti(tmp_path / "a.nii", np.zeros((4, 5, 1), np.uint8), (2, 2, 1))
    assert (count_pages(path), image_size(path)) == (None, (5, 4))
