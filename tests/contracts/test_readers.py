"""What every reader of image files must do; a new one needs a file in `WRITE` below."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core import parts
from maskwright.core.image import PixelData
from maskwright.data.pixels import images
from maskwright.data.pixels.imagefile import ImageFile, Reader
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import READERS, find_reader, image_suffixes, open_image

RNG = np.random.default_rng(2)


def write_nifti(path):
    nib = pytest.importorskip("nibabel")
    values = RNG.integers(0, 200, (7, 5, 2)).astype(np.uint8)
    nib.save(nib.Nifti1Image(values, np.diag([1, 1, 3, 1])), path)


def write_dicom(path):
    pydicom = pytest.importorskip("pydicom")
    values = RNG.integers(0, 200, (5, 7)).astype(np.uint8)
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data.Rows, data.Columns = values.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = values.tobytes() + b"\0"
    data.save_as(path, enforce_file_format=True)


def write_heif(path):
    pillow_heif = pytest.importorskip("pillow_heif")
    image = Image.fromarray(RNG.integers(0, 200, (5, 7, 3), np.uint8))
    pillow_heif.from_pillow(image).save(path, quality=-1)


def write_vrt(path):
    shutil = pytest.importorskip("rasterio.shutil")
    source = path.with_name("b.tif")
    tifffile.imwrite(source, RNG.integers(0, 9, (5, 7), np.uint16))
    shutil.copy(source, path, driver="VRT")


def write_slide(path):
    pytest.importorskip("openslide")
    values = RNG.integers(0, 200, (5, 7, 3), np.uint8)
    tifffile.imwrite(path, values, photometric="rgb", tile=(16, 16), compression="zlib")


WRITE = {
    "dicom": ("a.dcm", write_dicom),
    "heif": ("a.heic", write_heif),
    "nifti": ("a.nii", write_nifti),
    "pillow": (
        "a.png",
        lambda p: Image.fromarray(RNG.integers(0, 9, (5, 7), np.uint8)).save(p),
    ),
    "pnm": (
        "a.pgm",
        lambda p: Image.fromarray(RNG.integers(0, 9, (5, 7), np.uint8)).save(p),
    ),
    "raster": ("a.vrt", write_vrt),
    "slide": ("a.svs", write_slide),
    "tiff": ("a.tif", lambda p: tifffile.imwrite(p, RNG.integers(0, 9, (5, 7), np.uint16))),
    "wide_png": ("a.png", lambda p: cv2.imwrite(str(p), np.full((5, 7, 3), 300, np.uint16))),
}


@pytest.fixture(params=parts.names(READERS))
def name(request):
    return request.param


@pytest.fixture
def file(name, tmp_path):
    ending, write = WRITE[name]
    write(tmp_path / ending)
    return tmp_path / ending


def test_suffixes_are_in_lower_case_and_listed(name):
    reader = parts.load(READERS, name, like=Reader)
    assert set(reader.PAGED_SUFFIXES) <= set(reader.SUFFIXES) <= set(image_suffixes())
    assert all(suffix.startswith(".") and suffix.islower() for suffix in reader.SUFFIXES)


def test_its_file_is_opened_by_it(name, file):
    assert type(find_reader(file)).__name__ == name


def test_size_pixels_and_windows_agree(file):
    pages = images.count_pages(file)
    image = open_image(ImageRef(file, None if pages is None else pages - 1))
    whole_HWC = image.read()
    assert whole_HWC.shape[:2] == image.size_HW == (5, 7)
    assert whole_HWC.dtype in (np.uint8, np.uint16)
    assert whole_HWC.flags.writeable
    np.testing.assert_array_equal(image.read(np.s_[1:4, 2:]), whole_HWC[1:4, 2:])
    assert image.read_stored().shape[:2] == image.read_colors().shape[:2] == (5, 7)


class _Painted(ImageFile):
    def __init__(self, ref):
        self.ref = ref

    size_HW = (2, 3)

    def read_data(self, window=None):
        return PixelData(np.full((2, 3, 1), 7, np.uint8))

    def read_stored(self):
        return np.full((2, 3), 7, np.uint8)


def test_a_new_kind_of_files_is_one_more_part(tmp_path, monkeypatch):
    module = type(parts)("painted")
    module.PRIORITY, module.SUFFIXES = 30, (".paint",)
    module.takes = lambda start: start == b"paint"
    module.open_file = _Painted
    (tmp_path / "a.paint").write_bytes(b"paint")
    readers = (parts.make_part(module, Reader), *images._readers())
    monkeypatch.setattr(images, "_readers", lambda: readers)
    assert open_image(tmp_path / "a.paint").read().tolist() == [[[7]] * 3] * 2
    assert open_image(tmp_path / "a.paint").num_pages == 1
