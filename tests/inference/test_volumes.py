"""predict on NIfTI volumes: one volume comes out, which lies voxel by voxel on its source."""

import gzip
import itertools
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from maskwright.core import InputSpec
from maskwright.core.results import WriteMode, read_manifest
from maskwright.core.scores import mean_iou
from maskwright.data.classmaps import open_class_maps
from maskwright.evaluation.score import ScoreOptions, score
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model

AFFINE = np.array(
    [[0.5, 0.02, 0, 10], [0, 0.7, 0.01, -3], [0.01, 0, 3, 7], [0, 0, 0, 1]], np.float64
)


@pytest.fixture
def model(painted_bundle, tmp_path):
    """Says class k where a voxel holds k."""
    return open_model(painted_bundle(tmp_path / "model/bundle", channels=1).root)


def make_volume(shape=(4, 5, 6), affine=AFFINE, kind=nib.Nifti1Image):
    values = np.random.default_rng(3).integers(0, 4, shape).astype(np.uint8)
    image = kind(values, affine)
    image.set_sform(affine, 2)
    image.header["qform_code"] = 1
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"Jane Doe, 1970"
    return image


def save(image, path):
    path.parent.mkdir(exist_ok=True, parents=True)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_volume_comes_out_with_the_affine_and_the_codes_of_its_source(
    model, tmp_path, name, kind
):
    source = make_volume(kind=kind)
    path = save(source, tmp_path / "scans" / name)
    predict(model, [tmp_path / "scans"], tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out/classes").iterdir()) == [
        name,
        "dataset.yaml",
    ]
    written, original = nib.load(tmp_path / "out/classes" / name), nib.load(path)
    assert type(written) is kind
    np.testing.assert_array_equal(written.affine, original.affine)
    for field in ("dim", "pixdim", "qform_code", "sform_code", "xyzt_units", "srow_x"):
        np.testing.assert_array_equal(written.header[field], original.header[field])
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(source.dataobj))
    assert written.get_data_dtype() == np.uint8
    assert written.header["descrip"].item() == b""  # it may name a patient


def test_labels_lie_on_their_voxels_in_whatever_order_voxels_are_stored(model, tmp_path):
    image = make_volume()
    orders = [
        axes
        for order in itertools.product("RL", "AP", "SI")
        for axes in itertools.permutations(order)
    ]
    for axes in orders:
        turn = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
        )
        save(image.as_reoriented(turn), tmp_path / f"scans/{''.join(axes)}.nii")
    predict(model, [tmp_path / "scans"], tmp_path / "out", write=("classes",))
    for axes in orders:
        written = nib.load(tmp_path / f"out/classes/{''.join(axes)}.nii")
        assert nib.aff2axcodes(written.affine) == axes
        upright = nib.as_closest_canonical(written)
        np.testing.assert_array_equal(np.asarray(upright.dataobj), np.asarray(image.dataobj))


def test_confidence_is_a_volume_of_shares(model, tmp_path):
    path = save(make_volume(), tmp_path / "a.nii.gz")
    predict(model, [path], tmp_path / "out")
    written = nib.load(tmp_path / "out/confidence/a.nii.gz")
    confidence = written.get_fdata()
    assert confidence.shape == (4, 5, 6)
    assert 0.25 < confidence.min() <= confidence.max() <= 1
    np.testing.assert_array_equal(written.affine, nib.load(path).affine)


def test_predictions_of_a_perfect_model_score_100_percent_on_every_volume(model, tmp_path):
    for name in ("p1.nii.gz", "p2.nii"):
        save(make_volume(), tmp_path / "scans" / name)
    predict(model, [tmp_path / "scans"], tmp_path / "out")
    maps = open_class_maps(tmp_path / "out/classes")
    assert set(maps.files) == {
        f"{name}/{page:04}" for name in ("p1.nii.gz", "p2.nii") for page in range(6)
    }
    options = ScoreOptions(spec=maps.root / "dataset.yaml")
    report = score(tmp_path / "out/classes", tmp_path / "scans", options=options)
    assert mean_iou(report.confusion) == 1.0


