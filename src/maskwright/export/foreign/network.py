"""GraphNetwork: the graph of an imported Bundle is its network, and what others agree with."""

from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

from ...core.bundle import GRAPH, Bundle
from ...core.card import ModelCard
from ...core.errors import ConfigError
from ...core.graph import LOGITS, Tolerance
from ...inference.engine import FP32, Engine
from ...inference.parity import Planes
from ...inference.predictor import open_graph
from ..layers import find_first_value
from ..network import Network
from ..quantize.qdq import require_float32
from .half import HALF, halve

if TYPE_CHECKING:
    from torch import nn

ENGINE = "onnxruntime"
"""Runs the network: everything is compared with this engine in fp32."""


@dataclass(frozen=True, slots=True)
class GraphNetwork(Network):
    """The graph `file`, as `import_onnx` has rewritten it, run by ONNX Runtime."""

    file: Path
    card: ModelCard
    engine: Engine

    @classmethod
    def open(cls, bundle: Bundle) -> "GraphNetwork":
        """The network of a Bundle without weights.

        Raises:
            BundleError: It has no graph, or one that cannot be run.
        """
        file = bundle.file(GRAPH)
        return cls(file, bundle.card, open_graph(bundle, GRAPH, ENGINE))

    def write_onnx(
        self,
        path: Path,
        precision: str,
        *,
        with_features: bool = True,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """The contract of Network: the graph itself, or one that computes in float16."""
        import onnx

        if precision == FP32:
            copyfile(self.file, path)
        else:
            model = onnx.load(self.file)
            require_float32(model, str(self.file), precision)
            onnx.save(halve(model), path)
        return (LOGITS,)

    def adapt_tolerance(self, tolerance: Tolerance) -> Tolerance:
        """The contract of Network: labels are compared by pixels alone."""
        imported = self.card.provenance.get("imported", {})
        return adapt_to_kind(tolerance, imported.get("values"))

    def find_first_difference(self, graph: Path, x_CHW: Planes) -> str:
        """The contract of Network: the first node, by its name."""
        return find_first_value(self.file, graph, x_CHW, suffix=HALF)

    def require_module(self, file: str) -> "nn.Module":
        """The contract of Network: there is none."""
        raise ConfigError(
            f"{file}: is written from a network of torch, and {self.file.parent} was imported "
            f"as a graph of ONNX; use --to onnx, openvino or tensorrt"
        )


def adapt_to_kind(tolerance: Tolerance, kind: str | None) -> Tolerance:
    """The tolerance of a graph that gives values of a kind of `inputfile`.

    The logits of labels are those of `layout.LABEL_LOGIT`: of a pixel that changes its class
    they differ by as much as they can.
    """
    return replace(tolerance, logit_ratio=1.0) if kind == "labels" else tolerance
