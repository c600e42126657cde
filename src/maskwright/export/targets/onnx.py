"""ONNX by torch.onnx with dynamo, for any batch, height and width."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...core.bundle import GRAPH
from ...core.card import ModelCard
from ...core.errors import ConfigError, first_line
from ...core.graph import LOGITS
from ..traced import (
    find_graph,
    find_tensors,
    keep_graph,
    name_graph,
    put_weights_in,
    take_weights_out,
)

FILE = GRAPH
ENGINE = "onnxruntime"

_TRACED_HW = (72, 104)
"""No multiple of 32, and H unequal to W: a size that the graph must not remember."""


def write(network: nn.Module, card: ModelCard, path: Path, _precision: str) -> tuple[str, ...]:
    """The contract of `export.target.Target`; the graph maps `image` to `logits`."""
    network = network.eval().cpu()
    tensors, name = find_tensors(network), name_graph(network, card)
    graph = None if name is None else find_graph(name)
    if graph is None:
        graph = _trace(network, card)
        take_weights_out(graph, tensors)
        if name is not None:
            keep_graph(name, graph)
    put_weights_in(graph, tensors)
    _fold(graph)
    _forget_the_machine(graph)
    torch.onnx.ONNXProgram(graph, None).save(path)
    return (LOGITS,)


def _trace(network: nn.Module, card: ModelCard) -> Any:
    """The graph of a network, with its weights, for any batch, height and width."""
    from onnxscript import optimizer

    image_BCHW = torch.zeros(2, card.input.channels, *_TRACED_HW)
    batch, height, width = (torch.export.Dim(n) for n in ("batch", "height", "width"))
    with _quiet(), torch.inference_mode():
        try:
            program = torch.onnx.export(
                network,
                (image_BCHW,),
                dynamic_shapes=({0: batch, 2: height, 3: width},),
                input_names=["image"],
                output_names=[LOGITS],
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
def _quiet() -> Iterator[None]:
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
