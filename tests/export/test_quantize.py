"""int8: calibration images show all classes, and a graph is written if it keeps the score."""

import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from maskwright.core import InputSpec
from maskwright.core.bundle import WEIGHTS
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.checkpoint import write_card
from maskwright.core.errors import BundleError, ConfigError, DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.synth.streets import write_street_scenes
from maskwright.export.bundle import export_model
from maskwright.export.onnxgraph import silence_exporter
from maskwright.export.quantize.calibration import choose_calibration, cover
from maskwright.export.quantize.onnxmodule import OnnxModule
from maskwright.export.quantize.qat import QatOptions, train_graph
from maskwright.export.quantize.qdq import FloatGraph
from maskwright.export.quantize.search import _grow
from maskwright.inference.engines.torch import TorchEngine
from maskwright.inference.predictor import open_model
from maskwright.nn.build import build_model
from maskwright.training.checkpoint import write_tensors


@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 6))), st.integers(1, 3))
def test_each_class_is_covered_as_often_as_it_can_be(present_NC, each):
    rows = cover(present_NC, each=each)
    assert len(set(rows)) == len(rows)
    covered_C = present_NC[list(rows)].sum(axis=0)
    assert (covered_C >= np.minimum(present_NC.sum(axis=0), each)).all()


def test_the_image_with_most_new_classes_is_taken_first():
    present_NC = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], bool)
    assert cover(present_NC, each=1) == [1, 2]


def test_layers_go_to_float_by_sensitivity_up_to_half():
    layers = dict.fromkeys("abcdefgh", 0.0)
    assert [len(kept) for kept in _grow(layers)] == [1, 2, 4]
    assert _grow(layers)[1] == ("a", "b")
    assert _grow({"a": 1.0}) == []


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "data"
    return write_street_scenes(folder, num_images=6, size_HW=(48, 64), seed=1)


def test_calibration_images_come_from_the_data_and_absent_classes_are_told(scenes):
    dataset = open_dataset(scenes)
    chosen = choose_calibration(dataset, lambda items, **_: items)
    assert chosen.indices == tuple(range(len(dataset)))
    shown = {index for i in chosen.indices for index in np.unique(dataset.labels(i))}
    names = dataset.spec.names
    assert chosen.missing == tuple(n for i, n in enumerate(names) if i not in shown)


OLD = "tests/fixtures/written_by_0_1"


@pytest.fixture(scope="module")
def old(request):
    return request.config.rootpath / OLD


@pytest.mark.slow
def test_a_graph_of_int8_keeps_the_score_and_tells_its_path(old, tmp_path):
    lines = []
    bundle = export_model(
        old / "run",
        tmp_path / "b",
        data=old / "street",
        precision="int8",
        max_drop_points=5,
        log=lines.append,
    )
    (graph,) = bundle.graphs
    assert (graph.file, graph.precision) == ("model.int8.onnx", "int8")
    assert graph.quality.drop_points <= 5
    assert lines[0] == "calibrating on 4 images, which show all classes"
    assert lines[1].startswith("int8 minmax: mIoU 88.48 -> ")
    document = json.loads(bundle.file("model.int8.json").read_text())
    assert document["calibration_images"] == ["scene0", "scene1", "scene5", "scene6"]
    assert len(document["sensitivity"]) == 3
    assert "<svg" in bundle.file("model.int8.svg").read_text()
    assert open_model(bundle.root).engine.precision == "int8"
    for qat_s, error, text in (
        (None, BundleError, r"loses at most -100 .* --qat 5m .*--max-drop"),
        (0.1, ConfigError, r"training: the graph has DepthToSpace, .* without --qat"),
    ):
        with pytest.raises(error, match=text):
            export_model(
                old / "run",
                tmp_path / "c",
                data=old / "street",
                precision="int8",
                max_drop_points=-100,
                qat_s=qat_s,
            )
    assert not (tmp_path / "c").exists()


