"""A network as an ONNX graph, by torch.onnx with dynamo, for any batch, height and width."""

import logging
import warnings
from ast import literal_eval
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.card import ModelCard
from ..core.errors import ConfigError, first_line
from ..core.graph import FEATURES, LOGITS
from ..nn.encoder_means import give_means
from .traced import (
    find_graph,
    find_tensors,
    keep_graph,
    name_graph,
    put_weights_in,
    take_weights_out,
)

IMAGE = "image"
TRACED_HW = (72, 104)
"""No multiple of 32, and H unequal to W: a size that the graph must not remember."""

_SCOPES = "pkg.torch.onnx.name_scopes"


class HalfPrecision(nn.Module):
    """A copy of a network that computes in float16, with float32 at both ends."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network).half()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """logits_BKhw."""
        logits_BKhw: Tensor = self.network(x_BCHW.half()).float()
        return logits_BKhw


def write_onnx(
    network: nn.Module, card: ModelCard, path: Path, *, with_features: bool = True
) -> tuple[str, ...]:
    """Write the graph that maps `image` to `logits`, in one file; returns its outputs.

    With features, the graph of a network with an encoder also gives the means of
    `nn.encoder_means`. A node that gives the output of a layer has the path of the layer as its
    name, `encoder.layer1.0.conv1`.

    Raises:
        ConfigError: The network cannot be written as ONNX.
    """
    network = network.eval().cpu()
    tensors, name = find_tensors(network), name_graph(network, card)
    graph = None if name is None else find_graph(name)
    if graph is None:
        graph = _trace(network, card)
        take_weights_out(graph, tensors)
        if name is not None:
            keep_graph(name, graph)
    put_weights_in(graph, tensors)
    if not with_features:
        del graph.graph.outputs[1:]
    _fold(graph)
    _forget_the_machine(graph)
    torch.onnx.ONNXProgram(graph, None).save(path)
    return tuple(str(output.name) for output in graph.graph.outputs)


def _trace(network: nn.Module, card: ModelCard) -> Any:
    """The graph of a network, with its weights, for any batch, height and width."""
    from onnxscript import optimizer

    image_BCHW = torch.zeros(2, card.input.channels, *TRACED_HW)
    batch, height, width = (torch.export.Dim(n) for n in ("batch", "height", "width"))
    with silence_exporter(), torch.inference_mode(), give_means(network):
        try:
            program = torch.onnx.export(
                network,
                (image_BCHW,),
                dynamic_shapes=({0: batch, 2: height, 3: width},),
                input_names=[IMAGE],
                output_names=[LOGITS, FEATURES],
                dynamo=True,
                optimize=False,
                verbose=False,
            )
        except (RuntimeError, ValueError, AssertionError) as error:
            raise ConfigError(
                f"model {card.arch.name!r} with encoder {card.arch.encoder!r} "
                f"cannot be written as ONNX ({first_line(error)}); "
                f"choose another encoder, or use the run itself, on torch"
            ) from error
    if program is None:
        raise TypeError("torch.onnx.export returned nothing")
    optimizer.inline(program.model)
    _require_free_sizes(program.model, card)
    _name_layers(program.model, network)
    _forget_the_machine(program.model)
    return program.model


def _fold(model: Any) -> None:
    """Fold constants, as the exporter's own optimiser does after functions are inlined.

    Its next step matches patterns in a time that grows with the square of the number of nodes:
    more than half of the export of mask2former. ONNX Runtime has these patterns itself.
    """
    from onnxscript import optimizer

    optimizer.fold_constants(model)
    optimizer.remove_unused_nodes(model)


def _require_free_sizes(model: Any, card: ModelCard) -> None:
    """Refuse a graph that the exporter has, without an error, tied to the traced size."""
    shape = model.graph.inputs[0].shape
    fixed = [
        n
        for n, axis in (("batch", 0), ("height", 2), ("width", 3))
        if isinstance(shape[axis], int)
    ]
    if fixed:
        raise ConfigError(
            f"model {card.arch.name!r} with encoder {card.arch.encoder!r} cannot "
            f"be written as ONNX: the graph would hold for one {', '.join(fixed)} only; choose "
            f"another encoder, or use the run itself, on torch"
        )


def _name_layers(model: Any, network: nn.Module) -> None:
    """Name the last node of each layer without layers by the path of the layer."""
    modules = dict(network.named_modules())
    scopes = ((literal_eval(n.metadata_props.get(_SCOPES, "[]")), n) for n in model.graph)
    last = {path[-2]: node for path, node in scopes if len(path) > 1}
    for path, node in last.items():
        if path in modules and not any(True for _ in modules[path].children()):
            node.name = path


def _forget_the_machine(model: Any) -> None:
    """Drop notes for debugging: they hold this machine's paths, and differ between runs."""
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


@contextmanager
def silence_exporter() -> Iterator[None]:
    """Without the exporter's talk of its own deprecations and of operators it does not know."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
