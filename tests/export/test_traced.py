"""Graphs that are kept without weights: what decides their names, and what is not kept."""

from dataclasses import replace

import onnx_ir
import pytest
import torch
from torch import nn

from maskwright.core import LabelSpec
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.inputspec import InputSpec
from maskwright.core.logits import LogitsGrid
from maskwright.export.traced import (
    find_graph,
    find_tensors,
    keep_graph,
    name_graph,
    put_weights_in,
    take_weights_out,
)

NAME = "a.onnx"
CARD = ModelCard(
    labels=LabelSpec.from_names(("a", "b")),
    input=InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3),
    arch=ArchSpec(name="enet", encoder="own"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "maskwright/graphs"


def draw_network(seed=0, num_classes=2):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, num_classes, 1), nn.BatchNorm2d(num_classes))


def write_graph(network):
    """image + bias of the convolution: one weight of the network, one constant."""
    bias = find_tensors(network)["0.bias"]
    values = [
        onnx_ir.Value(
            name=name,
            shape=onnx_ir.Shape(shape),
            type=onnx_ir.TensorType(onnx_ir.DataType.FLOAT),
        )
        for name, shape in (("image", ["B", 2]), ("0.bias", [2]), ("constant", [2]))
    ]
    values[1].const_value = onnx_ir.tensor(bias.detach().numpy(), name="0.bias")
    values[2].const_value = onnx_ir.tensor([1.0, 2.0], name="constant")
    nodes = [onnx_ir.node("Add", [values[0], values[1]])]
    nodes.append(onnx_ir.node("Mul", [nodes[0].outputs[0], values[2]]))
    graph = onnx_ir.Graph(
        values[:1],
        nodes[1].outputs,
        nodes=nodes,
        initializers=values[1:],
        opset_imports={"": 18},
        name="graph",
    )
    return onnx_ir.Model(graph, ir_version=10)


def test_a_graph_is_kept_without_weights_and_takes_those_of_another_network(folder):
    one, other = draw_network(0), draw_network(1)
    graph = write_graph(one)
    take_weights_out(graph, find_tensors(one))
    keep_graph(NAME, graph)
    assert (
        find_tensors(one)["0.bias"].detach().numpy().tobytes()
        not in (folder / NAME).read_bytes()
    )
    found = find_graph(NAME)
    assert [value.name for value in found.graph.inputs] == ["image", "0.bias"]
    put_weights_in(found, find_tensors(other))
    assert [value.name for value in found.graph.inputs] == ["image"]
    filled = {name: v.const_value.numpy() for name, v in found.graph.initializers.items()}
    bias = find_tensors(other)["0.bias"].detach().numpy()
    assert {name: value.tolist() for name, value in filled.items()} == {
        "constant": [1, 2],
        "0.bias": bias.tolist(),
    }


def test_networks_of_one_card_have_one_name_and_all_that_changes_a_graph_another():
    names = [name_graph(draw_network(seed), CARD) for seed in (0, 1)]
    assert names[0] == names[1]
    assert len(names[0]) == len(NAME) - 1 + 64
    arch, grid = CARD.arch, LogitsGrid(8, 32)
    changed = [
        name_graph(draw_network(), replace(CARD, arch=replace(arch, name="fastscnn"))),
        name_graph(draw_network(), replace(CARD, arch=replace(arch, norm="group"))),
        name_graph(draw_network(), replace(CARD, arch=replace(arch, config={"width": 8}))),
        name_graph(draw_network(), replace(CARD, logits=grid)),
        name_graph(draw_network(num_classes=3), CARD),
        name_graph(draw_network().double(), CARD),
    ]
    assert len({*names, *changed}) == 1 + len(changed)


def test_the_graph_of_a_network_in_a_users_file_is_not_kept():
    arch = replace(CARD.arch, name="net.py:build#0123456789ab")
    assert name_graph(draw_network(), replace(CARD, arch=arch)) is None


def test_what_cannot_be_read_is_not_found(folder):
    assert find_graph(NAME) is None
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"not a graph")
    assert find_graph(NAME) is None
