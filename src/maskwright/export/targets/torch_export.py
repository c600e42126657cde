"""torch.export (.pt2), for programs in C++ or Python that have torch and not this package."""

from pathlib import Path

import torch

from ...core.errors import ConfigError, first_line
from ...core.graph import LOGITS
from ..network import Network
from ..onnxgraph import TRACED_HW, silence_exporter

FILE = "model.pt2"
ENGINE = "torch_export"


def write(
    network: Network,
    path: Path,
    _precision: str,
    *,
    size_HW: tuple[int, int] | None = None,  # noqa: ARG001
) -> tuple[str, ...]:
    """The contract of `export.target.Target`."""
    module, card = network.require_module(FILE), network.card
    image_BCHW = torch.zeros(2, card.input.channels, *TRACED_HW)
    batch, height, width = (torch.export.Dim(n) for n in ("batch", "height", "width"))
    with silence_exporter(), torch.no_grad():
        try:
            program = torch.export.export(
                module.eval().cpu(),
                (image_BCHW,),
                dynamic_shapes=({0: batch, 2: height, 3: width},),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            _drop_assertions(program.graph_module)
            program.example_inputs = None  # it would be a pickle
            torch.export.save(program, str(path))
        except Exception as error:
            raise ConfigError(
                f"model {card.arch.name!r} with encoder {card.arch.encoder!r} cannot be "
                f"written by torch.export for any size ({first_line(error)}); use --to onnx"
            ) from error
    return (LOGITS,)


def _drop_assertions(module: torch.fx.GraphModule) -> None:
    """Remove what the exporter asserts of sizes: it takes the branches of the traced size.

    A size that is a multiple of 32 needs no padding, which the same graph computes as padding
    by 0. Where the graph itself holds for the traced size only, the comparison with the network
    refuses it.
    """
    for node in list(module.graph.nodes):
        if node.target is torch.ops.aten._assert_scalar.default:
            module.graph.erase_node(node)
        node.meta.pop("stack_trace", None)  # names of files of this machine
    module.graph.eliminate_dead_code()
    module.recompile()
