"""Configurations for the Triton Inference Server, https://github.com/triton-inference-server.

Its backend `onnxruntime` runs an ONNX graph, on TensorRT where it is told to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """\
# Triton Inference Server: copy this file to MODELS/{name}/config.pbtxt and {file} to
# MODELS/{name}/1/model.onnx, then start `tritonserver --model-repository=MODELS`.
{note}name: "{name}"
backend: "onnxruntime"
max_batch_size: 4
input [
  {{ name: "{image.name}" data_type: {image.kind} dims: [ {image.sides} ] }}
]
output [
  {{ name: "{output.name}" data_type: {output.kind} dims: [ {output.sides} ] }}
]
{acceleration}"""
_ON_TENSORRT = """\
optimization {
  execution_accelerators {
    gpu_execution_accelerator: [ { name: "tensorrt" } ]
  }
}
"""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Input or output of a graph; `shape` is without the batch, -1 for a free side."""

    name: str
    dtype: str
    shape: Sequence[int]

    @property
    def kind(self) -> str:
        """The type as Triton names it."""
        return f"TYPE_{'FP32' if self.dtype == 'float32' else self.dtype.upper()}"

    @property
    def sides(self) -> str:
        """The shape as Triton writes it."""
        return ", ".join(map(str, self.shape))


def write_config(file: str, image: Tensor, output: Tensor, *, on_tensorrt: bool) -> str:
    """The text of config.pbtxt for a graph."""
    return _CONFIG.format(
        name=Path(file).stem,
        file=file,
        image=image,
        output=output,
        note="# The server builds the engine when it loads the model.\n" if on_tensorrt else "",
        acceleration=_ON_TENSORRT if on_tensorrt else "",
    )
