"""LiteRT, https://ai.google.dev/edge/litert: a .tflite for phones and boards, of one size.

It is converted by litert-torch, which asks for an older torch than the newest one, and so for
an environment of its own. The graph takes one image as (1, C, H, W) and gives logits alike.
"""

from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import torch

from ...core.errors import ConfigError, MissingDependencyError, first_line
from ...core.graph import LOGITS
from ..fixedsize import DEFAULT_HW
from ..network import Network
from ..onnxgraph import silence_exporter

FILE = "model.tflite"
ENGINE = "litert"
HAS_FIXED_SIZE = True


def missing() -> MissingDependencyError | None:
    """The contract of `export.target.Target`."""
    if find_spec("litert_torch"):
        return None
    return MissingDependencyError(
        "litert-torch",
        "litert",
        command="pip install 'maskwright[train,litert]' litert-torch, in an environment of its "
        "own (litert-torch 0.10 asks for torch before 2.15)",
    )


def write(
    network: Network,
    path: Path,
    _precision: str,
    *,
    size_HW: tuple[int, int] | None = None,
) -> tuple[str, ...]:
    """The contract of `export.target.Target`."""
    import litert_torch

    module, card = network.require_module(FILE), network.card
    image_BCHW = torch.zeros(1, card.input.channels, *(size_HW or DEFAULT_HW))
    with (
        silence_exporter(),
        redirect_stdout(StringIO()),
        redirect_stderr(StringIO()),
        torch.no_grad(),
    ):
        try:
            litert_torch.convert(module.eval().cpu(), (image_BCHW,)).export(str(path))
        except Exception as error:
            raise ConfigError(
                f"model {card.arch.name!r} with encoder {card.arch.encoder!r} cannot be "
                f"written by litert-torch ({first_line(error)}); use --to onnx"
            ) from error
    return (LOGITS,)
