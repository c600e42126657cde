"""DICOM series as volumes: slices by position, one rule of values, and what is refused."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGExtended12Bit

from maskwright.core.errors import DataError
from maskwright.data.entries.series import describe_series
from maskwright.data.entries.walk import image_files, list_passed_over
from maskwright.data.pixels.alignment import describe_misalignment
from maskwright.data.pixels.imagefile import ImageKind
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image
from maskwright.data.pixels.series import find_reference
from maskwright.inference.inputs import find_images

from ...dicoms import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    make_image,
    read,
    save_enhanced,
    save_seg,
    save_series,
    save_structures,
)

RNG = np.random.default_rng(11)
VALUES = RNG.integers(-1000, 2000, (6, 5, 4)).astype(np.int16)


def stack(root):
    return np.stack([open_image(image).read()[..., 0] for image in image_files(root)])


def shuffled(k):
    """Names without a suffix, in two folders, in another order than the slices."""
    return f"S{k % 2}/IM{7 * k % 11:03}"


def test_a_series_is_one_volume_in_the_order_of_positions_whatever_its_files_are_called(
    tmp_path,
):
    files = save_series(tmp_path / "p1", VALUES, names=shuffled)
    images = list(image_files(tmp_path))
    assert [str(image) for image in images] == [f"{tmp_path}/p1/{k:04}" for k in range(6)]
    assert [image.file for image in images] == files
    np.testing.assert_array_equal(stack(tmp_path), VALUES)
    opened = open_image(images[2])
    assert (opened.num_pages, opened.spacing_mm_DHW) == (6, (3.0, 0.5, 0.7))
    assert opened.kind == ImageKind(1, "float32")
    # the centre of the first pixel of slice 2, from left, back, head to right, front, head
    at = opened.patient_frame.affine_44 @ [0.5, 0.5, 2, 1]
    np.testing.assert_allclose(at[:3], (10, 20, -24))
    assert images[1].with_page(4) == images[4]


def test_the_number_of_an_instance_does_not_order_slices(tmp_path):
    save_series(
        tmp_path / "a", VALUES, change=lambda k, head: setattr(head, "InstanceNumber", 9 - k)
    )
    np.testing.assert_array_equal(stack(tmp_path), VALUES)


@pytest.mark.parametrize(
    ("orientation", "plane", "stored", "reverses"),
    [
        (AXIAL, "axial", "LPS", False),
        (CORONAL, "coronal", "LIA", True),
        (SAGITTAL, "sagittal", "PIR", False),
    ],
)
def test_slices_count_to_the_head_the_front_and_the_right_as_those_of_nifti(
    tmp_path, orientation, plane, stored, reverses
):
    save_series(tmp_path / "a", VALUES, orientation=orientation)
    images = list(image_files(tmp_path))
    frame = open_image(images[0]).patient_frame
    assert (frame.plane, frame.stored) == (plane, stored)
    first, last = (frame.affine_44[:3, 2] * k for k in (0, 5))
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[plane]
    assert last[axis] - first[axis] == pytest.approx(15)
    files = [image.file.name for image in images]
    assert files == sorted(files, reverse=reverses)


def test_a_nifti_file_of_the_series_lies_where_the_series_lies(tmp_path):
    save_series(tmp_path / "ct" / "a", VALUES)
    # voxels (x, y, slice) of the series as nibabel stores them: to the left, the back, the head
    affine = np.array([[-0.7, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])
    volume = nib.Nifti1Image(VALUES.transpose(2, 1, 0), affine)
    volume.header.set_xyzt_units("mm")
    nib.save(volume, tmp_path / "a.nii")
    for k, image in enumerate(image_files(tmp_path / "ct")):
        other = ImageRef(tmp_path / "a.nii", k)
        assert describe_misalignment(other, image) == ""
        np.testing.assert_array_equal(open_image(other).read(), open_image(image).read())
    affine[0, 3] += 1.4
    nib.save(nib.Nifti1Image(VALUES.transpose(2, 1, 0), affine), tmp_path / "b.nii")
    found = describe_misalignment(ImageRef(tmp_path / "b.nii", 0), image)
    assert found == "is shifted by 2 px (1.4 mm)"


def test_series_in_one_folder_are_named_by_a_hash_and_the_uid_is_nowhere(tmp_path):
    uids = "1.2.840.113619.2.1", "1.2.840.113619.2.2"
    for uid in uids:
        save_series(tmp_path / "a", VALUES, names=uid + ".{}", series=uid)
    images = list(image_files(tmp_path))
    volumes = sorted({image.shown_file.name for image in images})
    assert len(volumes) == 2
    assert all(name.startswith("series_") and len(name) == 23 for name in volumes)
    assert not any("1.2.840" in str(image) for image in images)
    other = shutil.copytree(tmp_path / "a", tmp_path / "elsewhere")
    assert sorted({image.shown_file.name for image in image_files(other)}) == volumes


def test_images_without_a_position_stay_images_of_their_own(tmp_path):
    for k in range(2):
        head = make_image(VALUES[k], SeriesInstanceUID="1.2.3", Modality="DX")
        head.save_as(tmp_path / f"view{k}.dcm", enforce_file_format=True)
    assert [image.path.name for image in image_files(tmp_path)] == ["view0.dcm", "view1.dcm"]


def test_a_file_called_by_its_uid_has_a_hash_as_its_name(tmp_path):
    head = make_image(VALUES[0], SeriesInstanceUID="1.2.3", Modality="DX")
    head.save_as(tmp_path / "1.2.840.113619.7.8", enforce_file_format=True)
    (image,) = image_files(tmp_path)
    assert image.path.name.startswith("image_")
    np.testing.assert_array_equal(open_image(image).read()[..., 0], VALUES[0])


def with_position(positions):
    def change(k, head):
        head.ImagePositionPatient = positions[k]

    return change


def set_at(index, **tags):
    def change(k, head):
        for name, value in tags.items() if k == index else ():
            setattr(head, name, value)

    return change


def drop_position(k, head):
    if k == 2:
        del head.ImagePositionPatient


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            with_position([[0, 0, 3.0 * (k + (k > 2))] for k in range(6)]),
            r"1 slice missing: 6 mm .* 002.dcm and 003.dcm, 3 mm elsewhere \(1 gap\); copy the",
        ),
        (
            with_position([[0, 0, 3.0 * k + (k > 2)] for k in range(6)]),
            r"unequal spacing: 4 mm from one to the next between 002.dcm and 003.dcm, 3 mm",
        ),
        (
            with_position([[2.0 * (k % 2), 0, 3.0 * k] for k in range(6)]),
            "slices that do not lie on one line at equal distances",
        ),
        (
            with_position([[0, 0, 3.0 * max(k, 1)] for k in range(6)]),
            r"1 file at the position of another, the first 000.dcm and 001.dcm; keep one file",
        ),
        (
            lambda k, head: (
                setattr(head, "ImagePositionPatient", [0, 0, k // 2]),
                setattr(head, "EchoTime", k % 2),
            ),
            r"3 files at the position of another.*they differ in EchoTime: give each value",
        ),
        (
            set_at(4, ImageOrientationPatient=list(CORONAL)),
            "2 orientations: .* 1 in 5 files such as 000.dcm; .* 2 in 1 file such as 004.dcm",
        ),
        (
            set_at(3, Rows=4, PixelData=bytes(32)),
            "2 sizes: 5 x 4 px in 5 files such as 000.dcm; 4 x 4 px in 1 file such as 003",
        ),
        (drop_position, r"1 file of 6 without a position in the patient \(002.dcm\); move"),
    ],
)
def test_a_series_that_is_not_one_volume_is_refused_with_files_numbers_and_the_fix(
    tmp_path, change, words
):
    save_series(tmp_path / "bad", VALUES, change=change)
    save_series(tmp_path / "good", VALUES, series="1.2.3.4")
    with pytest.raises(DataError, match=rf"not one volume: 1\. .*bad: 6 files.*: {words}"):
        list(image_files(tmp_path))


def test_all_faulty_series_are_named_and_copies_are_called_copies(tmp_path):
    for name in "ab":
        files = save_series(tmp_path / name, VALUES, series=f"1.2.3.{ord(name)}")
        shutil.copy(files[3], tmp_path / name / "copy.dcm")
    with pytest.raises(DataError, match=r"not one volume: 2\.") as error:
        list(image_files(tmp_path))
    assert str(error.value).count("copies of one image: keep one") == 2


def test_positions_that_are_rounded_are_even(tmp_path):
    places = [[0, 0, round(0.625 * k, 1)] for k in range(6)]
    save_series(tmp_path / "a", VALUES, change=with_position(places))
    opened = open_image(next(image_files(tmp_path)))
    assert opened.spacing_mm_DHW[0] == pytest.approx(0.62)


def test_a_tilted_gantry_gives_a_sheared_frame_and_the_distance_across_slices(tmp_path):
    places = [[0, 1.0 * k, 3.0 * k] for k in range(6)]
    save_series(tmp_path / "a", VALUES, change=with_position(places))
    opened = open_image(next(image_files(tmp_path)))
    np.testing.assert_allclose(opened.patient_frame.affine_44[:3, 2], (0, -1, 3))
    assert opened.spacing_mm_DHW[0] == pytest.approx(3)


def test_localizers_and_files_without_an_image_are_left_out_by_name(tmp_path):
    save_series(
        tmp_path / "a",
        VALUES,
        change=set_at(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    )
    save_structures(tmp_path / "rt.dcm", [], series=[])
    sources = [tmp_path / "a/001.dcm"]
    save_seg(tmp_path / "seg.dcm", sources, [(0, 1, np.ones((5, 4)))], ["liver"])
    np.testing.assert_array_equal(stack(tmp_path), VALUES[1:])
    over = list_passed_over(tmp_path)
    assert over.localizers == ("a/000.dcm",)
    assert sorted(over.no_images) == ["rt.dcm", "seg.dcm"]


def test_a_series_of_few_slices_in_several_orientations_is_a_localizer(tmp_path):
    turns = [AXIAL, AXIAL, CORONAL, CORONAL, SAGITTAL, SAGITTAL]

    def change(k, head):
        head.ImageOrientationPatient = list(turns[k])

    scout = save_series(tmp_path / "scout", VALUES, series="1.2.3.4", change=change)
    save_series(tmp_path / "a", VALUES)
    np.testing.assert_array_equal(stack(tmp_path), VALUES)
    names = tuple(f"scout/{path.name}" for path in scout)
    assert list_passed_over(tmp_path).localizers == names


def test_each_slice_has_its_own_slope_and_all_have_one_type(tmp_path):
    slopes = [0.25, 1.0, 2.0, 0.123456, 3.0, 1.0]

    def change(k, head):
        head.RescaleSlope, head.RescaleIntercept, head.Modality = slopes[k], -3, "PT"

    save_series(tmp_path / "a", VALUES, change=change)
    images = list(image_files(tmp_path))
    assert {str(open_image(image).kind) for image in images} == {"1 channel of float32"}
    expected = VALUES * np.array(slopes)[:, None, None] - 3
    np.testing.assert_array_equal(stack(tmp_path), expected.astype(np.float32))
    assert describe_series(images)[1] == (
        "slices of 1 series have slopes of their own, from 0.123456 to 3: each is rescaled by "
        "its own, to values of the modality"
    )


def test_a_slice_that_needs_a_sign_gives_all_slices_one(tmp_path):
    values = np.abs(VALUES).astype(np.uint16)
    change = set_at(5, RescaleIntercept=-1024, RescaleSlope=1)
    save_series(tmp_path / "a", values, change=change)
    kinds = {open_image(image).kind.dtype for image in image_files(tmp_path)}
    assert kinds == {"float32"}
    values = stack(tmp_path)
    assert values[5].min() < 0 <= values[:5].min()


@pytest.mark.parametrize("order", [range(6), range(5, -1, -1), [0, 3, 1, 4, 2, 5]])
def test_frames_of_an_enhanced_image_are_slices_with_slopes_of_their_own(tmp_path, order):
    order, values = list(order), np.abs(VALUES).astype(np.uint16)
    places, slopes = [(0, 0, 3 * k) for k in range(6)], 0.1 * np.arange(1, 7)
    save_enhanced(
        tmp_path / "a.dcm",
        values[order],
        [places[k] for k in order],
        slopes=[f"{slopes[k]:.1f}" for k in order],
    )
    images = list(image_files(tmp_path))
    opened = open_image(images[0])
    assert (opened.spacing_mm_DHW, opened.num_pages) == ((3.0, 0.5, 0.7), 6)
    falls = order[0] == 5  # frames that run along the line stay in the order of the file
    expected = np.float32(values * slopes[:, None, None])[:: -1 if falls else 1]
    np.testing.assert_allclose(stack(tmp_path), expected, rtol=1e-6)
    assert opened.patient_frame.affine_44[2, 2] == (-3 if falls else 3)
    reference = find_reference(images[1])
    assert reference.frame == order.index(4 if falls else 1) + 1


def test_frames_at_unequal_distances_are_pages_and_no_volume(tmp_path):
    places = [(0, 0, 3 * k + (k > 2)) for k in range(6)]
    save_enhanced(tmp_path / "a.dcm", np.abs(VALUES).astype(np.uint16), places)
    opened = open_image(ImageRef(tmp_path / "a.dcm", 0))
    assert (opened.patient_frame, opened.spacing_mm_DHW) == (None, None)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_float_pixel_data_are_read_as_they_are(tmp_path, kind):
    values = RNG.normal(size=(5, 4)).astype(kind)
    head = make_image(values, SeriesInstanceUID="1.2.3", Modality="MR")
    head.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    opened = open_image(tmp_path / "a.dcm")
    assert opened.kind == ImageKind(1, "float32")
    np.testing.assert_array_equal(opened.read()[..., 0], values.astype(np.float32))


def test_frames_of_one_bit_that_begin_inside_a_byte_are_read(tmp_path):
    masks = RNG.integers(0, 2, (4, 5, 7)).astype(bool)
    files = save_series(tmp_path / "a", np.zeros((4, 5, 7), np.uint8))
    frames = [(k, 1, masks[k]) for k in range(4)]
    path = save_seg(tmp_path / "seg.dcm", files, frames, ["liver"])
    for k in range(4):
        stored = open_image(ImageRef(path, k)).read_stored()
        np.testing.assert_array_equal(stored, masks[k])


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_pydicoms_own_segmentations_are_read(name):
    path = Path(get_testdata_file(name))
    stored = open_image(path).read_stored()
    np.testing.assert_array_equal(stored, read(path).pixel_array)
    assert stored.any()


def test_jpeg_of_12_bits_names_the_package_that_unpacks_it():
    path = Path(get_testdata_file("JPGExtended.dcm"))
    with pytest.raises(
        DataError, match=r"JPEG Extended .* of 12 bits.*pip install pylibjpeg pylibjpeg-libjpeg"
    ):
        open_image(path).read()
    assert JPEGExtended12Bit.name.startswith("JPEG Extended")


def test_a_slice_names_the_file_and_the_uid_by_which_other_objects_refer_to_it(tmp_path):
    files = save_series(tmp_path / "a", VALUES, names=shuffled)
    image = list(image_files(tmp_path))[4]
    reference = find_reference(image)
    assert (reference.file, reference.instance) == (files[4], "1.2.840.99.2.5")
    assert (reference.frame, reference.plane.position) == (None, (-10, -20, -18))


def test_predict_finds_the_slices_of_a_folder_in_order(tmp_path):
    save_series(tmp_path / "p1", VALUES, names=shuffled)
    found = find_images([tmp_path]).images
    assert list(found) == [f"p1/{k:04}" for k in range(6)]


def test_pydicoms_own_series_without_suffixes_is_ordered_by_position():
    folder = Path(get_testdata_file("DICOMDIR")).parent / "98892001"
    images = list(image_files(folder))
    assert [str(image.path.relative_to(folder)) for image in images] == [
        f"CT5N/{k:04}" for k in range(5)
    ]
    heights = [read(image.file).ImagePositionPatient[2] for image in images]
    assert heights == sorted(heights)
    assert all(image.file.suffix == "" for image in images)