@pytest.fixture(scope="module")
def checkpoint(scenes, tmp_path_factory):
    """The checkpoint of a network that was not trained."""
    card = ModelCard(
        labels=open_dataset(scenes).spec,
        input=InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3),
        arch=ArchSpec(name="linknet", encoder="test_resnet"),
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    write_card(folder, card)
    write_tensors(folder / WEIGHTS, build_model(card).state_dict())
    return folder


def test_a_search_trains_before_it_leaves_layers_in_float(checkpoint, scenes, tmp_path):
    lines = []
    with pytest.raises(BundleError, match=r"int8 \w+, trained for \d+ steps: mIoU"):
        export_model(
            checkpoint,
            tmp_path / "b",
            data=scenes,
            precision="int8",
            max_drop_points=-100,
            qat_s=0.1,
            log=lines.append,
        )
    tried = [text for text in lines if text.startswith("int8 ")]
    assert "trained for" in tried[3]
    assert "layers in float" in tried[4]


def test_a_trained_graph_is_what_its_module_says_and_nearer_to_the_network(tmp_path):
    """From ranges that are far too wide, which training has to find again."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    inputs = list(torch.rand(4, 3, 32, 32).numpy())
    with silence_exporter():
        torch.onnx.export(
            network,
            (torch.rand(2, 3, 32, 32),),
            tmp_path / "float.onnx",
            input_names=["image"],
            dynamo=True,
            external_data=False,
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    graph = FloatGraph.prepare(tmp_path / "float.onnx", tmp_path / "prepared.onnx")
    ranges = graph.measure_ranges([8 * x for x in inputs], "minmax")
    graph.quantize(ranges, tmp_path / "wide.onnx")
    module = OnnxModule(tmp_path / "wide.onnx", graph.path)
    wide = run_onnx(tmp_path / "wide.onnx", inputs[0])
    expected = run_onnx(tmp_path / "prepared.onnx", inputs[0])
    lost = measure_rms(wide - expected)
    assert measure_rms(run_module(module, inputs[0]) - wide) < 0.1 * lost
    steps = train_graph(
        module,
        TorchEngine(network.eval()),
        lambda rng: inputs[int(rng.integers(4))],
        QatOptions(seconds=600, most_steps=20),
        lambda items, **_: items,
    )
    assert steps == 20
    module.write(tmp_path / "trained.onnx")
    trained = run_onnx(tmp_path / "trained.onnx", inputs[0])
    assert measure_rms(run_module(module, inputs[0]) - trained) < 0.1 * lost
    assert measure_rms(trained - expected) < lost
    ops = [
        Counter(n.op_type for n in onnx.load(tmp_path / f).graph.node)
        for f in ("wide.onnx", "trained.onnx")
    ]
    assert ops[0] == ops[1]
    assert ops[0]["QuantizeLinear"] == 3


def measure_rms(values):
    return float(np.sqrt(np.square(values).mean()))


def run_onnx(path, x_CHW):
    return onnxruntime.InferenceSession(path).run(None, {"image": x_CHW[None]})[0]


def run_module(module, x_CHW):
    with torch.no_grad():
        return module(torch.from_numpy(x_CHW[None])).numpy()


def test_a_graph_with_a_node_that_cannot_be_trained_is_refused(tmp_path):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Sin", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [value], [value])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "sin.onnx")
    with pytest.raises(ConfigError, match=r"training: the graph has Sin, .* without --qat"):
        OnnxModule(tmp_path / "sin.onnx", tmp_path / "sin.onnx")
    with pytest.raises(ConfigError, match="--qat 0s: expected a time above 0"):
        QatOptions(seconds=0)


def test_int8_without_images_or_with_other_classes_is_refused(
    untrained_bundle, scenes, tmp_path
):
    with pytest.raises(
        ConfigError, match=r"'int8' needs DATA .* no validation images .*: give"
    ):
        export_model(untrained_bundle.root, tmp_path / "b", precision="int8")
    with pytest.raises(DataError, match=r"has the classes .*, the model sky, road, tree, car"):
        export_model(untrained_bundle.root, tmp_path / "b", data=scenes, precision="int8")
    assert not (tmp_path / "b").exists()
