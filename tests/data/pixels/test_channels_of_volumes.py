"""Several NIfTI files of one case are the channels of one image, where they lie alike."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.entries.walk import image_files, joining_bands
from maskwright.data.pixels.bands import join_files, split_name, split_number
from maskwright.data.pixels.images import open_image, read_image
from maskwright.inference.inputs import find_images

RNG = np.random.default_rng(4)
BANDS = ("t1", "t1ce", "flair")
SHAPE = (4, 5, 3)


def save(path, values, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values, np.diag([1, 1, 3, 1.0]) if affine is None else affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


@pytest.fixture
def brats(tmp_path):
    """One case, its channels in the order of `BANDS`, and a mask beside them."""
    values = RNG.integers(-99, 99, (3, *SHAPE)).astype(np.int16)
    for name, voxels in zip((*BANDS, "seg"), (*values, values[0]), strict=True):
        save(tmp_path / "case1" / f"case1_{name}.nii.gz", voxels)
    return tmp_path, values


def test_the_files_of_a_case_are_channels_in_the_order_asked_for(brats):
    root, values = brats
    with joining_bands(BANDS):
        pages = list(image_files(root))
    assert [str(page.path.relative_to(root)) for page in pages] == [
        f"case1/case1.nii.gz/000{n}" for n in range(3)
    ]
    expected = np.stack([v[::-1, ::-1, 1].T for v in values], axis=-1)
    np.testing.assert_array_equal(read_image(pages[1]), expected)
    np.testing.assert_array_equal(
        read_image(pages[1].with_bands(("flair", "t1"))), expected[..., [2, 0]]
    )
    opened = open_image(pages[1])
    assert (opened.num_pages, opened.spacing_mm_DHW) == (3, (3, 1, 1))
    assert (opened.patient_frame.plane, len(opened.unpacked_bytes)) == ("axial", 3)


def test_hyphens_and_numbers_name_channels_too(tmp_path):
    paths = [tmp_path / f"BraTS-GLI-1-{name}.nii.gz" for name in ("t1n", "t1c", "seg")]
    (image,) = join_files(paths, ("t1n", "t1c"))
    assert (image.path.name, image.files) == ("BraTS-GLI-1.nii.gz", (paths[1], paths[0]))
    numbered = [tmp_path / f"a_{n:04}.nii.gz" for n in range(2)]
    (image,) = join_files(numbered, ("T1", "T2"))
    assert (image.path.name, image.sources) == ("a.nii.gz", ("T1", "T2"))
    assert join_files(numbered, ("T1", "T2", "T3")) == numbered


def test_names_of_files_are_divided():
    assert split_name(Path("x/A.b.NII.gz")) == ("A.b", ".nii.gz")
    assert split_name(Path("x/a.b.png")) == ("a.b", ".png")
    assert split_number(Path("case_7_0012.nii.gz")) == ("case_7", 12)
    assert split_number(Path("case_7.png")) == ("case_7", None)


@pytest.mark.parametrize(
    ("shape", "shift", "message"),
    [
        (
            (4, 5, 3),
            1.0,
            r"case1_t1ce\.nii\.gz/0000: does not lie where case1_\w+\.nii\.gz",
        ),
        ((4, 5, 4), 0.0, "it has 4 x 5 x 4 pixels, the other 3 x 5 x 4"),
    ],
)
def test_channels_on_another_grid_are_refused_by_name(brats, shape, shift, message):
    root, _ = brats
    affine = np.diag([1, 1, 3, 1.0])
    affine[0, 3] = shift
    save(root / "case1/case1_t1ce.nii.gz", np.zeros(shape, np.int16), affine)
    with joining_bands(BANDS):
        first = next(image_files(root))
    with pytest.raises(DataError, match=message):
        read_image(first)


def test_predict_takes_a_case_as_a_folder_or_as_its_files(brats):
    root, _ = brats
    by_folder = find_images([root], bands=BANDS).images
    assert list(by_folder) == [f"case1/case1.nii.gz/000{n}" for n in range(3)]
    files = [root / "case1" / f"case1_{name}.nii.gz" for name in reversed(BANDS)]
    by_file = find_images(files, bands=BANDS).images
    assert list(by_file) == [f"case1.nii.gz/000{n}" for n in range(3)]
    np.testing.assert_array_equal(
        *(read_image(list(found.values())[2]) for found in (by_folder, by_file))
    )


def test_a_case_without_a_channel_is_refused_by_its_name(brats):
    root, _ = brats
    files = [root / "case1" / f"case1_{name}.nii.gz" for name in BANDS[:2]]
    (first, *_) = find_images(files, bands=BANDS).images.values()
    with pytest.raises(DataError, match=r"case1\.nii\.gz/0000: has no band 'flair'"):
        read_image(first)
