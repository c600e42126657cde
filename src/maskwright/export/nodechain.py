"""NodeChain: nodes in a row that are placed before and after the nodes of an ONNX graph."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

PREFIX = "maskwright_"
"""Of the names of nodes and values that are added to a graph."""


class NodeChain:
    """Nodes in a row, whose values have names that the graph does not use.

    They go before the nodes of the graph, those added after `pass_graph` behind them.
    """

    def __init__(self, taken: set[str]) -> None:
        self._before: list[Any] = []
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._taken = taken

    @classmethod
    def around(cls, model: Any) -> Self:
        """An empty chain for the graph of an onnx.ModelProto."""
        graph = model.graph
        taken = {one.name for one in (*graph.input, *graph.initializer, *graph.node)}
        return cls(
            taken | {n for node in list_nodes(graph) for n in (*node.input, *node.output)}
        )

    def make_name(self, wanted: str) -> str:
        """`wanted`, or with a number where the graph has that name."""
        name, number = wanted, 1
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name

    def add(
        self, operator: str, inputs: Sequence[str], output: str | None = None, **how: Any
    ) -> str:
        """Add a node; returns the name of its output."""
        from onnx import helper

        output = output or self.make_name(f"{PREFIX}{operator.lower()}")
        name = self.make_name(f"{PREFIX}{operator.lower()}_node")
        node = helper.make_node(operator, list(inputs), [output], name=name, **how)
        self._nodes.append(node)
        return output

    def cast(self, value: str, dtype: str) -> str:
        """Add a cast to a type of NumPy."""
        from onnx import helper

        return self.add("Cast", [value], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def constant(self, values: NDArray[Any]) -> str:
        """Add an initializer; returns its name."""
        from onnx import numpy_helper

        name = self.make_name(f"{PREFIX}constant")
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def integers(self, *values: int) -> str:
        """Add an initializer of int64."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Add an initializer of one float32, which has no axes."""
        return self.constant(np.array(value, np.float32))

    def pass_graph(self) -> None:
        """Let what is added from now on follow the nodes of the graph."""
        self._before, self._nodes = self._nodes, []

    def place(self, model: Any) -> None:
        """Put the nodes and initializers around those of the graph of an onnx.ModelProto."""
        graph = model.graph
        nodes = [*self._before, *graph.node, *self._nodes]
        del graph.node[:]
        graph.node.extend(nodes)
        graph.initializer.extend(self._constants)


def list_graphs(graph: Any) -> Iterator[Any]:
    """A graph (onnx.GraphProto), and the graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for inner in _list_inner(node):
            yield from list_graphs(inner)


def list_nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph (onnx.GraphProto), and of the graphs inside them."""
    for each in list_graphs(graph):
        yield from each.node


def list_names(node: Any) -> Iterator[str]:
    """The names of the values that a node reads, also in graphs inside it."""
    yield from node.input
    for graph in _list_inner(node):
        for inner in list_nodes(graph):
            yield from inner.input


def _list_inner(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from (attribute.g, *attribute.graphs)
