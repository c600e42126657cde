"""The first layer that differs is named, and none where a graph is right."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.export.layers import find_first_difference
from maskwright.export.onnxgraph import write_onnx


@pytest.fixture
def written(painted_card, tmp_path):
    """A network of three convolutions with ReLU in place, its graph, and an image."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second, head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1)
    network = nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True), head)
    path = tmp_path / "model.onnx"
    arch = ArchSpec(name="unet", encoder="none")  # a name under which the graph is kept
    write_onnx(network, replace(painted_card(), arch=arch), path)
    x_CHW = np.random.default_rng(0).normal(size=(3, 20, 30)).astype(np.float32)
    return network, path, x_CHW


def test_the_first_layer_whose_weights_were_changed_is_named(written):
    network, path, x_CHW = written
    assert find_first_difference(network, path, x_CHW) == ""
    model = onnx.load(path)
    assert [node.name for node in model.graph.node if node.op_type == "Conv"] == ["0", "2", "4"]
    (node,) = (node for node in model.graph.node if node.name == "2")
    (weight,) = (w for w in model.graph.initializer if w.name == node.input[1])
    doubled = numpy_helper.from_array(2 * numpy_helper.to_array(weight), weight.name)
    weight.CopyFrom(doubled)
    onnx.save(model, path)
    text = find_first_difference(network, path, x_CHW)
    assert text.startswith("; the first layer that differs is 2 (Conv2d): by up to ")


def test_a_graph_of_another_format_names_no_layer(written, tmp_path):
    network, _, x_CHW = written
    assert find_first_difference(network, tmp_path / "model.xml", x_CHW) == ""
