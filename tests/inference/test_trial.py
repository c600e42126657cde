"""A graph from elsewhere ends in one message whatever it does, and reads listed files alone."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save_model

from maskwright.core.bundle import GRAPH, PARITY, write_bundle
from maskwright.core.errors import BundleError
from maskwright.core.graph import INT8_TOLERANCE, Graph, Parity
from maskwright.core.trust import is_trusted
from maskwright.inference import onnxfile, trial
from maskwright.inference.predictor import open_model

IMAGE = np.zeros((8, 9, 3), np.uint8)


@pytest.fixture(autouse=True)
def another_machine(tmp_path, monkeypatch):
    """A machine on which no graph is trusted yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def bundle_of(painted_card, tmp_path):
    """A function: a Bundle of a graph of these nodes, which give `logits` of `image`."""

    def make(nodes, initializers=(), **options):
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "g",
            [value("image", TensorProto.FLOAT, ["B", 3, "H", "W"])],
            [value("logits", TensorProto.FLOAT, ["B", 4, "H", "W"])],
            [numpy_helper.from_array(np.zeros((4, 3, 1, 1), np.float32), "weight")],
        )
        graph.initializer.extend(initializers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
        )
        path = tmp_path / "source.onnx"
        save_model(model, str(path), **options)
        graphs = [Graph(file=GRAPH, engine="onnxruntime")]
        return write_bundle(tmp_path / "bundle", painted_card(), {GRAPH: path}, graphs=graphs)

    return make


CONV = helper.make_node("Conv", ["image", "weight"], ["logits"])


def constant(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def endless():
    """A loop of 2^62 turns."""
    turns, go = constant("turns", np.int64(1 << 62)), constant("go", np.bool_(True))
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["on_out"]),
            helper.make_node("Neg", ["x"], ["x_out"]),
        ],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("on", TensorProto.BOOL, []),
            value("x", TensorProto.FLOAT, None),
        ],
        [value("on_out", TensorProto.BOOL, []), value("x_out", TensorProto.FLOAT, None)],
    )
    loop = helper.make_node("Loop", ["turns", "go", "first"], ["logits"], body=body)
    return [helper.make_node("Conv", ["image", "weight"], ["first"]), loop], [turns, go]


