"""Static quantisation by ONNX Runtime: QuantizeLinear and DequantizeLinear around the layers.

Activations are uint8, weights int8 with a scale per output channel. The layers that hold most
of the work are quantised, and what lies between them, so that values stay in 8 bits.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...core.errors import ConfigError, first_line
from ...inference.parity import Planes

Method = Literal["minmax", "percentile", "entropy"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy")
"""How ranges of activations follow from the calibration images."""

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
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

        with _quiet():
            try:
                quant_pre_process(graph, path, skip_symbolic_shape=True)
            except Exception as error:
                raise ConfigError(
                    f"{graph.name}: ONNX Runtime cannot prepare this graph for int8 "
                    f"({first_line(error)}); use precision fp32 or fp16"
                ) from error
        nodes = onnx.load(path).graph.node
        layers = tuple(node.name for node in nodes if node.op_type in LAYERS)
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
                calibrator.collect_data(_Reader([x_CHW]))
            return calibrator.compute_data()

    def quantize(self, ranges: Any, path: Path, *, keep_float: Sequence[str] = ()) -> None:
        """Write the graph with all layers in int8 but those of `keep_float`."""
        import onnx
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        with _quiet():
            quantizer = QDQQuantizer(
                onnx.load(self.path),
                True,
                False,
                QuantType.QInt8,
                QuantType.QUInt8,
                ranges,
                [],
                list(keep_float),
                [*LAYERS, *BETWEEN],
                {"ActivationSymmetric": False, "WeightSymmetric": True},
            )
            quantizer.quantize_model()
            quantizer.model.save_model_to_file(str(path))


class _Reader:
    """Gives inputs to a calibrator of ONNX Runtime."""

    def __init__(self, inputs_CHW: Iterable[Planes]) -> None:
        self._inputs_CHW = iter(inputs_CHW)

    def get_next(self) -> dict[str, Planes] | None:
        x_CHW = next(self._inputs_CHW, None)
        return None if x_CHW is None else {"image": x_CHW[None]}

    def __iter__(self) -> Iterator[dict[str, Planes]]:
        return self

    def __next__(self) -> dict[str, Planes]:
        given = self.get_next()
        if given is None:
            raise StopIteration
        return given


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ONNX Runtime's advice on its own quantisation."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
