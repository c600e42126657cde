"""DICOM series and their masks: paired by the series or by its files; volumes in scores."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.check.audit import audit
from maskwright.data.dataset import open_as_is
from maskwright.data.pixels.images import open_image
from maskwright.evaluation.volumes import find_volumes
from maskwright.measurement.volumes import find_slices
from maskwright.metrics.family import ScoreDetail

from ...dicoms import save_series

SHAPE = 4, 5, 7
RNG = np.random.default_rng(1)
LABELS = RNG.integers(0, 3, SHAPE).astype(np.uint8)
VALUES = RNG.integers(-1000, 2000, SHAPE).astype(np.int16)


def names(k):
    """Another order by name than by position."""
    return f"IM{3 * k % 5:02}"


def save_nifti(path, labels_DHW, shift_mm=0.0):
    """The labels as dcm2niix stores volumes: to the left, the back and the head."""
    affine = np.array([[-0.7, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])
    affine[0, 3] += shift_mm
    image = nib.Nifti1Image(labels_DHW.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(exist_ok=True)
    nib.save(image, path)


def read_labels(root):
    dataset = open_as_is(root)
    slices = [dataset.entries[index].image.page for index in range(len(dataset))]
    return dataset, np.stack([dataset.labels(index) for index in np.argsort(slices)])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_mask_belongs_to_the_series_of_its_name(tmp_path, suffix):
    save_series(tmp_path / "images" / "p1", VALUES, names=names)
    save_nifti(tmp_path / "masks" / f"p1{suffix}", LABELS)
    dataset, labels_DHW = read_labels(tmp_path)
    assert (dataset.keys[0], set(dataset.groups)) == ("p1__0000", {"p1"})
    np.testing.assert_array_equal(labels_DHW, LABELS)
    dataset.require_one_place()


def test_a_nifti_mask_that_lies_elsewhere_is_refused(tmp_path):
    save_series(tmp_path / "images" / "p1", VALUES, names=names)
    save_nifti(tmp_path / "masks" / "p1.nii", LABELS, shift_mm=1.4)
    with pytest.raises(DataError, match=r"is shifted by 2 px \(1.4 mm\).*--align"):
        open_as_is(tmp_path).require_one_place()


def test_a_folder_of_dicom_masks_belongs_to_the_series_of_its_name(tmp_path):
    save_series(tmp_path / "images" / "p1", VALUES, names=names)
    save_series(tmp_path / "masks" / "p1", LABELS, series="1.2.3.4")
    dataset, labels_DHW = read_labels(tmp_path)
    np.testing.assert_array_equal(labels_DHW, LABELS)
    dataset.require_one_place()


def test_masks_with_the_names_of_slice_files_belong_to_those_slices(tmp_path):
    save_series(tmp_path / "images", VALUES, names=names)
    (tmp_path / "masks").mkdir()
    for k in range(4):
        Image.fromarray(LABELS[k]).save(tmp_path / "masks" / f"{names(k)}.png")
    dataset, labels_DHW = read_labels(tmp_path)
    assert dataset.keys == tuple(sorted(map(names, range(4))))
    assert len(set(dataset.groups)) == 1  # the slices of a patient stay together
    np.testing.assert_array_equal(labels_DHW, LABELS)


def test_check_names_the_series_and_finds_nothing_wrong(tmp_path):
    save_series(tmp_path / "images" / "p1", VALUES, names=names)
    square = np.zeros(SHAPE, np.uint8)
    square[:, 1:4, 2:6] = 1
    save_nifti(tmp_path / "masks" / "p1.nii", square)
    found = audit(tmp_path)
    assert any(note.startswith("1 series of DICOM, 4 slices") for note in found.notes)
    assert not found.harmful


def test_a_series_is_a_volume_in_scores_and_measurements(tmp_path):
    save_series(tmp_path / "images" / "p1", VALUES, names=names)
    save_nifti(tmp_path / "masks" / "p1.nii", LABELS)
    dataset = open_as_is(tmp_path)
    files = {entry.key: open_image(entry.image) for entry in dataset.entries}
    groups = {entry.key: entry.group for entry in dataset.entries}
    for found in (find_volumes(files, groups, ScoreDetail()), find_slices(files, files)):
        assert [found[f"p1__{k:04}"].index for k in range(4)] == [0, 1, 2, 3]
        first = found["p1__0000"]
        assert (first.count, first.spacing_mm_DHW) == (4, (3.0, 0.5, 0.7))
        assert first.volume == str(tmp_path / "images" / "p1")
