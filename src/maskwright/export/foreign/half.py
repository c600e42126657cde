"""A graph in float32 that computes in float16, with float32 at both ends.

Layers and what lies between them compute in float16. These stay in float32: what computes
sizes, operators that are not listed here, and what follows the last layers, so that logarithms
of small probabilities and labels keep their values.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..nodechain import NodeChain, list_names
from ..quantize.qdq import LAYERS, find_tail

_EVERY = frozenset(range(99))
_FIRST = frozenset({0})
_VALUES = {
    **dict.fromkeys(
        (
            *LAYERS,
            *("Add", "Sub", "Mul", "Div", "Pow", "Neg", "Abs", "Sqrt", "Exp", "Erf", "Tanh"),
            *("Relu", "LeakyRelu", "PRelu", "Elu", "Gelu", "Softplus", "Clip", "Sigmoid"),
            *("HardSigmoid", "HardSwish", "Mish", "Softmax", "BatchNormalization"),
            *("InstanceNormalization", "LayerNormalization", "GroupNormalization"),
            *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Concat"),
            *("Transpose", "Identity", "Flatten", "DepthToSpace", "SpaceToDepth"),
        ),
        _EVERY,
    ),
    **dict.fromkeys(
        (
            *("Reshape", "Squeeze", "Unsqueeze", "Expand", "Slice", "Split", "Gather"),
            *("Resize", "ReduceMean", "ReduceSum", "ReduceMax"),
        ),
        _FIRST,
    ),
    "Pad": frozenset({0, 2}),
    "Where": frozenset({1, 2}),
}
"""Operators that take float16, with the positions of the inputs that are values."""

_SIZES = frozenset({"Shape", "Size"})
_FLOAT = 1
"""TensorProto.FLOAT."""


def halve(model: Any) -> Any:
    """A copy of an onnx.ModelProto whose layers compute in float16.

    Weights are rounded; those beyond 65504 become infinite, which the comparison with the
    network finds.
    """
    import onnx
    from onnx import inliner

    inlined = inliner.inline_local_functions(model)
    result = onnx.ModelProto()
    result.CopyFrom(inlined)
    graph, halves = result.graph, _Halves(onnx.shape_inference.infer_shapes(inlined))
    nodes = [one for node in inlined.graph.node for one in halves.convert(node)]
    nodes += [one for value in graph.output for one in halves.restore(value.name)]
    used = {name for node in nodes for name in list_names(node)}
    weights = [one for one in (*graph.initializer, *halves.weights) if one.name in used]
    for listed, new in ((graph.node, nodes), (graph.initializer, weights)):
        del listed[:]
        listed.extend(new)
    del graph.value_info[:]  # of float32
    return result


class _Halves:
    """Converts the nodes of a graph in turn, with casts where float16 meets float32.

    `_halves` has the name in float16 of a value; the value in float32 keeps its own name. Of
    the values in `_lacking` there is float16 alone so far.
    """

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.weights: list[Any] = []
        self._constants = {
            one.name: one for one in graph.initializer if one.data_type == _FLOAT
        }
        self._floats = set(self._constants)
        for value in (*graph.input, *graph.value_info, *graph.output):
            if value.type.tensor_type.elem_type == _FLOAT:
                self._floats.add(value.name)
        self._pixels = {graph.input[0].name}
        self._tail = find_tail(model)
        self._halves: dict[str, str] = {}
        self._lacking: set[str] = set()
        self._chain = NodeChain.around(model)

    def convert(self, node: Any) -> Iterator[Any]:
        """The node in float16 or in float32, after the casts that it needs."""
        takes = _VALUES.get(node.op_type, frozenset()) if not node.domain else frozenset()
        values = {n for i, n in enumerate(node.input) if i in takes and n in self._floats}
        is_late = not self._tail.isdisjoint(node.output)
        is_half = not is_late and not self._pixels.isdisjoint(values)
        if node.op_type not in _SIZES and not self._pixels.isdisjoint(list_names(node)):
            self._pixels.update(node.output)
        if not is_half:
            for name in list_names(node):
                yield from self.restore(name)
            yield node
            return
        for name in values:
            yield from self._halve(name)
        half = type(node)()
        half.CopyFrom(node)
        for index, name in enumerate(node.input):
            if index in takes and name in values:
                half.input[index] = self._halves[name]
        for index, name in enumerate(node.output):
            if name in self._floats:
                half.output[index] = self._name(name)
                self._lacking.add(name)
        yield half

    def restore(self, name: str) -> Iterator[Any]:
        """The cast to float32 of a value of which there is float16 alone."""
        from onnx import helper

        if name in self._lacking:
            self._lacking.remove(name)
            yield helper.make_node("Cast", [self._halves[name]], [name], to=_FLOAT)

    def _halve(self, name: str) -> Iterator[Any]:
        """The cast to float16 of a value; constants are rounded here."""
        from onnx import TensorProto, helper, numpy_helper

        if name in self._halves:
            return
        half, constant = self._name(name), self._constants.get(name)
        if constant is None:
            yield helper.make_node("Cast", [name], [half], to=TensorProto.FLOAT16)
            return
        with np.errstate(over="ignore"):
            rounded = numpy_helper.to_array(constant).astype(np.float16)
        self.weights.append(numpy_helper.from_array(rounded, half))

    def _name(self, name: str) -> str:
        self._halves[name] = self._chain.make_name(f"{name}{HALF}")
        return self._halves[name]


HALF = "_half"
"""After the name of a value in float16."""
