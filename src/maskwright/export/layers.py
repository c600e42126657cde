"""Layers: where a graph begins to differ from the network, layer by layer.

The network is one of torch, whose layers have paths, or the graph that was imported, whose
values have names.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    return _describe_first(
        (f"{path} ({type(network.get_submodule(path)).__name__})", values, found[layers[path]])
        for path, values in expected.items()
    )


def find_first_value(original: Path, graph: Path, x_CHW: Planes, *, suffix: str) -> str:
    """As `find_first_difference`, of the graph `original` and of one that was made of it.

    The values of both have the same names, or in `graph` the name with `suffix`.
    """
    import onnx

    if graph.suffix != ".onnx":
        return ""
    given = {name for node in onnx.load(graph).graph.node for name in node.output}
    pairs: dict[str, str] = {}
    titles: dict[str, str] = {}
    for node in onnx.load(original).graph.node:
        for name in node.output:
            both = [one for one in (f"{name}{suffix}", name) if one in given and name]
            if both:
                pairs[name] = both[0]
                titles[name] = f"{node.name or name} ({node.op_type})"
    expected = _run_values(original, list(pairs), x_CHW)
    found = _run_values(graph, list(pairs.values()), x_CHW)
    floats = [n for n, values in expected.items() if np.issubdtype(values.dtype, np.floating)]
    return _describe_first((titles[n], expected[n], found[pairs[n]]) for n in floats)


def _describe_first(layers: Iterable[tuple[str, np.ndarray, np.ndarray]]) -> str:
    """The first of some layers whose output differs: each with what is expected and given."""
    for title, expected, given in layers:
        if given.shape != expected.shape:
            continue
        values = expected.astype(np.float32)
        largest, gap = float(np.abs(values).max()), float(np.abs(values - given).max())
        if not gap <= _MIN_RATIO * max(largest, 1e-6):
            return (
                f"; the first layer that differs is {title}: by up to {gap:.3g}, its values "
                f"reach {largest:.3g}"
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
