"""Volumes of patients: millilitres, lesions in three dimensions, surfaces of two dates."""

import csv

import numpy as np
import pytest
from scipy import ndimage

from maskwright.measurement.measure import measure
from maskwright.measurement.output.text import to_text
from maskwright.measurement.series import MeasureOptions
from maskwright.measurement.volumes import LesionCounter

nib = pytest.importorskip("nibabel")


@pytest.mark.parametrize("density", [0.02, 0.1, 0.3])
def test_lesions_are_those_of_scipy_with_26_neighbours(density):
    inside_DHW = np.random.default_rng(6).random((9, 14, 12)) < density
    lesions = LesionCounter()
    for inside_HW in inside_DHW:
        lesions.add(np.ascontiguousarray(inside_HW))
    numbers, num = ndimage.label(inside_DHW, np.ones((3, 3, 3)))
    expected = np.bincount(numbers.ravel())[1:]
    assert len(lesions.list_sizes()) == num
    assert sorted(lesions.list_sizes()) == sorted(expected.tolist())


def save(path, values):
    path.parent.mkdir(exist_ok=True)
    image = nib.Nifti1Image(values, np.diag([2.0, 1.0, 5.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def test_a_patient_has_millilitres_lesions_and_distances_between_two_dates(tmp_path):
    now, before = np.zeros((2, 12, 10, 6), np.uint8)
    now[2:6, 2:6, 1:3] = 1  # 32 voxels of 10 mm3
    now[8, 8, 5] = 1
    before[2:6, 2:6, 1:2] = 1
    save(tmp_path / "now/p.nii.gz", now)
    save(tmp_path / "before/p.nii.gz", before)
    (tmp_path / "classes.txt").write_text("0 background\n1 lesion\n")
    options = MeasureOptions(before=tmp_path / "before", spec=tmp_path / "classes.txt")
    results = measure(tmp_path / "now", options, out=tmp_path / "out")
    ((file, classes),) = results.volumes.items()
    lesion = classes["lesion"]
    assert file.endswith("p.nii.gz")
    assert (lesion.ml, lesion.lesions) == (pytest.approx(0.33), 2)
    assert (lesion.largest_lesion_ml, lesion.ml_before) == (
        pytest.approx(0.32),
        pytest.approx(0.16),
    )
    assert lesion.change_ml == pytest.approx(0.17)
    assert lesion.hd95_mm >= 5.0  # the new slice lies 5 mm above
    assert "p.nii.gz: lesion 0.33 ml in 2 lesions, the largest 0.32 ml; 0.16 ml before" in (
        to_text(results)
    )
    with (tmp_path / "out/volumes.csv").open() as table:
        rows = {row["class"]: row for row in csv.DictReader(table)}
    assert float(rows["lesion"]["change_ml"]) == pytest.approx(0.17)
    assert results.to_json()["volumes"][file]["lesion"]["lesions"] == 2