def test_a_single_slice_is_a_volume_of_one_slice(model, tmp_path):
    for name in ("one.nii.gz", "flat.nii"):
        save(make_volume((4, 5, 1)), tmp_path / "scans" / name)
    predict(model, [tmp_path / "scans"], tmp_path / "out", write=("classes",))
    for name in ("one.nii.gz", "flat.nii"):
        written, source = (
            nib.load(folder / name) for folder in (tmp_path / "out/classes", tmp_path / "scans")
        )
        np.testing.assert_array_equal(written.dataobj, source.dataobj)


def test_pixels_without_data_are_255_in_the_volume(model, tmp_path):
    spec = InputSpec(channels=1, mean=(0.0,), std=(255.0,), kind="ct", max_value=65535)
    model = replace(model, card=replace(model.card, input=spec))
    values = np.zeros((4, 5, 6), np.float32)
    values[1, 2, 3] = np.nan
    save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    predict(model, [tmp_path / "a.nii"], tmp_path / "out", write=("classes",))
    written = np.asarray(nib.load(tmp_path / "out/classes/a.nii").dataobj)
    assert np.argwhere(written == 255).tolist() == [[1, 2, 3]]


def test_a_volume_of_which_slices_fail_is_not_written_and_named(model, tmp_path):
    save(make_volume(), tmp_path / "scans/good.nii")
    raw = save(make_volume(), tmp_path / "scans/cut.nii.gz")
    packed = gzip.compress(np.random.default_rng(0).bytes(1 << 12) + raw.read_bytes())
    raw.write_bytes(raw.read_bytes()[:-12] + packed[-12:])  # the end does not unpack
    summary = predict(model, [tmp_path / "scans"], tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out/classes").iterdir())
    assert names == ["dataset.yaml", "good.nii"]
    assert summary.failed
    assert (
        "1 volume not written, as slices could not be predicted: cut.nii.gz"
        in (summary.remarks[-1])
    )
    assert read_manifest(tmp_path / "out").files["classes"] == 2


def test_an_interrupted_prediction_goes_on_and_writes_the_same_volume(
    model, tmp_path, monkeypatch
):
    save(make_volume(), tmp_path / "scans/a.nii.gz")
    predict(model, [tmp_path / "scans"], tmp_path / "whole", write=("classes",))

    def stop(items, **_options):
        for number, item in enumerate(items):
            if number == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        predict(
            model, [tmp_path / "scans"], tmp_path / "out", write=("classes",), progress=stop
        )
    resume = WriteMode(resume=True)
    predict(model, [tmp_path / "scans"], tmp_path / "out", write=("classes",), mode=resume)
    whole, resumed = (
        (tmp_path / name / "classes/a.nii.gz").read_bytes() for name in ("whole", "out")
    )
    assert whole == resumed
    assert not list((tmp_path / "out").glob(".[!.]*slices"))


def test_a_format_of_a_labelling_tool_is_written_from_the_volume(model, tmp_path):
    save(make_volume(), tmp_path / "scans/a.nii.gz")
    predict(model, [tmp_path / "scans"], tmp_path / "out", write=("mask_folder",))
    assert len(list((tmp_path / "out/mask_folder").rglob("*.png"))) == 6
    assert not (tmp_path / "out/classes").exists()


def test_the_manifest_says_what_was_written(model, tmp_path):
    save(make_volume(), tmp_path / "scans/a.nii.gz")
    predict(model, [tmp_path / "scans"], tmp_path / "out")
    assert read_manifest(tmp_path / "out").endings == {
        "classes": {".nii.gz": 1, ".yaml": 1},
        "confidence": {".nii.gz": 1},
        "overlay": {".png": 6},
    }
