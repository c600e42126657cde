"""The baseline of a Bundle: the validation images, observed as `predict` observes images."""

import pytest

from maskwright.core.bundle import BASELINE, find_baseline
from maskwright.core.observation import ENCODER, read_observations
from maskwright.data.dataset import open_dataset
from maskwright.export.bundle import export_model
from maskwright.inference.observe import observe
from maskwright.inference.outputs import PredictedImage
from maskwright.inference.predictor import open_model


@pytest.mark.slow
def test_the_bundle_has_the_observations_of_the_validation_images(finished, street, tmp_path):
    run, _ = finished
    rows = list(read_observations(find_baseline(run.root)))
    val = open_dataset(street).subset("val")
    assert [row.key for row in rows] == list(val.keys)
    model = open_model(run.bundle.root)
    image_HWC = val.image(0)
    predicted = PredictedImage(
        key=val.keys[0], image_HWC=image_HWC, prediction=model.predict(image_HWC)
    )
    again = observe(predicted, model.card.input)
    assert (rows[0].model, rows[0].source) == (again.model, "")  # no image shares a group
    assert ENCODER in again.families
    for family, values in again.families.items():
        assert rows[0].families[family] == pytest.approx(values, abs=0.02)
    again = export_model(run.bundle.root, tmp_path / "again", to="onnx")
    assert again.sha256[BASELINE] == run.bundle.sha256[BASELINE]
