"""Configurations for the Triton Inference Server, https://github.com/triton-inference-server.

Its backend `onnxruntime` runs an ONNX graph, on TensorRT where it is told to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.card import ModelCard
from ..core.graph import LOGITS
from ..inference.engine import Engine
from .onnxgraph import IMAGE

MAX_BATCH = 4

_CONFIG = """\
# Triton Inference Server: copy this file to MODELS/{name}/config.pbtxt and {file} to
# MODELS/{name}/1/model.onnx, then start `tritonserver --model-repository=MODELS`.
{note}name: "{name}"
backend: "onnxruntime"
max_batch_size: {max_batch}
input [
  {{ name: "{image.name}" data_type: {image.kind} dims: [ {batch}{image.sides} ] }}
]
output [
  {{ name: "{output.name}" data_type: {output.kind} dims: [ {batch}{output.sides} ] }}
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


def find_size(network: Engine) -> tuple[int, int]:
    """(H, W) of the images that a network takes; -1 for a free side."""
    return network.size_HW or (-1, -1)


def describe_image(card: ModelCard, network: Engine) -> Tensor:
    """The input of the graphs of a network."""
    return Tensor(IMAGE, "float32", (card.input.channels, *find_size(network)))


def describe_logits(card: ModelCard, network: Engine) -> Tensor:
    """The output of the graphs of a network."""
    size_HW = network.size_HW
    size_hw = (-1, -1) if size_HW is None else card.logits.size(size_HW)
    return Tensor(LOGITS, "float32", (len(card.labels), *size_hw))


def write_config(
    file: str, image: Tensor, output: Tensor, *, takes_batches: bool, on_tensorrt: bool
) -> str:
    """The text of config.pbtxt for a graph; one without batches takes a batch of 1."""
    return _CONFIG.format(
        name=Path(file).stem,
        file=file,
        image=image,
        max_batch=MAX_BATCH if takes_batches else 0,  # 0: the batch is an axis of the shape
        batch="" if takes_batches else "1, ",
        output=output,
        note="# The server builds the engine when it loads the model.\n" if on_tensorrt else "",
        acceleration=_ON_TENSORRT if on_tensorrt else "",
    )
