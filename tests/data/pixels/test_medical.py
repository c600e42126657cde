"""DICOM and NIfTI: values, slices, spacing, and files that are damaged or lie."""

import gzip
import struct
import sys
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from maskwright.core.errors import DataError, MissingDependencyError
from maskwright.data.entries.walk import image_files
from maskwright.data.pixels.imagefile import ImageKind
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import (
    count_pages,
    image_size,
    open_image,
    read_image,
)
from maskwright.data.pixels.rawmask import is_lossy, read_raw

RNG = np.random.default_rng(5)
SHARED = Path(__file__).parents[3] / "shared/data/formats"


def save_nifti(path, values, zooms=(0.5, 0.7, 3.0), unit="mm", **header):
    image = nib.Nifti1Image(values, np.diag([*zooms, 1.0]))
    image.header.set_xyzt_units(unit)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def as_viewed(slice_of_RAS):
    """A slice of an array in the order R, A, S, as radiologists view it."""
    return slice_of_RAS[::-1, ::-1].T


def save_dicom(path, pixels, *, syntax=ExplicitVRLittleEndian, packed=None, **tags):
    head = Dataset()
    head.file_meta = FileMetaDataset()
    head.file_meta.TransferSyntaxUID = syntax
    head.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    head.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    head.SOPClassUID, head.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    colored = pixels.shape[-1] == 3
    rows = pixels.shape[-3:-1] if colored else pixels.shape[-2:]
    head.Rows, head.Columns = rows
    head.SamplesPerPixel = 3 if colored else 1
    head.PhotometricInterpretation = "RGB" if colored else "MONOCHROME2"
    if colored:
        head.PlanarConfiguration = 0
    if pixels.ndim > 2 + colored:
        head.NumberOfFrames = len(pixels)
    head.BitsAllocated = head.BitsStored = 8 * pixels.itemsize
    head.HighBit = head.BitsStored - 1
    head.PixelRepresentation = int(pixels.dtype.kind == "i")
    head.PixelData = pixels.tobytes() if packed is None else encapsulate(packed)
    for name, value in tags.items():
        setattr(head, name, value)
    head.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_is_cut_across_its_coarsest_spacing_and_lies_as_viewed(tmp_path, name, axis):
    values = RNG.integers(-1000, 3000, (4, 5, 6)).astype(np.int16)
    zooms = np.array([0.5, 0.7, 0.6])
    zooms[axis] = 3
    path = save_nifti(tmp_path / name, values, zooms)
    assert count_pages(path) == values.shape[axis]
    for number, page in enumerate(image_files(tmp_path)):
        assert page == ImageRef(path, number)
        expected = as_viewed(values.take(number, axis=axis))
        image = read_image(page)
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image[..., 0], expected)
        np.testing.assert_array_equal(read_raw(page, "index"), expected)
        assert image_size(page) == expected.shape
        assert open_image(page).spacing_mm_HW == pytest.approx(np.delete(zooms, axis)[::-1])
        assert (open_image(page).orientation, is_lossy(page)) == (1, False)


def test_of_equal_spacings_the_last_axis_is_cut(tmp_path):
    path = save_nifti(tmp_path / "a.nii", np.zeros((4, 5, 6), np.uint8), (1, 1, 1))
    assert count_pages(path) == 6


def test_minus_1000_hounsfield_units_are_minus_1000(tmp_path):
    path = save_nifti(tmp_path / "a.nii", np.full((2, 3, 1), -1000, np.int16))
    assert count_pages(path) is None
    assert read_image(path)[0, 0, 0] == -1000
    assert open_image(path).kind == ImageKind(1, "float32")
    assert open_image(path).modality == ""


def test_unsigned_values_stay(tmp_path):
    for kind in (np.uint8, np.uint16):
        values = RNG.integers(0, 200, (4, 5, 3)).astype(kind)
        path = save_nifti(tmp_path / "a.nii", values)
        image = read_image(ImageRef(path, 1))
        assert image.dtype == kind
        np.testing.assert_array_equal(image[..., 0], as_viewed(values[..., 1]))


def test_whole_numbers_stored_as_floats_are_labels_and_fractions_are_values_alone(tmp_path):
    labels = RNG.integers(0, 4, (4, 5, 3)).astype(np.float64)
    path = save_nifti(tmp_path / "a.nii.gz", labels)
    read = read_raw(ImageRef(path, 2), "index")
    np.testing.assert_array_equal(read, as_viewed(labels[..., 2]))
    path = save_nifti(tmp_path / "b.nii.gz", labels + 0.5)
    np.testing.assert_array_equal(read_image(ImageRef(path, 2))[..., 0], read + 0.5)
    with pytest.raises(DataError, match=r"b\.nii\.gz/0002: 20 mask values of float64"):
        read_raw(ImageRef(path, 2), "index")