def huge():
    """16 GiB of zeros, whose sum is added to the logits."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Conv", ["image", "weight"], ["first"]),
        helper.make_node("Add", ["first", "sum"], ["logits"]),
        # the shape comes from the image, so that it is not computed when the graph is opened
        helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Add", ["whole", "sixteen"], ["shape"]),
    ]
    order = [4, 5, 6, 0, 1, 2, 3]
    return [nodes[i] for i in order], [constant("sixteen", np.asarray([4, 1 << 30]))]


def test_a_graph_that_passes_is_trusted_from_then_on(bundle_of, monkeypatch):
    bundle = bundle_of([CONV])
    assert open_model(bundle.root).predict(IMAGE).labels_HW.shape == (8, 9)
    assert is_trusted("graph", bundle.sha256[GRAPH])
    monkeypatch.setattr(trial.subprocess, "run", None)  # no second trial
    open_model(bundle.root)


def test_a_graph_that_loops_for_ever_ends_in_one_message(bundle_of, monkeypatch):
    monkeypatch.setattr(trial, "WALL_S", 4)
    bundle = bundle_of(*endless())
    with pytest.raises(
        BundleError, match=r"not made on this machine and ran for more"
    ) as caught:
        open_model(bundle.root)
    assert f"--trust {bundle.sha256[GRAPH]}" in str(caught.value)
    assert not is_trusted("graph", bundle.sha256[GRAPH])
    open_model(bundle.root, trust=bundle.sha256[GRAPH])


def test_a_graph_that_fills_the_memory_ends_in_one_message(bundle_of):
    bundle = bundle_of(*huge())
    with pytest.raises(
        BundleError, match="needs more than 4 GiB of memory on an image of 64 x"
    ):
        open_model(bundle.root)


def test_a_graph_that_fails_when_it_runs_ends_in_one_message(bundle_of):
    reshape = helper.make_node("Reshape", ["image", "shape"], ["logits"])
    bundle = bundle_of([reshape], [constant("shape", np.asarray([1, 4, 5, 7]))])
    with pytest.raises(BundleError, match=r"fails on an input of \(1, 3, 64, 96\)") as caught:
        open_model(bundle.root)
    assert len(str(caught.value).splitlines()) == 1
    model = open_model(bundle.root, trust=bundle.sha256[GRAPH])
    with pytest.raises(BundleError, match=r"fails on an input of \(1, 3, 8, 9\)"):
        model.predict(IMAGE)


def test_a_graph_that_returns_another_size_is_refused(bundle_of):
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["first"]),
        helper.make_node("MaxPool", ["first"], ["logits"], kernel_shape=[2, 2]),
    ]
    bundle = bundle_of(nodes)
    with pytest.raises(BundleError, match="or returns no float32 logits at full size"):
        open_model(bundle.root, trust=bundle.sha256[GRAPH]).predict(IMAGE)


@pytest.mark.parametrize("location", ["more.bin", "../more.bin", "/etc/passwd"])
def test_weights_in_a_file_that_is_not_listed_are_refused(bundle_of, location):
    tensor = constant("other", np.zeros(4, np.float32))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    add = helper.make_node("Constant", [], ["unused"], value=tensor)
    bundle = bundle_of([CONV, add])
    (bundle.root / "more.bin").write_bytes(bytes(16))
    with pytest.raises(BundleError, match=r"reads its weights from .* does not list"):
        open_model(bundle.root, trust=bundle.sha256[GRAPH])


def test_external_data_is_found_wherever_a_tensor_can_lie(tmp_path):
    weights = constant("weight", np.ones((4, 3, 1, 1), np.float32))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [CONV],
        "g",
        [value("image", TensorProto.FLOAT, ["B", 3, "H", "W"])],
        [value("logits", TensorProto.FLOAT, ["B", 4, "H", "W"])],
        [weights],
    )
    model = helper.make_model(graph)
    assert list_of(model, tmp_path / "a.onnx") == ()
    kept = {"save_as_external_data": True, "location": "w.bin", "size_threshold": 0}
    save_model(model, str(tmp_path / "b.onnx"), **kept)
    assert onnxfile.list_external_files(tmp_path / "b.onnx") == ("w.bin",)
    inner = helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])
    inner.external_data.add(key="location", value="deep.bin")
    body = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=inner)], "b", [], []
    )
    graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body))
    assert list_of(helper.make_model(graph), tmp_path / "c.onnx") == ("deep.bin",)


def list_of(model, path):
    save_model(model, str(path))
    return onnxfile.list_external_files(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, json.dumps({}).encode(), b"\x3a\x7f"])
def test_what_is_not_a_graph_is_refused(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="not an ONNX graph; copy the bundle again"):
        onnxfile.list_external_files(tmp_path / "a.onnx")


@pytest.mark.parametrize(("kept", "is_right"), [(0.0, True), (5.0, False)])
def test_int8_that_overflows_here_is_refused_with_what_to_run(
    bundle_of, painted_card, tmp_path, kept, is_right
):
    """The kept logits are those of the machine on which the graph was made."""
    plain = bundle_of([CONV])
    logits_KHW = np.zeros((4, 8, 9), np.float32)
    logits_KHW[2] = kept
    np.savez(
        tmp_path / "kept.npz",
        image_0=np.ones((3, 8, 9), np.float32),
        logits_0=logits_KHW,
    )
    parity = Parity(
        num_images=1,
        num_pixels=72,
        largest_logit=5.0,
        largest_logit_difference=0.0,
        equal_pixel_share=1.0,
    )
    graph = Graph(
        file=GRAPH,
        engine="onnxruntime",
        precision="int8",
        tolerance=INT8_TOLERANCE,
        parity=parity,
    )
    files = {GRAPH: plain.file(GRAPH), PARITY: tmp_path / "kept.npz"}
    bundle = write_bundle(tmp_path / "int8", painted_card(), files, graphs=[graph])
    if is_right:
        assert open_model(bundle.root).engine.precision == "int8"
        return
    with pytest.raises(
        BundleError, match=r"the graph of int8 disagrees .*: use precision fp32"
    ):
        open_model(bundle.root)
    assert open_model(bundle.root, trust=bundle.sha256[GRAPH]).engine.precision == "int8"
