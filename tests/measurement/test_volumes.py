"""Volumes of patients: millilitres, lesions in three dimensions, surfaces of two dates."""

import csv

import numpy as np
import pytest
from scipy import ndimage

from maskwright.core.errors import DataError
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
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
    path.parent.mkdir(parents=True, exist_ok=True)
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
    assert classes["background"].ml == pytest.approx(6.87)  # 720 voxels but for 33
    assert classes["background"].lesions is None
    assert lesion.hd95_mm >= 5.0  # the new slice lies 5 mm above
    assert "p.nii.gz: lesion 0.33 ml in 2 lesions, the largest 0.32 ml; 0.16 ml before" in (
        to_text(results)
    )
    with (tmp_path / "out/volumes.csv").open() as table:
        rows = {row["class"]: row for row in csv.DictReader(table)}
    assert float(rows["lesion"]["change_ml"]) == pytest.approx(0.17)
    assert results.to_json()["volumes"][file]["lesion"]["lesions"] == 2


@pytest.fixture
def model(painted_bundle, tmp_path):
    """Says class k where a pixel holds k."""
    names = ("background", "lesion", "organ", "bone")
    return open_model(painted_bundle(tmp_path / "model/bundle", channels=1, names=names).root)


def draw_patient(shift):
    """A lesion of 8 x 8 x 2 voxels and one of a single voxel."""
    voxels = np.zeros((20, 18, 7), np.uint8)
    voxels[2 + shift : 10 + shift, 3:11, 2:4] = 1
    voxels[18, 16, 6] = 1
    return voxels


def test_volumes_that_predict_wrote_have_millilitres_lesions_and_distances(model, tmp_path):
    for name, shift in (("p1", 1), ("p2", 3)):
        save(tmp_path / f"now/{name}.nii.gz", draw_patient(shift))
        save(tmp_path / f"before/{name}.nii.gz", draw_patient(0))
    for date in ("now", "before"):
        predict(model, [tmp_path / date], tmp_path / f"out-{date}")
    before = MeasureOptions(before=tmp_path / "out-before/classes")
    results = measure(tmp_path / "out-now/classes", before, out=tmp_path / "measured")
    assert [file.rpartition("/")[2] for file in results.volumes] == ["p1.nii.gz", "p2.nii.gz"]
    for classes, shift in zip(results.volumes.values(), (1, 3), strict=True):
        lesion = classes["lesion"]
        assert lesion.ml == lesion.ml_before == pytest.approx((128 + 1) * 0.01)
        assert (lesion.lesions, lesion.largest_lesion_ml) == (2, pytest.approx(1.28))
        assert lesion.hd95_mm == pytest.approx(2.0 * shift)  # voxels are 2 mm wide along x
        assert 0 < lesion.assd_mm < lesion.hd95_mm


def test_slices_of_a_series_that_predict_wrote_are_measured_with_its_headers(model, tmp_path):
    pytest.importorskip("highdicom")
    from ..dicoms import save_series

    save_series(tmp_path / "scans/ct", np.moveaxis(draw_patient(0), 2, 0))
    predict(model, [tmp_path / "scans"], tmp_path / "out")
    options = MeasureOptions(images=tmp_path / "scans")
    ((file, classes),) = measure(tmp_path / "out/classes", options).volumes.items()
    assert file.endswith("ct")
    assert classes["lesion"].ml == pytest.approx(129 * 3 * 0.5 * 0.7 / 1000)
    assert classes["lesion"].lesions == 2
    with pytest.raises(DataError, match=r"dicom_seg: .*measure out/classes .*--images"):
        measure(tmp_path / "out/dicom_seg")