@pytest.mark.parametrize("name", ["a.nii", "a.dcm"])
def test_numbers_are_the_same_whether_stored_with_a_sign_or_not(tmp_path, name):
    values = RNG.integers(0, 4000, (4, 5))
    images = []
    for kind in (np.int16, np.uint16):
        if name == "a.nii":
            path = save_nifti(tmp_path / name, values[..., None].astype(kind))
        else:
            path = save_dicom(tmp_path / name, values.astype(kind))
        images.append(read_image(path))
    np.testing.assert_array_equal(*images)
    viewed = as_viewed(values) if name == "a.nii" else values
    np.testing.assert_array_equal(images[0][..., 0], viewed)


def test_slope_and_intercept_are_applied(tmp_path):
    path = save_nifti(tmp_path / "a.nii", np.full((2, 2, 2), 3, np.uint8))
    content = bytearray(path.read_bytes())
    content[112:120] = struct.pack("<2f", 2, -10)
    path.write_bytes(content)
    assert read_raw(ImageRef(path, 0), "index").tolist() == [[-4, -4], [-4, -4]]
    assert read_image(ImageRef(path, 0))[0, 0, 0] == -4


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_header_of_a_thousand_million_voxels_is_refused_at_once(tmp_path, name):
    head = nib.Nifti1Header()
    head.set_data_dtype(np.int16)
    head["dim"][:4] = 3, 1000, 1000, 1000
    head["vox_offset"], head["magic"] = 352, b"n+1"
    content = head.binaryblock + bytes(100)
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    refused_at_once(path, r"declares \(1000, 1000, 1000\) voxels, 2,000,000,352 bytes")


def test_frames_are_pages_and_one_is_a_file(tmp_path):
    pixels = RNG.integers(0, 4096, (3, 4, 5)).astype(np.uint16)
    path = save_dicom(tmp_path / "a.dcm", pixels, PixelSpacing=[0.5, 0.25])
    assert count_pages(path) == 3
    for number, page in enumerate(image_files(tmp_path)):
        np.testing.assert_array_equal(read_image(page)[..., 0], pixels[number])
        assert image_size(page) == (4, 5)
        assert open_image(page).spacing_mm_HW == (0.5, 0.25)
    one = save_dicom(tmp_path / "b.dcm", pixels[0])
    assert count_pages(one) is None
    np.testing.assert_array_equal(read_image(one)[..., 0], pixels[0])
    assert open_image(one).spacing_mm_HW is None


def test_ct_has_hounsfield_units_whether_stored_signed_or_not(tmp_path):
    units = RNG.integers(-1000, 3000, (4, 5))
    signed = save_dicom(tmp_path / "a.dcm", units.astype(np.int16))
    rescaled = save_dicom(
        tmp_path / "b.dcm",
        (units + 1024).astype(np.uint16),
        RescaleSlope=1,
        RescaleIntercept=-1024,
    )
    np.testing.assert_array_equal(read_image(signed), read_image(rescaled))
    np.testing.assert_array_equal(read_image(signed)[..., 0], units)


def test_a_fractional_slope_gives_floats(tmp_path):
    pixels = RNG.integers(0, 4096, (4, 5)).astype(np.uint16)
    rescale = {"RescaleSlope": 0.25, "RescaleIntercept": -1, "Modality": "MR"}
    path = save_dicom(tmp_path / "a.dcm", pixels, **rescale)
    image = read_image(path)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[..., 0], pixels / 4 - 1)
    assert open_image(path).modality == "MR"


def test_windows_are_not_applied(tmp_path):
    pixels = RNG.integers(0, 4096, (4, 5)).astype(np.uint16)
    path = save_dicom(tmp_path / "a.dcm", pixels, WindowCenter=40, WindowWidth=80)
    np.testing.assert_array_equal(read_image(path)[..., 0], pixels)


def test_monochrome1_is_inverted_for_an_image_and_not_for_a_mask(tmp_path):
    pixels = np.array([[0, 1], [4095, 2048]], np.uint16)
    told = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    path = save_dicom(tmp_path / "a.dcm", pixels, **told)
    assert read_image(path)[..., 0].tolist() == [[4095, 4094], [0, 2047]]
    assert read_raw(path, "index").tolist() == pixels.tolist()


def test_colours_are_read_as_they_are(tmp_path):
    pixels = RNG.integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    path = save_dicom(tmp_path / "a.dcm", pixels)
    np.testing.assert_array_equal(read_image(ImageRef(path, 1)), pixels[1])


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_packings_with_a_decoder_are_read(tmp_path, syntax):
    pixels = RNG.integers(0, 200, (64, 48)).astype(np.uint8)
    path = save_dicom(tmp_path / "a.dcm", pixels)
    head = pydicom.dcmread(path)
    head.compress(syntax)
    head.save_as(path)
    np.testing.assert_array_equal(read_image(path)[..., 0], pixels)


