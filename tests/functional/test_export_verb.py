"""`maskwright export`: a model becomes a bundle with one more graph, or nothing is written."""

import csv
import json
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


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "--to onyx",
            "no target named 'onyx'; did you mean 'onnx'? Known: onnx,",
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
