"""The engine of a model: the best one available, or the one that is named."""

from dataclasses import replace

import pytest

from maskwright.core.bundle import GRAPH, write_bundle
from maskwright.core.errors import (
    BundleError,
    ConfigError,
    MissingDependencyError,
    UnknownNameError,
)
from maskwright.inference.engine import EngineOptions
from maskwright.inference.predictor import open_model


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setattr("maskwright.inference.engines.torch.find_spec", lambda name: None)


def test_a_bundle_runs_on_the_engine_that_is_named(untrained_bundle):
    assert open_model(untrained_bundle.root).engine.name == "onnxruntime"
    assert open_model(untrained_bundle.root, engine="torch").engine.name == "torch"


def test_an_unknown_engine_is_answered_with_those_there_are(untrained_bundle):
    with pytest.raises(UnknownNameError, match=r"'onnx_runtime'; did you mean 'onnxruntime'"):
        open_model(untrained_bundle.root, engine="onnx_runtime")


def test_an_engine_for_which_there_is_no_file_is_refused(untrained_checkpoint):
    with pytest.raises(BundleError) as caught:
        open_model(untrained_checkpoint, engine="onnxruntime")
    assert str(caught.value) == (
        f"{untrained_checkpoint}: no file for precision fp32: engine 'onnxruntime' runs "
        f"*.onnx; the model holds weights.safetensors (fp32); choose another engine or "
        f"precision, or export the model for it"
    )


def test_an_engine_that_is_not_installed_is_refused_with_the_command(
    untrained_bundle, untrained_checkpoint, without_torch
):
    message = r"torch is not installed; run: pip install 'maskwright\[train\]'"
    with pytest.raises(MissingDependencyError, match=message):
        open_model(untrained_checkpoint)
    with pytest.raises(MissingDependencyError, match=message):
        open_model(untrained_bundle.root, engine="torch")
    assert open_model(untrained_bundle.root).engine.name == "onnxruntime"


def test_precision_selects_an_engine_that_has_it(untrained_bundle, photographs):
    half = open_model(untrained_bundle.root, options=EngineOptions(precision="bf16"))
    assert half.engine.name == "torch"
    full = open_model(untrained_bundle.root)
    same = half.predict(photographs[0]).labels_HW == full.predict(photographs[0]).labels_HW
    assert same.mean() > 0.95
    vino = EngineOptions(precision="bf16", threads=1)
    assert (
        open_model(untrained_bundle.root, engine="openvino", options=vino).engine.precision
        == "bf16"
    )
    with pytest.raises(BundleError, match="no file for precision int8"):
        open_model(untrained_bundle.root, options=EngineOptions(precision="int8"))
    with pytest.raises(ConfigError, match="precision 'fp16' needs device 'cuda', got 'cpu'"):
        open_model(untrained_bundle.root, options=EngineOptions(precision="fp16", device="cpu"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threads": 0}, "threads is 0; use 1 or more"),
        ({"device": "gpu"}, "device is 'gpu'; use 'auto', 'cpu', 'cuda'"),
        ({"precision": "half"}, "precision is 'half'; use one of fp32, fp16"),
    ],
)
def test_options_without_a_meaning_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        EngineOptions(**values)


def test_providers_that_are_not_here_are_refused(untrained_bundle):
    options = EngineOptions(providers=("NoSuchProvider",))
    with pytest.raises(ConfigError, match=r"no NoSuchProvider here, it has .*CPUExecution"):
        open_model(untrained_bundle.root, options=options)
    with pytest.raises(ConfigError, match="providers NoSuchProvider belong to ONNX Runtime"):
        open_model(untrained_bundle.root, engine="torch", options=options)
    chosen = EngineOptions(providers=("CPUExecutionProvider",))
    assert open_model(untrained_bundle.root, options=chosen).engine.name == "onnxruntime"
    with pytest.raises(ConfigError, match="'openvino' runs on the CPU, not on CPUExecution"):
        open_model(untrained_bundle.root, engine="openvino", options=chosen)


def test_a_model_without_a_graph_of_fp32_runs_its_last_graph(painted_bundle, tmp_path):
    plain = painted_bundle(tmp_path / "plain")
    files = {name: plain.file(name) for name in plain.files}
    graphs = [replace(plain.graphs[0], file=GRAPH, precision="int8")]
    coarse = write_bundle(tmp_path / "coarse", plain.card, files, graphs=graphs)
    assert open_model(plain.root).engine.precision == "fp32"
    assert open_model(coarse.root).engine.precision == "int8"
    options = EngineOptions(precision="fp16")
    with pytest.raises(BundleError, match=r"no file for precision fp16: .*int8"):
        open_model(coarse.root, engine="onnxruntime", options=options)
