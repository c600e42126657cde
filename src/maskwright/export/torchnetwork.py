"""TorchNetwork: a network with weights of ours, run by torch."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..core.card import ModelCard
from ..core.graph import Tolerance
from ..inference.engine import FP32
from ..inference.engines.torch import TorchEngine
from ..inference.parity import Planes
from .layers import find_first_difference
from .network import Network
from .onnxgraph import HalfPrecision, write_onnx


@dataclass(frozen=True, slots=True)
class TorchNetwork(Network):
    """A network of torch, with its weights, in eval mode."""

    module: nn.Module
    card: ModelCard

    @property
    def engine(self) -> TorchEngine:
        """The contract of Network."""
        return TorchEngine(self.module)

    def write_onnx(
        self, path: Path, precision: str, *, with_features: bool = True
    ) -> tuple[str, ...]:
        """The contract of Network."""
        module = self.module if precision == FP32 else HalfPrecision(self.module)
        return write_onnx(module, self.card, path, with_features=with_features)

    def adapt_tolerance(self, tolerance: Tolerance) -> Tolerance:
        """The contract of Network."""
        return tolerance

    def find_first_difference(self, graph: Path, x_CHW: Planes) -> str:
        """The contract of Network: the first layer, by its path."""
        return find_first_difference(self.module, graph, x_CHW)

    def require_module(self, _file: str) -> nn.Module:
        """The contract of Network."""
        return self.module
