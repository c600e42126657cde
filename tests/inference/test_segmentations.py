"""predict on DICOM: a DICOM-SEG comes out that highdicom reads, with references and names."""

import shutil

import numpy as np
import pytest

from maskwright.core.results import read_manifest
from maskwright.core.scores import mean_iou
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.score import score
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model

highdicom = pytest.importorskip("highdicom")

from tests.dicoms import read, save_enhanced, save_series  # noqa: E402 - needs pydicom

NAMES = ("background", "liver", "left kidney", "spleen")


@pytest.fixture
def model(painted_bundle, tmp_path):
    """Says class k where a pixel holds k."""
    bundle = painted_bundle(tmp_path / "model/bundle", channels=1, names=NAMES)
    return open_model(bundle.root)


@pytest.fixture
def values_DHW():
    values = np.random.default_rng(3).integers(0, 4, (5, 8, 10)).astype(np.uint8)
    values[0] = 0  # a slice of background alone has no frame
    values[:, :, :2] = 0
    return values


def list_labels(segmentation):
    numbers = segmentation.segment_numbers
    return [segmentation.get_segment_description(n).segment_label for n in numbers]


def test_a_series_comes_out_as_a_segmentation_with_references(model, values_DHW, tmp_path):
    paths = save_series(tmp_path / "scans/ct", values_DHW, names=lambda k: f"{9 - k}.dcm")
    predict(model, [tmp_path / "scans"], tmp_path / "out")
    segmentation = highdicom.seg.segread(tmp_path / "out/dicom_seg/ct.dcm")
    assert list_labels(segmentation) == ["liver", "left kidney", "spleen"]
    heads = [read(path) for path in paths]
    uids = [head.SOPInstanceUID for head in heads]
    assert {uid for _, _, uid in segmentation.get_source_image_uids()} == set(uids)
    found = segmentation.get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(found, values_DHW)
    for keyword in ("StudyInstanceUID", "PatientID", "FrameOfReferenceUID"):
        assert segmentation[keyword] == heads[0][keyword]
    assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
    assert model.model_id in str(segmentation.SegmentSequence[0])
    assert read_manifest(tmp_path / "out").files["dicom_seg"] == 1


def test_the_same_prediction_has_the_same_uids(model, values_DHW, tmp_path):
    save_series(tmp_path / "scans/ct", values_DHW)
    uids = []
    for name in ("a", "b"):
        predict(model, [tmp_path / "scans"], tmp_path / name, write=("classes",))
        uids.append(read(tmp_path / name / "dicom_seg/ct.dcm").SOPInstanceUID)
    assert uids[0] == uids[1]


def test_frames_of_an_enhanced_image_keep_their_order(model, values_DHW, tmp_path):
    positions = [(-10, -20, 3.0 * k) for k in (4, 3, 2, 1, 0)]
    save_enhanced(tmp_path / "mr.dcm", values_DHW, positions)
    predict(model, [tmp_path / "mr.dcm"], tmp_path / "out")
    segmentation = highdicom.seg.segread(tmp_path / "out/dicom_seg/mr.dcm")
    uid = read(tmp_path / "mr.dcm").SOPInstanceUID
    found = segmentation.get_pixels_by_source_frame(
        uid, range(1, 6), combine_segments=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(found, values_DHW)


def test_a_lone_anonymised_image_has_one_too(model, values_DHW, tmp_path):
    def anonymise(_, head):
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
            del head[keyword]

    (path,) = save_series(tmp_path / "scans", values_DHW[1:2], change=anonymise)
    predict(model, [path], tmp_path / "out")
    segmentation = highdicom.seg.segread(tmp_path / "out/dicom_seg/000.dcm")
    found = segmentation.get_pixels_by_source_instance(
        [read(path).SOPInstanceUID], combine_segments=True
    )
    np.testing.assert_array_equal(found[0], values_DHW[1])


def test_segmentations_are_the_labels_of_a_dataset_without_a_pixel_of_difference(
    model, values_DHW, tmp_path
):
    root = tmp_path / "data"
    save_series(root / "images/ct", values_DHW)
    predict(model, [root / "images"], tmp_path / "out")
    (root / "seg").mkdir()
    shutil.copy(tmp_path / "out/dicom_seg/ct.dcm", root / "seg")
    dataset = open_dataset(root)
    assert dataset.format == "dicom_seg"
    names = np.array(dataset.spec.names)
    assert len(dataset) == 5
    for index, entry in enumerate(dataset.entries):
        found = names[dataset.labels(index)]
        np.testing.assert_array_equal(found, np.array(NAMES)[dataset.image(index)[..., 0]])
        assert (dataset.image(index)[..., 0] == values_DHW[entry.image.page]).all()
    report = score(tmp_path / "out/dicom_seg", root)
    assert report.confusion.counts_CC.sum() == values_DHW.size
    assert mean_iou(report.confusion) == 1.0


def test_an_image_without_a_study_keeps_its_class_maps_and_is_named(
    model, values_DHW, tmp_path
):
    def forget(_, head):
        del head["StudyInstanceUID"]

    save_series(tmp_path / "scans/ct", values_DHW, change=forget)
    summary = predict(model, [tmp_path / "scans"], tmp_path / "out")
    assert not (tmp_path / "out/dicom_seg").exists()
    assert len(list((tmp_path / "out/classes").rglob("*.png"))) == 5
    assert summary.remarks[-1].startswith("1 image or series without a DICOM-SEG (ct): ")
    assert "no attribute 'StudyInstanceUID'" in summary.remarks[-1]
