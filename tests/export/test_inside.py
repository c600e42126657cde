"""A graph with normalisation and argmax inside says what the predictor says."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.bundle import GRAPH
from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.graph import Graph
from maskwright.core.inputspec import InputSpec
from maskwright.core.trust import hash_file
from maskwright.export.bundle import export_model
from maskwright.export.foreign.bundle import import_onnx
from maskwright.export.inside import add_parts, compare_inside, parse_parts, require_possible
from maskwright.inference.predictor import open_model

BOTH = ("normalise", "argmax")


@pytest.fixture
def exported(untrained_bundle, tmp_path):
    return export_model(untrained_bundle.root, tmp_path / "bundle", inside=BOTH)


def test_stored_values_become_the_classes_that_predict_gives(exported, photographs):
    plain, inside = exported.graphs
    assert (plain.file, plain.inside) == ("model.onnx", ())
    assert (inside.file, inside.inside, inside.outputs) == (
        "model.inside.onnx",
        BOTH,
        ("labels",),
    )
    assert inside.parity.equal_pixel_share > 0.999
    session = onnxruntime.InferenceSession(exported.file(inside.file))
    model = open_model(exported.root)  # runs the plain graph: the other is for other programs
    for image_HWC in photographs:
        (labels_BHW,) = session.run(None, {"stored": image_HWC[None]})
        assert labels_BHW.dtype == np.uint8
        assert (labels_BHW[0] == model.label(image_HWC)).mean() > 0.999
    config = exported.file("model.inside.pbtxt").read_text()
    assert 'name: "stored" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ]' in config
    assert 'name: "labels" data_type: TYPE_UINT8 dims: [ -1, -1 ]' in config


def test_a_graph_with_parts_inside_is_refused_by_name_and_runs_once_it_is_imported(
    exported, photographs, tmp_path
):
    path = exported.file("model.inside.onnx")
    with pytest.raises(BundleError, match=f"of a bundle, whose card .*; give {exported.root}"):
        open_model(path)
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(path.read_bytes())
    with pytest.raises(BundleError, match="make a bundle of it by `maskwright import-onnx`"):
        open_model(alone)
    names = exported.card.labels.names
    lines = (f"{index} {name}\n" for index, name in enumerate(names))
    (tmp_path / "classes.txt").write_text("".join(lines))
    (tmp_path / "input.yaml").write_text("layout: NHWC\n")
    imported = import_onnx(
        alone,
        tmp_path / "imported",
        spec=tmp_path / "classes.txt",
        input_file=tmp_path / "input.yaml",
        trust=hash_file(alone),
    )
    assert imported.found[0].startswith("input   stored: NHWC, 3 channels, uint8")
    models = open_model(exported.root), open_model(imported.bundle.root)
    for image_HWC in photographs:
        expected_HW, labels_HW = (model.label(image_HWC) for model in models)
        assert (labels_HW == expected_HW).mean() > 0.999


@pytest.mark.parametrize("parts", [("normalise",), ("argmax",)])
def test_each_part_alone_agrees_with_the_network_and_a_wrong_mean_does_not(
    untrained_bundle, tmp_path, parts
):
    bundle, network = untrained_bundle, open_model(untrained_bundle.root, engine="torch").engine
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 41, 70, 3)).astype(np.uint8)
    scaling = bundle.card.input.measure_scaling(images[0])
    inputs = [scaling.normalize(image_HWC) for image_HWC in images]
    out = tmp_path / "inside.onnx"
    add_parts(bundle.file(GRAPH), bundle.card, parts, out)
    parity = compare_inside(out, bundle.card, parts, network, inputs)
    assert parity.equal_pixel_share > 0.999
    if parts == ("normalise",):
        assert parity.largest_logit_difference < 1e-3 * parity.largest_logit
        other = replace(bundle.card, input=replace(bundle.card.input, mean=(0.1,) * 3))
        add_parts(bundle.file(GRAPH), other, parts, out)
        wrong = compare_inside(out, bundle.card, parts, network, inputs)
        assert wrong.largest_logit_difference > 1e-2 * wrong.largest_logit


def test_windows_of_absolute_values_are_clipped_inside(painted_bundle, tmp_path):
    spec = InputSpec(
        channels=1, mean=(40.0,), std=(80.0,), kind="ct", window=((-160.0, 240.0),)
    )
    bundle = painted_bundle(tmp_path / "b", channels=1)
    card = replace(bundle.card, input=spec)
    out = tmp_path / "inside.onnx"
    add_parts(bundle.file(GRAPH), card, ("normalise",), out)
    image_HWC = np.linspace(-1000, 1000, 12, dtype=np.float32).reshape(3, 4, 1)
    x_CHW = spec.measure_scaling(image_HWC).normalize(image_HWC)
    assert x_CHW.min() == -2.5
    assert x_CHW.max() == 2.5
    run = {"plain": bundle.file(GRAPH), "inside": out}
    given = {"plain": {"image": x_CHW[None]}, "inside": {"stored": image_HWC[None]}}
    found = {k: onnxruntime.InferenceSession(v).run(None, given[k])[0] for k, v in run.items()}
    np.testing.assert_allclose(found["inside"], found["plain"], rtol=1e-5)


def test_what_has_no_sense_is_refused(untrained_bundle, tmp_path):
    assert parse_parts("argmax,normalise") == BOTH
    with pytest.raises(ConfigError, match=r"'argmaks' is not known.*did you mean 'argmax'"):
        parse_parts("argmaks")
    mr = replace(untrained_bundle.card.input, kind="mr")
    with pytest.raises(ConfigError, match="normalised by the mean and spread of each"):
        require_possible(mr, BOTH)
    require_possible(mr, ("argmax",))
    out = tmp_path / "b"
    with pytest.raises(ConfigError, match="by --to onnx alone, got --to openvino"):
        export_model(untrained_bundle.root, out, to="openvino", inside=BOTH)
    assert not out.exists()
    with pytest.raises(BundleError, match="a graph with the outputs classes; expected logits"):
        Graph(file="a.onnx", engine="onnxruntime", outputs=("classes",))


def test_the_command_prints_and_lists_both_graphs(untrained_bundle, tmp_path):
    out = tmp_path / "b"
    line = ["export", str(untrained_bundle.root), "--to", "onnx", "--inside", "argmax"]
    done = CliRunner().invoke(app, [*line, "-o", str(out), "--json"])
    assert done.exit_code == 0, done.exception
    graphs = json.loads(done.stdout)["graphs"]
    assert [graph["inside"] for graph in graphs] == [[], ["argmax"]]
    assert "model.inside.onnx: argmax inside, 100.00% agree" in done.stderr
