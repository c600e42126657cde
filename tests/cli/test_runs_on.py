"""Threads, device and providers on the command line, and what manifests say ran a model."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return painted_bundle(tmp_path / "model")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((4, 6, 3), 2, np.uint8)).save(path)
    return path


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_results_and_what_is_measured_on_them_name_engine_and_precision(
    bundle, photo, tmp_path
):
    where = ("--threads", 1, "--device", "cpu", "--providers", "CPUExecutionProvider")
    assert run("predict", bundle.root, photo, "-o", tmp_path / "out", *where).exit_code == 0
    assert run("measure", tmp_path / "out/classes", "-o", tmp_path / "m").exit_code == 0
    for folder in ("out", "m"):
        manifest = json.loads((tmp_path / folder / "results.json").read_text())
        assert manifest["model"] == {
            "id": bundle.model_id,
            "engine": "onnxruntime",
            "precision": "fp32",
        }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--providers", "NoSuchProvider"), "ONNX Runtime has no NoSuchProvider here, it has "),
        (("--device", "tpu"), "device is 'tpu'; use 'auto', 'cpu', 'cuda' or 'cuda:INDEX'"),
    ],
)
def test_what_is_not_here_is_named(bundle, photo, tmp_path, words, said):
    done = run("predict", bundle.root, photo, "-o", tmp_path / "out", *words)
    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)


def test_no_threads_are_too_few(bundle, photo, tmp_path):
    done = run("predict", bundle.root, photo, "-o", tmp_path / "out", "--threads", 0)
    assert done.exit_code != 0
