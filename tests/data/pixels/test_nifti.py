"""NIfTI: units, orientations that differ, a fourth axis, and values that are no labels."""

import nibabel as nib
import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.check.audit import audit
from maskwright.data.dataset import open_as_is
from maskwright.data.entries.walk import image_files, joining_bands
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image, read_image
from maskwright.data.pixels.rawmask import read_raw

RNG = np.random.default_rng(3)


def save_nifti(path, values, zooms=(0.5, 0.7, 3.0), unit="mm"):
    image = nib.Nifti1Image(values, np.diag([*zooms, 1.0]))
    image.header.set_xyzt_units(unit)
    nib.save(image, path)
    return path


def as_viewed(slice_of_RAS):
    """A slice of an array in the order R, A, S, as radiologists view it."""
    return slice_of_RAS[::-1, ::-1].T


def test_a_spacing_without_a_unit_is_taken_as_mm_and_said_so(tmp_path):
    path = save_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), np.uint8), unit="unknown")
    assert open_image(path).spacing_mm_HW == pytest.approx((0.7, 0.5))
    expected = ("unit", "no unit of length is stated: taken as mm")
    assert open_image(path).assumptions == (expected,)
    path = save_nifti(tmp_path / "b.nii", np.zeros((2, 3, 4), np.uint8), unit="micron")
    assert open_image(path).spacing_mm_HW == pytest.approx((0.0007, 0.0005))
    assert open_image(path).assumptions == ()


def test_two_orientations_that_differ_are_said_and_the_sform_is_taken(tmp_path):
    image = nib.Nifti1Image(np.zeros((5, 6, 7), np.uint8), np.diag([2.0, 2, 3, 1]))
    image.set_sform(image.affine, code=1)
    moved = image.affine.copy()
    moved[1, 3] = 4
    image.set_qform(moved, code=1)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "a.nii")
    opened = open_image(ImageRef(tmp_path / "a.nii", 0))
    text = "sform (code 1) and qform (code 1) lie up to 4 mm apart: the sform is taken"
    assert opened.assumptions == (("orientation", text),)
    np.testing.assert_allclose(opened.patient_frame.affine_44[:3, 2], (0, 0, 3))
    image.set_qform(image.affine, code=1)
    nib.save(image, tmp_path / "b.nii")
    assert open_image(ImageRef(tmp_path / "b.nii", 0)).assumptions == ()


def test_a_fourth_axis_without_names_is_refused_with_what_it_may_be(tmp_path):
    voxels = np.zeros((2, 3, 4, 5), np.uint8)
    path = save_nifti(tmp_path / "a.nii", voxels)
    assert list(image_files(tmp_path)) == [ImageRef(path)]
    with pytest.raises(DataError, match=r"a\.nii: has the shape \(2, 3, 4, 5\): its fourth"):
        read_image(path)
    image = nib.Nifti1Image(voxels, np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((1, 1, 1, 2))
    nib.save(image, path)
    with pytest.raises(DataError, match=r"5 channels, or times in steps of 2 sec; if channels"):
        read_image(path)


def test_a_fourth_axis_with_names_are_channels(tmp_path):
    voxels = RNG.integers(0, 999, (4, 5, 3, 2)).astype(np.uint16)
    for name in ("a.nii", "a.nii.gz"):
        path = save_nifti(tmp_path / name, voxels)
        with joining_bands(("T1", "T2")):
            pages = [page.with_bands(("T1", "T2")) for page in image_files(tmp_path)]
        assert [page.page for page in pages] == [0, 1, 2]
        read = [read_image(page) for page in pages]
        for page, image in enumerate(read):
            expected = np.stack([as_viewed(voxels[..., page, c]) for c in range(2)], axis=-1)
            np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(
            read_image(pages[1].with_bands(("t2", "T1"))), read[1][..., ::-1]
        )
        path.unlink()


def test_values_that_are_no_labels_are_named_with_their_counts_and_the_fix(tmp_path):
    labels = np.zeros((4, 5, 3), np.float32)
    labels[0, :, 1], labels[1, :3, 1], labels[2, 0, 1] = np.nan, 0.5, 2
    path = save_nifti(tmp_path / "a.nii.gz", labels)
    with pytest.raises(DataError) as caught:
        read_raw(ImageRef(path, 1), "index")
    assert str(caught.value) == (
        f"{path}/0001: 8 mask values of float64 are not whole numbers: 0.5 (3 px), NaN (5 px); "
        f"save the mask as integers, resampled to the nearest value where it was resampled, "
        f"with the value of a class, or one that is ignored, in place of NaN"
    )


def test_values_below_0_are_asked_about_with_file_value_and_count(tmp_path):
    for number in range(3):
        labels = RNG.integers(0, 3, (4, 5, 3)).astype(np.int16)
        labels[0, 0, 1] = -1 if number == 1 else 0
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            save_nifti(tmp_path / kind / f"p{number}.nii.gz", labels)
    message = r"values below 0, -1 .*p1\.nii\.gz/0001\).*codec: \{ignored: \[-1\]\}"
    with pytest.raises(DataError, match=message):
        open_as_is(tmp_path)
    (tmp_path / "dataset.yaml").write_text("classes: [{name: a}, {name: b}, {name: c}]\n")
    dataset = open_as_is(tmp_path)
    assert "taken" not in " ".join(dataset.notes)
    with pytest.raises(DataError, match=r"p1\.nii\.gz/0001: mask values -1 \(1 px\)"):
        dataset.labels(dataset.keys.index("p1.nii.gz__0001"))


def test_what_is_assumed_is_a_note_of_the_dataset_and_a_finding(tmp_path):
    for number in range(2):
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            path = tmp_path / kind / f"p{number}.nii.gz"
            values = RNG.integers(0, 2, (6, 6, 3)).astype(np.uint8)
            save_nifti(path, values, unit="unknown" if kind == "images" else "mm")
    note = "p0.nii.gz: no unit of length is stated: taken as mm (so of 2 volumes)"
    assert note in open_as_is(tmp_path).notes
    found = {finding.code: finding for finding in audit(tmp_path).findings}
    assert found["unit-assumed"].count == 2
    assert found["unit-assumed"].examples[0] == (
        "images/p0.nii.gz",
        "no unit of length is stated: taken as mm",
    )
