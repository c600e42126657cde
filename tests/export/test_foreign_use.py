"""Bundles that were imported are exported as our own, compared with their own graph."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskwright.core.bundle import open_bundle
from maskwright.core.errors import BundleError, ConfigError
from maskwright.export.bundle import export_model
from maskwright.export.foreign.bundle import import_onnx
from maskwright.export.foreign.half import halve
from maskwright.export.foreign.network import GraphNetwork
from maskwright.export.layers import find_first_value

from ..foreign_graphs import SCALE, make_graph, write_dataset, write_files

UINT8 = TensorProto.UINT8
FIXED = [1, 3, 128, 160]
TILES = SCALE | {"size": "tiles"}
BGR = SCALE | {"order": "bgr"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("channels") / "data")


@pytest.fixture
def imported(tmp_path):
    """A function: the Bundle that `make_graph` with these settings becomes."""

    def make(told=SCALE, **graph):
        return import_onnx(**write_files(tmp_path, make_graph(**graph), told=told)).bundle.root

    return make


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        ({}, SCALE),
        ({"nhwc": True, "out": "probabilities"}, SCALE),
        ({"out": "labels4", "opset": 11}, SCALE),
        ({"dtype": UINT8, "nhwc": True, "out": "labels3"}, {}),
        ({"shape": FIXED}, TILES),
        ({"shape": FIXED, "out": "labels_float"}, TILES),
    ],
)
def test_a_graph_of_int8_is_calibrated_compared_and_scored_for_every_layout(
    imported, dataset, tmp_path, graph, told
):
    lines = []
    root, out = imported(told, **graph), tmp_path / "int8"
    bundle = export_model(root, out, data=dataset, precision="int8", log=lines.append)
    float32, int8 = bundle.graphs
    assert (float32.precision, int8.file) == ("fp32", "model.int8.onnx")
    assert (int8.quality.network_miou, int8.quality.graph_miou) == (1, 1)
    assert int8.quality.equal_pixel_share == 1
    assert lines[0] == "calibrating on 4 images, which show all classes"
    assert lines[1].startswith("int8 minmax: mIoU 100.00 -> 100.00, boundary F1 ")
    path = json.loads(bundle.file("model.int8.json").read_text())
    assert len(path["sensitivity"]) == 1
    nodes = onnx.load(bundle.file(int8.file)).graph.node
    assert "QuantizeLinear" in {node.op_type for node in nodes}


def test_a_graph_of_fp16_says_the_same_and_computes_small_probabilities_in_float32(
    imported, dataset, tmp_path
):
    root = imported(out="probabilities", nhwc=True)
    bundle = export_model(root, tmp_path / "half", data=dataset, precision="fp16")
    graph = bundle.graphs[-1]
    assert (graph.file, graph.quality.equal_pixel_share) == ("model.fp16.onnx", 1)
    assert graph.parity.largest_logit_difference < 1e-2 * graph.parity.largest_logit
    model = onnx.load(bundle.file(graph.file))
    onnx.checker.check_model(model, full_check=True)
    by_type = {node.op_type: node for node in model.graph.node}
    assert by_type["Conv"].input[0].endswith("_half")
    assert not by_type["Softmax"].input[0].endswith("_half")


def test_sizes_are_computed_in_float32_and_a_value_in_both_precisions_where_it_is_read():
    """Shape -> Cast -> Mul -> Cast -> Resize, beside the Convs whose sizes it gives."""
    names = {
        "weight": np.ones((3, 3, 1, 1), np.float32),
        "two": np.array([1, 1, 2, 2], np.float32),
        "big": np.full((1, 3, 1, 1), 7e4, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["a"], name="first"),
        helper.make_node("Shape", ["a"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["float_shape"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float_shape", "two"], ["larger"]),
        helper.make_node("Cast", ["larger"], ["sizes"], to=TensorProto.INT64),
        helper.make_node("Resize", ["a", "", "", "sizes"], ["b"], mode="linear"),
        helper.make_node("Conv", ["b", "weight"], ["c"]),
        helper.make_node("Mul", ["c", "big"], ["logits"]),
    ]
    image, logits = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3, *sides])
        for name, sides in (("image", ["height", "width"]), ("logits", ["h", "w"]))
    )
    constants = [numpy_helper.from_array(value, name) for name, value in names.items()]
    graph = helper.make_graph(nodes, "sizes", [image], [logits], constants)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    made = halve(model)
    onnx.checker.check_model(made, full_check=True)
    found = {node.op_type: [*node.input] for node in made.graph.node}
    assert found["Shape"] == ["a"]  # cast back from a_half
    assert found["Mul"] == ["c", "big"]  # after the last layer
    assert found["Resize"] == ["a_half", "", "", "sizes"]
    assert {one.name for one in made.graph.initializer} == {"weight_half", "two", "big"}


def test_the_first_value_that_differs_is_named(imported, tmp_path):
    network = GraphNetwork.open(open_bundle(imported(stride=4)))
    assert network.write_onnx(tmp_path / "half.onnx", "fp16") == ("logits",)
    x_CHW = np.random.default_rng(0).random((3, 64, 96), np.float32)
    assert network.find_first_difference(tmp_path / "half.onnx", x_CHW) == ""
    model = onnx.load(tmp_path / "half.onnx")
    (bias,) = (one for one in model.graph.initializer if one.name.startswith("bias"))
    bias.CopyFrom(numpy_helper.from_array(5 + numpy_helper.to_array(bias), bias.name))
    onnx.save(model, tmp_path / "half.onnx")
    text = network.find_first_difference(tmp_path / "half.onnx", x_CHW)
    assert text.startswith("; the first layer that differs is v0 (Conv): by up to 5")
    assert find_first_value(network.file, tmp_path / "model.xml", x_CHW, suffix="") == ""


def test_openvino_runs_its_file_and_tensorrt_gets_the_one_size_of_a_graph(
    imported, dataset, tmp_path
):
    pytest.importorskip("openvino")
    root = imported(TILES, shape=FIXED)
    bundle = export_model(root, tmp_path / "b", data=dataset, to="openvino")
    graph = bundle.graphs[-1]
    assert (graph.file, graph.quality.equal_pixel_share) == ("model.xml", 1)
    with pytest.raises(
        ConfigError, match=r"model.pt2: is written from a network of torch, and"
    ):
        export_model(root, tmp_path / "c", data=dataset, to="torch_export")
    export_model(root, tmp_path / "t", data=dataset, to="tensorrt", unverified=True)
    build = (tmp_path / "t/build_tensorrt.sh").read_text()
    assert "--saveEngine=tensorrt.plan\n" in build
    assert "Shapes" not in build
    config = (tmp_path / "t/tensorrt.pbtxt").read_text()
    assert "max_batch_size: 0" in config
    assert 'name: "image" data_type: TYPE_FP32 dims: [ 1, 3, 128, 160 ]' in config
    assert 'name: "logits" data_type: TYPE_FP32 dims: [ 1, 3, 128, 160 ]' in config


def test_parts_are_written_inside_a_graph_of_one_size(imported, dataset, tmp_path):
    root = imported(TILES, shape=FIXED)
    inside = ("normalise", "argmax")
    bundle = export_model(root, tmp_path / "b", data=dataset, inside=inside)
    written = bundle.graphs[-1]
    assert (written.inside, written.parity.equal_pixel_share) == (inside, 1)
    graph = onnx.load(bundle.file(written.file)).graph
    dims = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    assert dims == [1, 128, 160, 3]


@pytest.mark.parametrize(
    ("made", "asked", "message"),
    [
        ("int8", "int8", r"is quantised already \(\d DequantizeLinear, .* so no int8 is made"),
        ("int8", "fp16", r"is quantised already \(\d DequantizeLinear, .* so no fp16 is made"),
        (
            "fp16",
            "int8",
            r"its layers compute in float16, and int8 is made of layers in float32",
        ),
    ],
)
def test_a_graph_that_is_not_in_float32_is_not_made_smaller_again(
    imported, dataset, tmp_path, made, asked, message
):
    bundle = export_model(imported(), tmp_path / "small", data=dataset, precision=made)
    arguments = write_files(tmp_path, onnx.load(bundle.file(f"model.{made}.onnx")))
    again = import_onnx(**arguments | {"out": tmp_path / "again"}).bundle.root
    with pytest.raises(ConfigError, match=message):
        export_model(again, tmp_path / "c", data=dataset, precision=asked)
    assert not (tmp_path / "c").exists()


def test_a_graph_that_pads_and_gives_probabilities_is_trained_in_int8(
    imported, dataset, tmp_path
):
    lines = []
    with pytest.raises(BundleError, match=r"int8 \w+, trained for \d+ steps: mIoU 96.21 "):
        export_model(
            imported(out="probabilities", nhwc=True, bgr=True, stride=4, told=BGR),
            tmp_path / "c",
            data=dataset,
            precision="int8",
            max_drop_points=-100,
            qat_s=0.1,
            log=lines.append,
        )
    assert any("trained for" in line for line in lines)


def test_labels_have_no_logits_that_int8_is_trained_by(imported, dataset, tmp_path):
    with pytest.raises(ConfigError, match=r"has And, ArgMax, .* use --precision int8"):
        export_model(
            imported(out="labels4"),
            tmp_path / "c",
            data=dataset,
            precision="int8",
            max_drop_points=-1,
            qat_s=0.1,
        )
    assert not (tmp_path / "c").exists()
