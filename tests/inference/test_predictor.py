"""A model opens from a Bundle or a run, and predicts at the size of the image."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.errors import BundleError, DataError
from maskwright.inference.predictor import Predictor, open_model


@pytest.fixture
def painted(painted_bundle, tmp_path):
    def make(**card_choices):
        return open_model(painted_bundle(tmp_path / "bundle", **card_choices).root)

    return make


def checkerboard(height, width, *, num_classes=4, channels=3):
    index_HW = np.add.outer(np.arange(height) // 16, np.arange(width) // 16) % num_classes
    return np.repeat(index_HW.astype(np.uint8)[..., None], channels, axis=2)


def test_a_bundle_runs_on_onnx_runtime(painted):
    model = painted()
    assert model.engine.name == "onnxruntime"
    image = checkerboard(33, 50)
    prediction = model.predict(image, where="a")
    np.testing.assert_array_equal(prediction.labels_HW, image[..., 0])
    assert prediction.model_id == model.model_id
    assert (prediction.confidence_HW > 0.5).all()


@pytest.mark.parametrize("size_HW", [(33, 50), (1, 1), (64, 3)])
def test_the_prediction_has_the_size_of_the_image_whatever_the_network_sees(painted, size_HW):
    image = checkerboard(*size_HW)
    prediction = painted(scale_ratio=0.37).predict(image, where="a")
    assert prediction.labels_HW.shape == prediction.confidence_HW.shape == size_HW


@pytest.mark.parametrize("scale_ratio", [1.0, 0.37])
def test_labels_without_confidence_are_those_of_the_prediction(painted, scale_ratio):
    model, image = painted(scale_ratio=scale_ratio), checkerboard(45, 70)
    labels_HW = model.label(image)
    assert labels_HW.dtype == np.uint8
    assert (labels_HW != model.predict(image).labels_HW).mean() < 0.002  # equal logits
    if scale_ratio == 1:
        assert (labels_HW == image[..., 0]).all()


def test_half_scale_is_wrong_only_near_borders(painted):
    image = checkerboard(64, 96, num_classes=2)
    labels_HW = painted(names=("a", "b"), scale_ratio=0.5).predict(image, where="a").labels_HW
    wrong_HW = labels_HW != image[..., 0]
    inside = [0, 1, 2, 3, 12, 13, 14, 15]
    rows, columns = np.arange(64) % 16, np.arange(96) % 16
    far_HW = np.outer(~np.isin(rows, inside), ~np.isin(columns, inside))
    assert not wrong_HW[far_HW].any()


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channels_than_the_model_takes_are_refused(painted, channels):
    with pytest.raises(
        DataError, match=f"b.png: image has {channels} channels, the model takes 3"
    ):
        painted().predict(checkerboard(4, 4, channels=channels), where="b.png")


def test_other_bits_than_the_model_takes_are_refused(painted):
    with pytest.raises(DataError, match=r"b\.png: image holds uint16, the model takes uint8"):
        painted().predict(checkerboard(4, 4).astype(np.uint16), where="b.png")


def test_a_model_with_nan_logits_is_named(painted_card, engine_from):
    def broken(image_BCHW):
        return np.full((1, 4, *image_BCHW.shape[2:]), np.nan, np.float32)

    model = Predictor(engine_from(broken), painted_card(), "0123456789abcdef")
    with pytest.raises(
        BundleError, match=r"b\.png: model 0123456789abcdef produced NaN or infinite logits"
    ):
        model.predict(checkerboard(4, 4), where="b.png")


def test_a_run_runs_on_torch_and_agrees_with_its_bundle(
    untrained_checkpoint, untrained_bundle, photographs, tmp_path
):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/best").symlink_to(untrained_checkpoint)
    run, bundle = open_model(tmp_path / "run"), open_model(untrained_bundle.root)
    assert run.engine.name == "torch"
    assert open_model(untrained_checkpoint).model_id == run.model_id == bundle.model_id
    for image in photographs:
        one, other = (m.predict(image, where="a") for m in (run, bundle))
        assert (one.labels_HW == other.labels_HW).mean() > 0.999
        np.testing.assert_allclose(one.confidence_HW, other.confidence_HW, atol=1e-3)


def test_a_temperature_changes_the_confidence_and_no_label(painted):
    image, model = checkerboard(33, 50), painted(scale_ratio=0.37)
    warm = replace(model, card=replace(model.card, temperature=2.0))
    one, other = (m.predict(image, where="a") for m in (model, warm))
    np.testing.assert_array_equal(one.labels_HW, other.labels_HW)
    assert (other.confidence_HW < one.confidence_HW).all()
    logits = (m.logits(image, where="a").values_Khw for m in (model, warm))
    np.testing.assert_array_equal(*logits)


def test_a_prediction_is_the_decision_on_the_logits(painted):
    image, model = checkerboard(33, 50), painted(scale_ratio=0.37)
    logits = model.logits(image, where="a")
    assert logits.values_Khw.shape == (4, *model.card.input.network_size((33, 50)))
    decision = model.decide(logits, image, where="a")
    prediction = model.predict(image, where="a")
    np.testing.assert_array_equal(decision.labels_HW, prediction.labels_HW)
    np.testing.assert_array_equal(decision.confidence_HW, prediction.confidence_HW)


def test_many_images_are_predicted_in_batches_of_equal_size_and_in_order(painted, engine_from):
    sizes = [(20, 30)] * 5 + [(8, 9)] + [(20, 30)] * 2
    images = [np.roll(checkerboard(*size), 3 * i, axis=0) for i, size in enumerate(sizes)]
    model = painted()
    batches = []

    def run(x_BCHW):
        batches.append(x_BCHW.shape)
        return model.engine(x_BCHW)

    spied = replace(model, engine=engine_from(run, max_batch=3))
    found = list(spied.predict_many(iter(images)))
    assert [batch[0] for batch in batches] == [3, 2, 1, 2]
    for image, many in zip(images, found, strict=True):
        one = model.predict(image)
        np.testing.assert_array_equal(many.labels_HW, one.labels_HW)
        np.testing.assert_allclose(many.confidence_HW, one.confidence_HW, atol=1e-4)
        assert many.model_id == model.model_id


def test_a_batch_holds_fewer_large_images(painted, engine_from, monkeypatch):
    monkeypatch.setattr("maskwright.inference.predictor._MAX_BATCH_PX", 1300)
    model, batches = painted(), []

    def run(x_BCHW):
        batches.append(len(x_BCHW))
        return model.engine(x_BCHW)

    spied = replace(model, engine=engine_from(run, max_batch=8))
    assert len(list(spied.predict_many([checkerboard(20, 30)] * 5))) == 5
    assert batches == [2, 2, 1]


def test_many_images_are_named_by_their_index_in_errors(painted):
    images = [checkerboard(4, 4), checkerboard(4, 4, channels=2)]
    with pytest.raises(DataError, match="image 1: image has 2 channels, the model takes 3"):
        list(painted().predict_many(images))
    assert list(painted().predict_many([])) == []


def test_sizes_that_an_engine_cannot_take_are_padded_or_refused(painted, engine_from):
    image, model = checkerboard(33, 50), painted()
    shapes = []

    def run(x_BCHW):
        shapes.append(x_BCHW.shape[2:])
        return model.engine(x_BCHW)

    padded = replace(model, engine=engine_from(run, size_multiple=32))
    np.testing.assert_array_equal(*(m.logits(image).values_Khw for m in (padded, model)))
    assert shapes == [(64, 64)]
    static = replace(model, engine=engine_from(run, size_HW=(32, 32)))
    assert static.predict(checkerboard(32, 32)).labels_HW.shape == (32, 32)
    with pytest.raises(DataError, match=r"b\.png: engine 'painted' runs images of \(32, 32\)"):
        static.predict(image, where="b.png")


def test_too_little_memory_names_the_image_and_its_size(painted_card, engine_from):
    def hungry(image_BCHW):
        raise MemoryError

    model = Predictor(engine_from(hungry), painted_card(), "0123456789abcdef")
    with pytest.raises(
        DataError, match=r"b\.png: 4 x 6 px .* need more memory than is available"
    ):
        model.predict(checkerboard(4, 6), where="b.png")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "not a model: neither a bundle"),
        (["recipe.yaml"], "this run has no checkpoint yet"),
        (["card.json"], "card.json: not valid JSON"),
        (["best/card.json"], "card.json: not valid JSON"),
    ],
)
def test_a_folder_that_is_not_a_model_is_refused_with_what_is_missing(tmp_path, files, reason):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(BundleError, match=reason) as caught:
        open_model(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_folder_and_a_file_have_their_own_messages(tmp_path):
    with pytest.raises(BundleError, match="none: no such folder; give a bundle or a run"):
        open_model(tmp_path / "none")
    (tmp_path / "model.onnx").touch()
    with pytest.raises(
        BundleError, match="an ONNX file; make a bundle of it by `maskwright im"
    ):
        open_model(tmp_path / "model.onnx")
    (tmp_path / "weights.txt").touch()
    with pytest.raises(BundleError, match="a file, expected the folder of a bundle or a run"):
        open_model(tmp_path / "weights.txt")


def test_a_checkpoint_without_or_with_foreign_weights_is_refused(
    untrained_checkpoint, tmp_path
):
    shutil.copy(untrained_checkpoint / "card.json", tmp_path)
    with pytest.raises(BundleError, match=r"weights\.safetensors: missing"):
        open_model(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"no tensors")
    with pytest.raises(
        BundleError, match=r"weights\.safetensors: not the weights of this pspnet"
    ):
        open_model(tmp_path)