def test_a_packing_without_a_decoder_names_the_package(tmp_path):
    path = save_dicom(
        tmp_path / "a.dcm", np.zeros((4, 4), np.uint8), syntax=JPEGLosslessSV1, packed=[b"0000"]
    )
    with pytest.raises(DataError, match=r"packed as JPEG Lossless.*pip install pylibjpeg"):
        read_image(path)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "rescale slope 0, .* other than 0"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR of 1 samples .* RGB"),
        ({"Rows": 60_000, "Columns": 60_000}, "declares 1 frames of 60000 x 60000, 7,200,000"),
        ({"NumberOfFrames": 2_000_000_000}, "declares 2000000000 frames of 4 x 5"),
        ({"BitsStored": 0, "BitsAllocated": 64}, "64 of 64 bits per value, expected"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, tags, words):
    path = save_dicom(tmp_path / "a.dcm", np.zeros((4, 5), np.uint16), **tags)
    refused_at_once(path, words)


def test_a_huge_packed_image_is_refused_at_once(tmp_path):
    for syntax in (RLELossless, JPEG2000Lossless):
        path = save_dicom(
            tmp_path / "a.dcm",
            np.zeros((4, 5), np.uint8),
            syntax=syntax,
            packed=[b"0000"],
            Rows=60_000,
            Columns=60_000,
        )
        refused_at_once(path, "60000 x 60000|declares 3,600,000,000 pixels")


def test_a_deflated_data_set_is_not_unpacked(tmp_path):
    syntax = pydicom.uid.DeflatedExplicitVRLittleEndian
    path = save_dicom(tmp_path / "a.dcm", np.zeros((4, 5), np.uint8), syntax=syntax)
    refused_at_once(path, "has a deflated data set; save it as Explicit")


def refused_at_once(path, words):
    tracemalloc.start()
    start = time.thread_time()
    try:
        with pytest.raises(DataError, match=words):
            read_image(path)
        with pytest.raises(DataError, match=words):
            image_size(path)
        assert count_pages(path) is None
        assert time.thread_time() - start < 10
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "package"), [("a.nii", "nibabel"), ("a.dcm", "pydicom")])
def test_a_missing_package_is_named_with_the_command(tmp_path, monkeypatch, name, package):
    (tmp_path / name).write_bytes(bytes(1000))
    for module in [m for m in sys.modules if m.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    assert list(image_files(tmp_path)) == [ImageRef(tmp_path / name)]
    with pytest.raises(MissingDependencyError, match=rf"{package} .* 'maskwright\[medical\]'"):
        read_image(tmp_path / name)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    values = RNG.integers(0, 200, (3, 4, 5)).astype(np.uint8)
    files = [save_nifti(folder / "a.nii", values), save_nifti(folder / "a.nii.gz", values)]
    files.append(save_dicom(folder / "a.dcm", values))
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.dcm"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_gives_pixels_or_one_clear_error(tmp_path_factory, sound, name, data):
    content = bytearray(sound[name])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] or content
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content)
    for image in image_files(path.parent):
        for read in (read_image, image_size, lambda image: open_image(image).spacing_mm_HW):
            with suppress(DataError):
                read(image)


def test_an_empty_and_a_missing_file_are_named(tmp_path):
    for name in ("a.nii", "a.nii.gz", "a.dcm"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read: no such file"):
            read_image(tmp_path / name)
        (tmp_path / name).touch()
        with pytest.raises(DataError, match=name):
            read_image(tmp_path / name)


@pytest.mark.real
def test_a_real_ct_and_its_segmentation_are_slices():
    folder = SHARED / "volume3d/nnunet_ct"
    if not folder.is_dir():
        pytest.skip("the real volumes are not here")
    names = "example_ct_sm.nii.gz", "example_ct_sm_T300_output.nii.gz"
    image, mask = (ImageRef(folder / name, 12) for name in names)
    volumes = [nib.as_closest_canonical(nib.load(folder / name)) for name in names]
    truth = [as_viewed(np.asarray(volume.dataobj)[..., 12]) for volume in volumes]
    assert count_pages(folder / names[0]) == count_pages(folder / names[1]) == 30
    np.testing.assert_array_equal(read_image(image)[..., 0], truth[0])
    np.testing.assert_array_equal(read_raw(mask, "index"), truth[1])


def test_huge_extensions_of_a_header_are_not_read(tmp_path):
    path = save_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), np.uint8))
    content = bytearray(path.read_bytes())
    content[348:360] = struct.pack("<4B2i", 1, 0, 0, 0, 1 << 30, 6)
    path.write_bytes(content)
    assert read_image(ImageRef(path, 0)).shape == (3, 2, 1)
