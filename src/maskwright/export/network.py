"""Network: what the graphs of a model are written from, and what they must agree with.

There are two: a network of torch (`export.torchnetwork`), and the graph of a Bundle that was
imported (`export.foreign.network`), which ONNX Runtime runs.
"""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..core.card import ModelCard
from ..core.graph import Tolerance
from ..inference.engine import Engine
from ..inference.parity import Planes

if TYPE_CHECKING:
    from torch import nn


class Network(Protocol):
    """The network of a model, in float32."""

    @property
    @abstractmethod
    def card(self) -> ModelCard:
        """Of the model."""

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """Runs the network in fp32; graphs of the model take the sizes and batches it takes."""

    @abstractmethod
    def write_onnx(
        self, path: Path, precision: str, *, with_features: bool = True
    ) -> tuple[str, ...]:
        """Write the graph that maps `image` to `logits`; returns the names of its outputs.

        Args:
            path: A file that does not exist yet.
            precision: `fp32` or `fp16`; image and logits are float32 in both.
            with_features: Also give the means of the features of the encoder, where the
                network knows them.

        Raises:
            ConfigError: The network cannot be written as ONNX in this precision.
        """

    @abstractmethod
    def adapt_tolerance(self, tolerance: Tolerance) -> Tolerance:
        """What a graph of this network may differ by, of what one of its target may."""

    @abstractmethod
    def find_first_difference(self, graph: Path, x_CHW: Planes) -> str:
        """The end of a message: where a graph begins to differ from the network; "" if unknown.

        Args:
            graph: The file of a graph of this network.
            x_CHW: On which both run.
        """

    @abstractmethod
    def require_module(self, file: str) -> "nn.Module":
        """The network of torch: x_BCHW -> logits_BKhw, in eval mode.

        Args:
            file: That is written from it, for the message.

        Raises:
            ConfigError: It is a graph.
        """
