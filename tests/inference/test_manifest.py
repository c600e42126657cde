"""results.json of predict names the model, and the engine and precision that ran it."""

import json

import numpy as np
from PIL import Image

from maskwright.core.results import MANIFEST, read_manifest
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model


def test_the_manifest_names_model_engine_and_precision(painted_bundle, tmp_path):
    model = open_model(painted_bundle(tmp_path / "b").root)
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "a.png")
    predict(model, [tmp_path / "a.png"], tmp_path / "out", write=("classes",))
    expected = {"id": model.model_id, "engine": "onnxruntime", "precision": "fp32"}
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["model"] == expected
    assert read_manifest(tmp_path / "out").model == expected
