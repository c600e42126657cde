"""OpenVINO's own file, https://docs.openvino.ai: an .xml and a .bin, read faster than ONNX.

A graph of bf16 holds the weights in fp32; the engine computes in bf16, where the CPU has it.
"""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ...core.errors import ConfigError, MissingDependencyError, first_line
from ...core.graph import BF16_TOLERANCE, Tolerance
from ...inference.engine import FP32
from ..network import Network

FILE = "model.xml"
ENGINE = "openvino"
TOLERANCES = {
    "fp32": Tolerance(),
    "bf16": BF16_TOLERANCE,
}


def missing() -> MissingDependencyError | None:
    """The contract of `export.target.Target`."""
    return None if find_spec("openvino") else MissingDependencyError("openvino", "openvino")


def write(
    network: Network,
    path: Path,
    _precision: str,
    *,
    size_HW: tuple[int, int] | None = None,  # noqa: ARG001
) -> tuple[str, ...]:
    """The contract of `export.target.Target`."""
    import openvino

    with TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        outputs = network.write_onnx(graph, FP32)
        try:
            model = openvino.Core().read_model(graph)
        except RuntimeError as error:
            raise ConfigError(
                f"the graph cannot be read by OpenVINO {openvino.__version__} "
                f"({first_line(error)}); use --to onnx"
            ) from error
        for index, node in enumerate(model.get_ordered_ops()):
            kind = node.get_type_name()
            if node.get_friendly_name().startswith(f"{kind}_"):  # numbered by the process
                node.set_friendly_name(f"{kind}_{index}")
        openvino.save_model(model, path, compress_to_fp16=False)
    return outputs
