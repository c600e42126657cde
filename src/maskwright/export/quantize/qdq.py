"""Static quantisation by ONNX Runtime: QuantizeLinear and DequantizeLinear around the layers.

Activations are uint8, weights int8 with a scale per output channel. The layers that hold most
of the work are quantised, and what lies between them, so that values stay in 8 bits.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from ...core.errors import ConfigError, first_line
from ...inference.parity import Planes
from ..nodechain import PREFIX, NodeChain, list_names
from ..onnxgraph import IMAGE

Method = Literal["minmax", "percentile", "entropy"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy")
"""How ranges of activations follow from the calibration images."""

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_QUANTISED = (
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
)
BETWEEN = ("Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu", "Clip")


@dataclass(frozen=True, slots=True)
class FloatGraph:
    """A float graph that is prepared for quantisation: shapes known, batch norms folded."""

    path: Path
    layers: tuple[str, ...]

    @classmethod
    def prepare(cls, graph: Path, path: Path) -> "FloatGraph":
        """Write the prepared graph to `path`.

        Raises:
            ConfigError: ONNX Runtime cannot prepare it, or it has no layer to quantise.
        """
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        require_float32(onnx.load(graph), graph.name, "int8")
        with _quiet():
            try:
                quant_pre_process(graph, path, skip_symbolic_shape=True)
            except Exception as error:
                raise ConfigError(
                    f"{graph.name}: ONNX Runtime cannot prepare this graph for int8 "
                    f"({first_line(error)}); use precision fp32 or fp16"
                ) from error
        model = onnx.load(path)
        _name_nodes(model)
        onnx.save(model, path)
        layers = tuple(node.name for node in model.graph.node if node.op_type in LAYERS)
        if not layers:
            raise ConfigError(
                f"{graph.name}: no convolution or matrix product, so int8 gains nothing; use "
                f"precision fp32"
            )
        return cls(path, layers)

    def measure_ranges(self, inputs_CHW: Iterable[Planes], method: Method) -> Any:
        """The range of each activation over the inputs, as ONNX Runtime keeps them."""
        from onnxruntime.quantization import CalibrationMethod
        from onnxruntime.quantization.calibrate import create_calibrator

        kinds = {
            "minmax": CalibrationMethod.MinMax,
            "percentile": CalibrationMethod.Percentile,
            "entropy": CalibrationMethod.Entropy,
        }
        augmented = self.path.with_name("augmented.onnx")
        with _quiet():
            calibrator = create_calibrator(
                self.path,
                (*LAYERS, *BETWEEN),
                augmented_model_path=str(augmented),
                calibrate_method=kinds[method],
                extra_options={"symmetric": False},
            )
        for x_CHW in inputs_CHW:  # one by one: it keeps all activations of what it is given
            with _quiet():
                calibrator.collect_data(_Reader(x_CHW))
        with _quiet():
            return calibrator.compute_data()

    def quantize(self, ranges: Any, path: Path, *, keep_float: Sequence[str] = ()) -> None:
        """Write the graph with all layers in int8 but those of `keep_float`."""
        import onnx
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        model = onnx.load(self.path)
        around = [node.name for node in model.graph.node if node.name.startswith(PREFIX)]
        with _quiet():
            quantizer = QDQQuantizer(
                model,
                True,
                False,
                QuantType.QInt8,
                QuantType.QUInt8,
                ranges,
                [],
                [*keep_float, *around],
                [*LAYERS, *BETWEEN],
                {"ActivationSymmetric": False, "WeightSymmetric": True},
            )
            quantizer.quantize_model()
            quantizer.model.save_model_to_file(str(path))


def require_float32(model: Any, file: str, precision: str) -> None:
    """Require an onnx.ModelProto in float32, of which a graph in `precision` can be made.

    Raises:
        ConfigError: It is quantised, or computes in another precision already.
    """
    from onnx import TensorProto

    graph = model.graph
    quantised = Counter(node.op_type for node in graph.node if node.op_type in _QUANTISED)
    if quantised:
        listed = ", ".join(f"{num} {name}" for name, num in sorted(quantised.items()))
        raise ConfigError(
            f"{file}: is quantised already ({listed}), so no {precision} is made of it; give "
            f"the graph in float32 that it was made of"
        )
    others = {TensorProto.FLOAT16: "float16", TensorProto.DOUBLE: "float64"}
    others[TensorProto.BFLOAT16] = "bfloat16"
    kinds = {one.name: others.get(one.data_type) for one in graph.initializer}
    layers = [node for node in graph.node if node.op_type in LAYERS]
    found = {kinds.get(name) for node in layers for name in node.input} - {None}
    if found:
        raise ConfigError(
            f"{file}: its layers compute in {', '.join(sorted(map(str, found)))}, and "
            f"{precision} is made of layers in float32; export it again in float32"
        )


def find_tail(model: Any) -> set[str]:
    """The names of the values between the last layers of an onnx.ModelProto and its output."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found: set[str] = set()
    waiting = [value.name for value in model.graph.output]
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if name not in found and node is not None and node.op_type not in LAYERS:
            found.add(name)
            waiting += list_names(node)
    return found


def _name_nodes(model: Any) -> None:
    """Give nodes without a name, and of equal names, one that no other has."""
    chain, seen = NodeChain.around(model), set[str]()
    for node in model.graph.node:
        if not node.name or node.name in seen:
            node.name = chain.make_name(f"{node.op_type}_{node.output[0]}")
        seen.add(node.name)


class _Reader:
    """Gives one input to a calibrator of ONNX Runtime."""

    def __init__(self, x_CHW: Planes) -> None:
        self._inputs = iter(({IMAGE: x_CHW[None]},))

    def get_next(self) -> dict[str, Planes] | None:
        return next(self._inputs, None)

    def __iter__(self) -> Iterator[dict[str, Planes]]:
        return self._inputs

    def __next__(self) -> dict[str, Planes]:
        return next(self._inputs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ONNX Runtime's advice on its quantisation, and what it prints of its steps."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logger.setLevel(level)
