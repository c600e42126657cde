"""Rewrite a foreign graph to our contract: image NCHW float32 -> logits, by nodes around it.

Before the graph: pad to multiples, turn RGB into BGR, move the channels, round and cast. After
it: cast, move the channels, labels or probabilities to logits, crop. A label outside of the
classes gives NaN, which a Predictor refuses.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ...core.graph import LOGITS
from ..nodechain import PREFIX, NodeChain, list_graphs
from ..onnxgraph import IMAGE
from .layout import LABEL_LOGIT, LEAST_SHARE, InputLayout, OutputLayout


def rewrite(model: Any, taken: InputLayout, given: OutputLayout) -> Any:
    """A model with the input `image` and the output `logits` around the nodes of `model`.

    Args:
        model: An onnx.ModelProto of opset 13 or later.
        taken: Of its input.
        given: Of the output that becomes the logits; the others are left out.
    """
    import onnx
    from onnx import TensorProto, helper

    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    taken, given = _free_names(rewritten, taken, given)
    chain = NodeChain.around(rewritten)
    size = _add_input(chain, IMAGE, taken)
    chain.pass_graph()
    _add_output(chain, LOGITS, given, size if given.stride == 1 else None)
    chain.place(rewritten)
    graph = rewritten.graph
    for entries in (graph.input, graph.output):
        del entries[:]
    sides = taken.size_HW or ("height", "width")
    batch = taken.num_images or "batch"
    shape = [batch, taken.channels, *sides]
    graph.input.append(helper.make_tensor_value_info(IMAGE, TensorProto.FLOAT, shape))
    free = [batch, given.num_classes, "logits_height", "logits_width"]
    graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, free))
    rewritten.ir_version = max(rewritten.ir_version, 8)  # initializers are no inputs
    return rewritten


def _free_names(
    model: Any, taken: InputLayout, given: OutputLayout
) -> tuple[InputLayout, OutputLayout]:
    """Give the values of a model that are named as our input and output another name."""
    chain = NodeChain.around(model)
    names = {name: chain.make_name(f"{PREFIX}{name}") for name in (IMAGE, LOGITS)}
    for graph in list_graphs(model.graph):
        for one in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
            one.name = names.get(one.name, one.name)
        for node in graph.node:
            for listed in (node.input, node.output):
                listed[:] = [names.get(name, name) for name in listed]
    taken = replace(taken, name=names.get(taken.name, taken.name))
    return taken, replace(given, name=names.get(given.name, given.name))


def _add_input(chain: NodeChain, image: str, taken: InputLayout) -> str:
    """Nodes from `image` to the input of the graph; returns the value with the size (H, W)."""
    value, size = image, ""
    if taken.size_HW is None:
        shape = chain.add("Shape", [image])
        size = chain.add("Slice", [shape, chain.integers(2), chain.integers(4)])
    if size and taken.multiple > 1:
        missing = chain.add(
            "Mod", [chain.add("Neg", [size]), chain.integers(taken.multiple, taken.multiple)]
        )
        pads = chain.add("Concat", [chain.integers(0, 0, 0, 0, 0, 0), missing], axis=0)
        value = chain.add("Pad", [value, pads], mode="edge")
    if taken.is_reversed:
        order = chain.integers(*reversed(range(taken.channels)))
        value = chain.add("Gather", [value, order], axis=1)
    if taken.is_nhwc:
        value = chain.add("Transpose", [value], perm=[0, 2, 3, 1])
    if taken.is_integer:
        limits = np.iinfo(taken.dtype)
        ends = [chain.number(float(end)) for end in (limits.min, limits.max)]
        value = chain.add("Clip", [chain.add("Round", [value]), *ends])
    if taken.dtype != "float32":
        value = chain.cast(value, taken.dtype)
    chain.add("Identity", [value], taken.name)
    return size if taken.multiple > 1 else ""


def _add_output(chain: NodeChain, logits: str, given: OutputLayout, size: str | None) -> None:
    """Nodes from the output of the graph to `logits`, of (H, W) `size` where there is one."""
    value = given.name
    if given.rank == 3:
        value = chain.add("Unsqueeze", [value, chain.integers(1)])
    elif given.is_nhwc:
        value = chain.add("Transpose", [value], perm=[0, 3, 1, 2])
    value = chain.cast(value, "float32")
    if given.kind == "labels":
        value = _add_one_hot(chain, value, given.num_classes)
    elif given.kind == "logits" and given.channels == 1:
        value = chain.add("Concat", [chain.add("Sub", [value, value]), value], axis=1)
    elif given.kind == "probabilities":
        if given.channels == 1:
            other = chain.add("Sub", [chain.number(1.0), value])
            value = chain.add("Concat", [other, value], axis=1)
        value = chain.add("Log", [chain.add("Max", [value, chain.number(LEAST_SHARE)])])
    if size:
        starts, axes = chain.integers(0, 0), chain.integers(2, 3)
        value = chain.add("Slice", [value, starts, size, axes])
    chain.add("Identity", [value], logits)


def _add_one_hot(chain: NodeChain, labels: str, num_classes: int) -> str:
    """One-hot logits of labels; 0 / 0 where a label is none of the classes."""
    index_1K11 = np.arange(num_classes, dtype=np.float32).reshape(1, -1, 1, 1)
    hot = chain.cast(chain.add("Equal", [labels, chain.constant(index_1K11)]), "float32")
    above = chain.add("Greater", [labels, chain.number(-0.5)])
    below = chain.add("Less", [labels, chain.number(num_classes - 0.5)])
    known = chain.cast(chain.add("And", [above, below]), "float32")
    return chain.add("Mul", [chain.add("Div", [hot, known]), chain.number(LABEL_LOGIT)])
