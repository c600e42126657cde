"""ONNX by torch.onnx with dynamo, for any batch, height and width."""

from ...core.bundle import GRAPH
from ...core.graph import INT8_TOLERANCE, Tolerance
from ..onnxgraph import write_at_precision

FILE = GRAPH
ENGINE = "onnxruntime"
TOLERANCES = {
    "fp32": Tolerance(),
    "fp16": Tolerance(logit_ratio=5e-2, equal_pixel_share=0.99),
    "int8": INT8_TOLERANCE,
}

write = write_at_precision
