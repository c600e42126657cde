"""`maskwright export`: a model becomes a bundle with one more graph, or nothing is written."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OLD = Path(__file__).parents[1] / "fixtures" / "written_by_0_1"
SCENE0_PX = {"road": 530, "tree": 192, "car": 46}


@pytest.fixture
def maskwright(run_verb, tmp_path):
    def run(*args):
        return run_verb(*args, cwd=tmp_path)

    return run


def test_a_run_is_exported_on_data_then_on_the_images_that_its_bundle_keeps(
    maskwright, tmp_path
):
    first = maskwright("export", OLD / "run", OLD / "street", "--to", "onnx", "-o", "b")
    assert first.returncode == 0, first.stderr
    assert "\nmodel.onnx: largest difference of logits " in first.stdout
    assert f" on 2 images (images of {OLD / 'street'})\n" in first.stdout
    assert (
        "\nnetwork -> model.onnx: mIoU 88.48 -> 88.48, boundary F1 95.75 -> 95" in first.stdout
    )
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "bundle.json",
        "model.onnx",
        "parity.npz",
        "weights.safetensors",
    ]
    options = "-o", "b", "--overwrite", "--no-parity-images", "--json"
    again = maskwright("export", "b", "--to", "onnx", *options)
    assert again.returncode == 0, again.stderr
    assert "(the parity images of the bundle alone)" in again.stderr
    (graph,) = json.loads(again.stdout)["graphs"]
    assert (graph["file"], graph["precision"]) == ("model.onnx", "fp32")
    assert graph["parity"]["num_images"] == 2
    assert not (tmp_path / "b/parity.npz").exists()
    done = maskwright("predict", "b", OLD / "street/images/scene0.png", "-o", "out")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/coverage.csv").open() as file:
        assert {row["class"]: int(row["pixels"]) for row in csv.DictReader(file)} == SCENE0_PX


def test_what_cannot_run_here_is_written_unverified_with_scripts_for_its_machine(
    maskwright, tmp_path
):
    command = "export", OLD / "run", OLD / "street", "--to", "tensorrt", "-o", "b"
    refused = maskwright(*command)
    assert refused.returncode == 1
    assert "write it with --unverified, and run the script" in refused.stderr
    done = maskwright(*command, "--unverified", "--json")
    assert done.returncode == 0, done.stderr
    (graph,) = json.loads(done.stdout)["graphs"]
    assert (graph["engine"], graph["file"], graph["parity"]) == (
        "tensorrt",
        "tensorrt.onnx",
        None,
    )
    scripts = "build_tensorrt.sh", "tensorrt.pbtxt", "verify_tensorrt.py"
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == sorted(
        [*scripts, "bundle.json", "parity.npz", "tensorrt.onnx", "weights.safetensors"]
    )
    build = (tmp_path / "b/build_tensorrt.sh").read_text()
    assert "--maxShapes=image:4x3x2048x2048" in build
    assert (
        subprocess.run(["sh", "-n", tmp_path / "b/build_tensorrt.sh"], check=False).returncode
        == 0
    )
    run = [sys.executable, tmp_path / "b/verify_tensorrt.py"]
    environment = os.environ | {"PROVIDER": "CPUExecutionProvider"}
    compared = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.startswith("CPUExecutionProvider: largest difference of logits ")
    elsewhere = subprocess.run(run, env=os.environ, capture_output=True, text=True, check=False)
    assert elsewhere.returncode == 1
    assert "TensorrtExecutionProvider" in elsewhere.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "--to onyx",
            "no target named 'onyx'; did you mean 'onnx'? Known: coreml, litert, onnx,",
        ),
        ("--to onnx", "keeps no parity images; give DATA to test the graph on"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    command, message, maskwright, tmp_path
):
    data = [OLD / "street"] if "onyx" in command else []
    done = maskwright("export", OLD / "run", *data, *command.split(), "-o", "b")
    assert done.returncode == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_of_others_is_tried_imported_and_then_predicts_and_is_evaluated(
    maskwright, tmp_path
):
    """The graph of a bundle of ours stands for the file of another; nobody here trusts it."""
    import onnx

    exported = maskwright("export", OLD / "run", OLD / "street", "--to", "onnx", "-o", "b")
    assert exported.returncode == 0, exported.stderr
    model = onnx.load(tmp_path / "b/model.onnx")
    model.doc_string = "of another"
    onnx.save(model, tmp_path / "net.onnx")
    card = json.loads((tmp_path / "b/bundle.json").read_text())["card"]
    told = {key: card["input"][key] for key in ("mean", "std")}
    (tmp_path / "input.yaml").write_text(json.dumps(told))
    command = "import-onnx", "net.onnx", OLD / "street/images", "--input", "input.yaml"
    wrong = maskwright(*command, "--spec", "none.txt", "-o", "foreign")
    assert (wrong.returncode, "none.txt: no such file" in wrong.stderr) == (1, True)
    done = maskwright(*command, "--spec", OLD / "street/dataset.yaml", "-o", "foreign")
    assert done.returncode == 0, done.stderr
    assert "\noutput  logits: logits of 3 classes, NCHW, full size" in done.stdout
    assert " (the only one that fits the classes)\n" in done.stdout
    assert not (tmp_path / "foreign/weights.safetensors").exists()
    done = maskwright("predict", "foreign", OLD / "street/images/scene0.png", "-o", "out")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/coverage.csv").open() as file:
        assert {row["class"]: int(row["pixels"]) for row in csv.DictReader(file)} == SCENE0_PX
    scored = maskwright("evaluate", "foreign", OLD / "street", "-o", "report", "--json")
    assert scored.returncode == 0, scored.stderr
