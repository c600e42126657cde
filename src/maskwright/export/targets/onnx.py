"""ONNX, https://onnx.ai: of a network of ours for any batch, height and width."""

from pathlib import Path

from ...core.bundle import GRAPH
from ...core.graph import INT8_TOLERANCE, Tolerance
from ..network import Network

FILE = GRAPH
ENGINE = "onnxruntime"
TOLERANCES = {
    "fp32": Tolerance(),
    "fp16": Tolerance(logit_ratio=5e-2, equal_pixel_share=0.99),
    "int8": INT8_TOLERANCE,
}


def write(
    network: Network,
    path: Path,
    precision: str,
    *,
    size_HW: tuple[int, int] | None = None,  # noqa: ARG001
) -> tuple[str, ...]:
    """The contract of `export.target.Target`."""
    return network.write_onnx(path, precision)
