"""The engine of a Bundle is measured once on a machine, and remembered there."""

import json
from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.bundle import PARITY, write_bundle
from maskwright.core.errors import BundleError
from maskwright.core.graph import Graph, Tolerance
from maskwright.inference.bench.bench import bench_model
from maskwright.inference.bench.fastest import (
    MANY_IMAGES,
    choose_fastest,
    choose_tolerance,
    measure_engine,
)
from maskwright.inference.engine import EngineOptions
from maskwright.inference.opening import open_ensemble
from maskwright.inference.predictor import open_model
from maskwright.inference.remembered import recall_engine, remember_engine

OPTIONS = EngineOptions(threads=1)


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Where choices are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/maskwright/engines"


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setattr("maskwright.inference.engines.torch.find_spec", lambda name: None)


def test_the_engine_is_measured_before_many_images_and_remembered(
    untrained_bundle, without_torch, kept
):
    few = open_ensemble(untrained_bundle.root, options=OPTIONS, num_images=MANY_IMAGES - 1)
    assert (few.engine.name, few.notes) == ("onnxruntime", ())
    many = open_ensemble(untrained_bundle.root, options=OPTIONS, num_images=MANY_IMAGES)
    (note,) = many.notes
    (file,) = kept.iterdir()
    found = json.loads(file.read_text())
    assert set(found["ms"]) == {"onnxruntime", "openvino"}
    assert many.engine.name == found["engine"] == choose_fastest(found["ms"])
    assert note.startswith(f"engine {many.engine.name}, by measuring here: ")
    # a second time nothing is measured, and whoever opens the Bundle gets the same engine
    again = open_ensemble(untrained_bundle.root, options=OPTIONS, num_images=MANY_IMAGES)
    assert (again.engine.name, again.notes) == (found["engine"], ())
    assert open_model(untrained_bundle.root, options=OPTIONS).engine.name == found["engine"]


def test_an_engine_that_is_named_is_taken_and_each_choice_holds_for_its_options(
    untrained_bundle,
):
    bundle = untrained_bundle
    remember_engine(bundle, OPTIONS, "openvino", {"openvino": 1.0})
    assert open_model(bundle.root, options=OPTIONS).engine.name == "openvino"
    assert open_model(bundle.root, options=OPTIONS, engine="torch").engine.name == "torch"
    assert recall_engine(bundle, replace(OPTIONS, precision="fp32")) == "openvino"
    assert recall_engine(bundle, replace(OPTIONS, precision="bf16")) is None
    assert recall_engine(bundle, EngineOptions(threads=2)) is None
    other = replace(bundle, sha256=dict(bundle.sha256) | {PARITY: "0" * 64})
    assert recall_engine(other, OPTIONS) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"engine": "no_such"}'])
def test_a_choice_that_cannot_be_read_is_forgotten(untrained_bundle, kept, content):
    remember_engine(untrained_bundle, OPTIONS, "openvino", {})
    (file,) = kept.iterdir()
    file.write_text(content)
    assert recall_engine(untrained_bundle, OPTIONS) is None


def test_nothing_is_measured_where_there_is_no_choice(
    untrained_bundle, untrained_checkpoint, painted_bundle, tmp_path
):
    without_images = painted_bundle(tmp_path / "painted")
    assert measure_engine(without_images.root, OPTIONS) is None
    assert measure_engine(untrained_checkpoint, OPTIONS) is None
    for options in (
        EngineOptions(precision="int8"),
        EngineOptions(device="cpu"),
        EngineOptions(providers=("CPUExecutionProvider",)),
    ):
        assert measure_engine(untrained_bundle.root, options) is None


def test_an_engine_that_gives_other_pixels_is_not_measured(untrained_bundle, tmp_path):
    with np.load(untrained_bundle.parity_inputs) as arrays:
        wrong = {k: -v if k.startswith("logits") else v for k, v in arrays.items()}
    np.savez(tmp_path / PARITY, **wrong)
    files = {name: untrained_bundle.file(name) for name in untrained_bundle.files}
    bundle = write_bundle(
        tmp_path / "wrong",
        untrained_bundle.card,
        files | {PARITY: tmp_path / PARITY},
        graphs=untrained_bundle.graphs,
    )
    with pytest.raises(BundleError, match=r"onnxruntime fp32: this engine disagrees with"):
        bench_model(bundle.root, engines=["onnxruntime"], tolerance=Tolerance())


def test_the_engine_of_higher_priority_wins_where_none_is_faster_by_a_twentieth():
    assert choose_fastest({"openvino": 100, "onnxruntime": 104, "torch": 101}) == "onnxruntime"
    assert choose_fastest({"openvino": 100, "onnxruntime": 106, "torch": 101}) == "torch"
    assert choose_fastest({"openvino": 100, "onnxruntime": 106, "torch": 300}) == "openvino"


def test_engines_of_a_graph_that_gives_labels_are_compared_by_pixels():
    logits = Graph(file="model.onnx", engine="onnxruntime")
    labels = replace(logits, tolerance=Tolerance(logit_ratio=1.0))
    assert choose_tolerance([logits], "fp32") == Tolerance(equal_pixel_share=0.9999)
    assert choose_tolerance([labels], "fp32") == Tolerance(
        logit_ratio=1.0, equal_pixel_share=0.9999
    )
    assert choose_tolerance([labels], "bf16").equal_pixel_share == 0.97
