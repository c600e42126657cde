"""Gzipped files are unpacked once while they fit into the limit."""

import gzip
import zlib

import nibabel as nib
import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.pixels import gunzip, nifti
from maskwright.data.pixels.gunzip import UnpackedFiles
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import read_image

RNG = np.random.default_rng(8)


@pytest.fixture
def files(tmp_path):
    """Four gzipped files of 100 bytes."""
    paths = [tmp_path / f"{name}.gz" for name in "abcd"]
    for number, path in enumerate(paths):
        path.write_bytes(gzip.compress(bytes([number]) * 100))
    return paths


@pytest.fixture
def unpacked(monkeypatch):
    """The names of the files that were unpacked, in order."""
    names = []

    def count(file, num_bytes, unpack=gunzip.unpack):
        names.append(file.name)
        return unpack(file, num_bytes)

    monkeypatch.setattr(gunzip, "unpack", count)
    monkeypatch.setattr(nifti, "unpacked_files", UnpackedFiles())
    return names


def test_the_file_that_was_used_first_makes_room(files, unpacked):
    kept = UnpackedFiles(250)
    for number in (0, 1, 0, 2, 0, 1):
        assert kept.read(files[number], 100).tolist() == [number] * 100
    assert unpacked == ["a.gz", "b.gz", "c.gz", "b.gz"]


def test_a_file_beyond_the_limit_is_not_kept_and_a_changed_one_is_unpacked_again(
    files, unpacked
):
    kept = UnpackedFiles(100)
    assert kept.read(files[0], 101) is None
    kept.read(files[0], 100)
    files[0].write_bytes(gzip.compress(b"\7" * 120))
    assert kept.read(files[0], 100).tolist() == [7] * 100
    assert unpacked == ["a.gz", "a.gz"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: data[:-12], EOFError),
        (lambda data: data[:-8] + b"\0\0\0\0" + data[-4:], OSError),
        (lambda data: data[:10] + b"\xff" * 10 + data[20:], zlib.error),
    ],
    ids=["cut", "checksum", "damaged"],
)
def test_damage_is_an_error(files, change, error):
    files[0].write_bytes(change(gzip.compress(RNG.bytes(100))))
    with pytest.raises(error):
        gunzip.unpack(files[0], 100)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_is_unpacked_once_and_gives_the_slices_of_the_plain_file(
    tmp_path, unpacked, axis
):
    values = RNG.integers(-500, 500, (5, 6, 7)).astype(np.int16)
    zooms = np.ones(3)
    zooms[axis] = 4
    image = nib.Nifti1Image(values, np.diag([-zooms[0], zooms[1], zooms[2], 1.0]))
    image.header.set_xyzt_units("mm")
    paths = [tmp_path / "a.nii", tmp_path / "a.nii.gz"]
    for path in paths:
        nib.save(image, path)
    for page in range(values.shape[axis]):
        plain, packed = (read_image(ImageRef(path, page)) for path in paths)
        np.testing.assert_array_equal(plain, packed)
    assert unpacked == ["a.nii.gz"]


def test_a_volume_beyond_the_limit_is_read_slice_by_slice(tmp_path, unpacked, monkeypatch):
    values = RNG.integers(0, 9, (5, 6, 7)).astype(np.uint8)
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    whole = [read_image(ImageRef(path, page)) for page in range(7)]
    monkeypatch.setattr(nifti, "unpacked_files", UnpackedFiles(100))
    sliced = [read_image(ImageRef(path, page)) for page in range(7)]
    np.testing.assert_array_equal(whole, sliced)
    assert unpacked == ["a.nii.gz"]


def test_a_volume_that_is_cut_short_is_named(tmp_path):
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(RNG.integers(0, 99, (9, 9, 9)).astype(np.uint8), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.nii\.gz: the volume is cut short or damaged"):
        read_image(ImageRef(path, 0))
