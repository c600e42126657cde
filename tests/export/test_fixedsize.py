"""Graphs of one size: of which one, on which images they are compared, and what is refused."""

import os
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from maskwright.core.errors import BundleError, ConfigError, MissingDependencyError
from maskwright.core.progress import silent
from maskwright.export.bundle import export_model
from maskwright.export.fixedsize import choose_size, fit
from maskwright.export.torchnetwork import TorchNetwork
from maskwright.export.writer import GraphWriter, Trial

from ..fixtures.litert.make import FILE, SIZE_HW, make_network


def zeros(*size_HW):
    return np.zeros((3, *size_HW), np.float32)


@pytest.mark.parametrize(
    ("asked_HW", "images_CHW", "size_HW"),
    [
        ((256, 384), [zeros(90, 90)], (256, 384)),
        (None, [zeros(360, 480), zeros(90, 90)], (384, 480)),
        (None, [zeros(20, 200)], (128, 224)),
        (None, [zeros(2000, 300)], (512, 512)),
        (None, [], (512, 512)),
    ],
)
def test_a_size_is_as_asked_else_that_of_the_first_image_padded(asked_HW, images_CHW, size_HW):
    assert choose_size(asked_HW, images_CHW) == size_HW


@pytest.mark.parametrize("asked_HW", [(96, 128), (128, 130)])
def test_a_size_that_is_no_tile_is_refused(asked_HW):
    with pytest.raises(ConfigError, match=r"use sides of 128 px or more, in multiples of 32"):
        choose_size(asked_HW, [])


def test_an_image_is_cut_and_padded_to_a_size():
    x_CHW = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    assert fit(x_CHW, (3, 2)).tolist() == [[[0, 1], [3, 4], [3, 4]]]
    assert fit(x_CHW, (1, 5)).tolist() == [[[0, 1, 2, 2, 2]]]


@pytest.mark.parametrize("target", ["onnx", "openvino", "torch_export", "tensorrt"])
def test_a_size_for_a_graph_of_any_size_is_refused(target, tmp_path):
    with pytest.raises(ConfigError, match=f"--size 128x160: graphs of --to {target} take"):
        GraphWriter.open(target, tmp_path, unverified=True, size_HW=(128, 160))


@pytest.mark.parametrize(
    ("target", "module", "command"),
    [
        (
            "litert",
            "litert_torch",
            r"litert-torch is not installed; run: pip install .* of its",
        ),
        ("coreml", "coremltools", r"coremltools is not .*; run: pip install 'maskwright\[cor"),
    ],
)
def test_a_target_without_its_package_names_the_command(
    target, module, command, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "path", [])  # where nothing is found
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(MissingDependencyError, match=command):
        GraphWriter.open(target, tmp_path, unverified=True)


def test_a_graph_of_core_ml_is_written_unverified_alone(tmp_path):
    if find_spec("coremltools") is None:
        pytest.skip("coremltools is not installed")
    with pytest.raises(ConfigError, match="on the machine that has coreml"):
        GraphWriter.open("coreml", tmp_path, unverified=False)


@pytest.fixture
def converter(monkeypatch):
    """A litert-torch that converts every network to the graph that was kept."""
    module = ModuleType("litert_torch")
    module.__spec__ = ModuleSpec("litert_torch", None)
    sizes = []

    def convert(network, images_BCHW):
        sizes.append(tuple(images_BCHW[0].shape))
        return SimpleNamespace(export=lambda path: shutil.copyfile(FILE, path))

    module.convert = convert
    monkeypatch.setitem(sys.modules, "litert_torch", module)
    return sizes


def write(network, card, folder, images):
    trial = Trial(
        network=TorchNetwork(network, card),
        prepared=images,
        bundle=None,
        quality=None,
        calibrate=None,
        max_drop_points=1,
        qat=None,
        progress=silent,
        log=(lines := []).append,
    )
    ((graph, _),) = GraphWriter.open("litert", folder, unverified=False).write(trial, None)
    return graph, lines


def test_a_graph_of_litert_is_compared_at_its_size_before_it_is_written(
    converter, untrained_bundle, tmp_path
):
    pytest.importorskip("ai_edge_litert")
    images = [np.full((120, 150, 3), 7, np.uint8), np.full((200, 90, 3), 9, np.uint8)]
    graph, lines = write(make_network(), untrained_bundle.card, tmp_path, images)
    assert converter == [(1, 3, *SIZE_HW)]
    assert lines == ["model.tflite: for images of 128x160"]
    assert (graph.file, graph.engine, graph.precision) == ("model.tflite", "litert", "fp32")
    assert graph.parity.num_pixels == 2 * 128 * 160
    assert graph.parity.equal_pixel_share == 1
    assert 0 <= graph.parity.largest_logit_difference < 1e-5 * graph.parity.largest_logit


@pytest.mark.usefixtures("converter")
def test_a_graph_of_litert_that_disagrees_is_refused(untrained_bundle, tmp_path):
    pytest.importorskip("ai_edge_litert")
    network = make_network()
    with torch.no_grad():
        network.bias += torch.tensor([0.0, 1.0, 0.0, 0.0])
    with pytest.raises(BundleError, match=r"disagrees with the network on 1 images: logits d"):
        write(network, untrained_bundle.card, tmp_path, [np.zeros((128, 160, 3), np.uint8)])


CORE_ML = """
import os
from pathlib import Path
from types import SimpleNamespace
from maskwright.inference.predictor import open_model

class MLModel:
    def __init__(self, path):
        assert (Path(path) / "Manifest.json").is_file()
        self.run = open_model(os.environ["BUNDLE"], engine="torch").engine
    def get_spec(self):
        array = SimpleNamespace(shape=[1, 3, 512, 512])
        entry = SimpleNamespace(type=SimpleNamespace(multiArrayType=array))
        return SimpleNamespace(description=SimpleNamespace(input=[entry]))
    def predict(self, given):
        return {"logits": self.run(given["image"]) + float(os.environ["ERROR"])}

models = SimpleNamespace(MLModel=MLModel)
"""


def test_the_script_beside_a_graph_of_core_ml_compares_it(untrained_bundle, tmp_path):
    """With a coremltools of our own, which gives the network's logits and an error."""
    pytest.importorskip("coremltools")
    bundle = export_model(
        untrained_bundle.root, tmp_path / "bundle", to="coreml", unverified=True
    )
    graph = bundle.graphs[-1]
    assert (graph.file, graph.parity) == ("coreml.zip", None)
    (tmp_path / "coremltools.py").write_text(CORE_ML)
    runs = {}
    for error in ("0", "5"):
        environment = {
            "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
            "BUNDLE": str(bundle.root),
            "ERROR": error,
        }
        runs[error] = subprocess.run(
            [sys.executable, bundle.root / "verify_coreml.py"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert runs["0"].returncode == 0, runs["0"].stderr
    assert "100.0000% of pixels have the same class" in runs["0"].stdout
    assert runs["5"].returncode == 1
    assert "model.mlpackage disagrees with the network" in runs["5"].stderr
