"""NodeChain: nodes in a row that are placed before and after the nodes of an ONNX graph."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


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
        taken = {entry.name for entry in (*graph.input, *graph.initializer)}
        return cls(taken | {n for node in graph.node for n in (*node.input, *node.output)})

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

        output = output or self.make_name(f"maskwright_{operator.lower()}")
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **how))
        return output

    def cast(self, value: str, dtype: str) -> str:
        """Add a cast to a type of NumPy."""
        from onnx import helper

        return self.add("Cast", [value], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def constant(self, values: NDArray[Any]) -> str:
        """Add an initializer; returns its name."""
        from onnx import numpy_helper

        name = self.make_name("maskwright_constant")
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
