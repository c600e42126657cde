"""Layers: where a graph begins to differ from the network, layer by layer."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from ..inference.parity import Planes

_HALF = "network."
"""Before the paths of layers in a graph of fp16, see `onnxgraph.HalfPrecision`."""
_MIN_RATIO = 1e-3
"""A layer differs where its largest difference is above this share of its largest value."""


def find_first_difference(network: nn.Module, graph: Path, x_CHW: Planes) -> str:
    """The end of a message: the first layer whose output differs in an ONNX graph, or "".

    Graphs of other formats, and layers that are not in the graph by their name, give "".
    """
    if graph.suffix != ".onnx":
        return ""
    layers = _list_layers(network, graph)
    if not layers:
        return ""
    expected = _run_layers(network, tuple(layers), x_CHW)
    found = _run_values(graph, [layers[path] for path in expected], x_CHW)
    for path, values in expected.items():
        given = found[layers[path]]
        if given.shape != values.shape:
            continue
        largest, gap = float(np.abs(values).max()), float(np.abs(values - given).max())
        if not gap <= _MIN_RATIO * max(largest, 1e-6):
            kind = type(network.get_submodule(path)).__name__
            return (
                f"; the first layer that differs is {path} ({kind}): by up to {gap:.3g}, its "
                f"values reach {largest:.3g}"
            )
    return ""


def _list_layers(network: nn.Module, graph: Path) -> dict[str, str]:
    """The value that each layer gives, by its path: `write_onnx` names nodes by layers."""
    import onnx

    modules = dict(network.named_modules())
    layers = {}
    for node in onnx.load(graph).graph.node:
        for path in (node.name, node.name.removeprefix(_HALF)):
            if path in modules and path:
                layers[path] = node.output[0]
                break
    return layers


def _run_layers(
    network: nn.Module, paths: Sequence[str], x_CHW: Planes
) -> dict[str, np.ndarray]:
    """The output of each of the layers, in the order in which they run."""
    outputs: dict[str, np.ndarray] = {}

    def keep(path: str, _module: nn.Module, _given: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs[path] = output.detach().clone().numpy()  # the next may write into it

    with ExitStack() as stack, torch.inference_mode():
        for path in paths:
            hook = network.get_submodule(path).register_forward_hook(partial(keep, path))
            stack.callback(hook.remove)
        network(torch.from_numpy(x_CHW[None]))
    return outputs


def _run_values(graph: Path, names: Sequence[str], x_CHW: Planes) -> Mapping[str, np.ndarray]:
    """The values of an ONNX graph by name."""
    import onnx
    import onnxruntime

    model = onnx.load(graph)
    chosen = list(dict.fromkeys(names))
    have = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in chosen if name not in have
    )
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.log_severity_level = 4
    with TemporaryDirectory() as folder:
        path = Path(folder) / "probed.onnx"
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(path, settings)
    values = session.run(chosen, {session.get_inputs()[0].name: x_CHW[None]})
    return dict(zip(chosen, values, strict=True))
