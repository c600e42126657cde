"""DICOM: pixels of padding hold no data; PS3.3, C.7.5.1."""

import numpy as np
import pytest

from maskwright.data.pixels.images import open_image

pydicom = pytest.importorskip("pydicom")

STORED_HW = np.array([[-2000, 30, 40], [-1995, 50, -2001]], np.int16)


def save(path, **tags):
    head = pydicom.Dataset()
    head.file_meta = pydicom.dataset.FileMetaDataset()
    head.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    head.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    head.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    head.Rows, head.Columns = STORED_HW.shape
    head.SamplesPerPixel, head.PhotometricInterpretation = 1, "MONOCHROME2"
    head.BitsAllocated = head.BitsStored = 16
    head.HighBit, head.PixelRepresentation = 15, 1
    head.RescaleSlope, head.RescaleIntercept = 2, -24
    head.PixelData = STORED_HW.tobytes()
    for name, value in tags.items():
        setattr(head, name, value)
    head.save_as(path, enforce_file_format=True)
    return open_image(path)


def test_pixels_of_the_padding_value_hold_no_data(tmp_path):
    image = save(tmp_path / "a.dcm", PixelPaddingValue=-2000)
    image_HWC, valid_HW = image.read_data()
    np.testing.assert_array_equal(image_HWC[..., 0], STORED_HW * 2.0 - 24)
    np.testing.assert_array_equal(valid_HW, STORED_HW != -2000)
    assert image.read_data(np.s_[:1, 1:]).valid_HW is None


def test_a_range_limit_widens_the_padding(tmp_path):
    image = save(tmp_path / "a.dcm", PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990)
    assert image.read_valid().tolist() == [[False, True, True], [False, True, True]]


def test_padding_of_an_inverted_image_is_that_of_the_stored_values(tmp_path):
    tags = {"PixelPaddingValue": -2000, "PhotometricInterpretation": "MONOCHROME1"}
    image = save(tmp_path / "a.dcm", **tags)
    np.testing.assert_array_equal(image.read_valid(), STORED_HW != -2000)


def test_without_the_tag_all_pixels_hold_data(tmp_path):
    image = save(tmp_path / "a.dcm")
    assert not image.may_lack_data
    assert image.read_data().valid_HW is None
