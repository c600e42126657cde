"""ONNX by torch.onnx with dynamo, for any batch, height and width."""

from pathlib import Path

from torch import nn

from ...core.bundle import GRAPH
from ...core.card import ModelCard
from ...core.graph import INT8_TOLERANCE, Tolerance
from ..onnxgraph import HalfPrecision, write_onnx

FILE = GRAPH
ENGINE = "onnxruntime"
TOLERANCES = {
    "fp32": Tolerance(),
    "fp16": Tolerance(logit_ratio=5e-2, equal_pixel_share=0.99),
    "int8": INT8_TOLERANCE,
}


def write(network: nn.Module, card: ModelCard, path: Path, precision: str) -> tuple[str, ...]:
    """The contract of `export.target.Target`; the graph maps `image` to `logits`."""
    return write_onnx(HalfPrecision(network) if precision == "fp16" else network, card, path)
