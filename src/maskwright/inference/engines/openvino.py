"""OpenVINO, https://docs.openvino.ai: runs ONNX graphs and its own on the CPU; no torch.

OpenVINO runs float graphs in bf16 by itself where the CPU has it: the precision is forced here
to that of the options.
"""

from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.card import ModelCard
from ...core.errors import BundleError, ConfigError, MissingDependencyError, shorten
from ...core.graph import FEATURES
from ...core.logits import LogitsGrid
from .. import onnxfile
from ..engine import FP32, MAX_BATCH, Engine, EngineOptions, EngineOutput, read_limits

PRIORITY = 5
FILES = "*.onnx *.xml"
CASTS = ("bf16",)

_TRIAL_PX = 64
_NO_MEMORY = ("bad_alloc", "bad allocation", "allocate", "out of memory")


@dataclass(frozen=True, slots=True)
class OpenVinoEngine(Engine):
    """Runs a compiled graph with one input; its outputs are logits and perhaps features.

    Threads that call it wait for each other: a request holds the buffers of one input.
    """

    file: Path
    request: Any
    num_classes: int
    grid: LogitsGrid
    precision: str = FP32
    max_batch: int = MAX_BATCH
    size_HW: tuple[int, int] | None = None
    has_features: bool = False
    turn: Lock = field(default_factory=Lock, compare=False, repr=False)
    name = "openvino"

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        return self.run(image_BCHW).logits_BKhw

    def run(self, image_BCHW: NDArray[np.float32]) -> EngineOutput:
        """The contract of Engine.

        Without memory for the output, OpenVINO 2026.4 raises nothing, and leaves that of the
        run before in its place.
        """
        import openvino

        batch, _, height, width = image_BCHW.shape
        expected = (batch, self.num_classes, *self.grid.size((height, width)))
        try:
            with self.turn:
                given = openvino.Tensor(np.ascontiguousarray(image_BCHW), shared_memory=True)
                before = tuple(self.request.get_output_tensor(0).shape)
                self.request.infer([given], share_inputs=True, share_outputs=True)
                outputs = range(1 + self.has_features)
                found = EngineOutput(
                    *(self.request.get_output_tensor(index).data.copy() for index in outputs)
                )
        except RuntimeError as error:
            if any(text in str(error) for text in _NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise self._refuse(image_BCHW, _find_reason(error)) from error
        logits_BKhw = found.logits_BKhw
        is_of_before = logits_BKhw.shape == before != expected
        if is_of_before and self.request.model_outputs[0].partial_shape.is_dynamic:
            raise MemoryError(f"OpenVINO left the output of the run before, {before}")
        if logits_BKhw.shape != expected or logits_BKhw.dtype.name != "float32":
            shown = f"{logits_BKhw.shape} {logits_BKhw.dtype}"
            raise self._refuse(image_BCHW, f"it returns {shown}, expected float32 {expected}")
        return found

    def _refuse(self, image_BCHW: NDArray[np.float32], reason: str) -> BundleError:
        return BundleError(
            f"{self.file}: the graph fails on an input of {image_BCHW.shape} (B, C, H, W), or "
            f"returns no float32 logits at {self.grid}: {reason}; export the model again"
        )


def missing() -> MissingDependencyError | None:
    """The contract of `inference.engine.EnginePart`."""
    return None if find_spec("openvino") else MissingDependencyError("openvino", "openvino")


def list_external_files(file: Path) -> tuple[str, ...]:
    """The contract of `inference.engine.EnginePart`; an .xml has its weights beside it."""
    if file.suffix == ".xml":
        return (file.with_suffix(".bin").name,)
    return onnxfile.list_external_files(file)


def build(file: Path, card: ModelCard, options: EngineOptions) -> OpenVinoEngine:
    """The contract of `inference.engine.EnginePart`."""
    import openvino

    core = _open_core()
    settings = _list_settings(core, options)
    graph = None
    try:
        graph = core.read_model(file)
        _require_card(file, graph, card)
        request = core.compile_model(graph, "CPU", settings).create_infer_request()
    except RuntimeError as error:
        if graph is not None and options.precision == "bf16":
            raise _refuse_bf16(
                f"OpenVINO cannot run the graph ({_find_reason(error)})"
            ) from error
        raise BundleError(
            f"{file}: OpenVINO {openvino.__version__} cannot run this graph "
            f"({_find_reason(error)}); copy the bundle again or export it again"
        ) from error
    classes, precision = len(card.labels), options.precision or FP32
    shape = [d.get_length() if d.is_static else None for d in graph.input(0).partial_shape]
    max_batch, size_HW = read_limits(shape)
    engine = OpenVinoEngine(
        file,
        request,
        classes,
        card.logits,
        precision,
        max_batch,
        size_HW,
        has_features=any(FEATURES in output.names for output in graph.outputs[1:2]),
    )
    if precision == "bf16":
        _require_bf16(engine, card)
    return engine


@cache
def _open_core() -> Any:
    """The library with its plugin for the CPU, which stays loaded until the process ends.

    OpenVINO 2026.4 gives the thread that loads the plugin a stack for signals, and frees it
    when the plugin leaves: where that happens in another thread, the next signal ends the
    process.
    """
    import openvino

    core = openvino.Core()
    core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")  # loads the plugin
    return core


def _find_reason(error: RuntimeError) -> str:
    """The last line of an error of OpenVINO; those before it are places in its sources."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return shorten(lines[-1].strip(), 200) if lines else type(error).__name__


def _require_bf16(engine: OpenVinoEngine, card: ModelCard) -> None:
    """Run a small image: without the instructions, OpenVINO fails or leaves no result.

    Raises:
        ConfigError: This happened.
    """
    size_HW = engine.size_HW or (_TRIAL_PX, _TRIAL_PX)
    try:
        engine(np.zeros((1, card.input.channels, *size_HW), np.float32))
    except (MemoryError, BundleError) as error:
        raise _refuse_bf16("OpenVINO gives no logits") from error


def _refuse_bf16(found: str) -> ConfigError:
    return ConfigError(
        f"precision 'bf16' needs a CPU with AVX512_BF16 or AMX; on this one {found}; use "
        f"precision 'fp32' or a graph of int8"
    )


def _list_settings(core: Any, options: EngineOptions) -> dict[str, object]:
    """Settings of OpenVINO for one image at a time.

    Raises:
        ConfigError: The CPU cannot compute at the precision, or another device is asked for.
    """
    if options.device not in {"auto", "cpu"} or options.providers:
        asked = ", ".join(options.providers) or options.device
        raise ConfigError(
            f"engine 'openvino' runs on the CPU, not on {asked} (CUDA belongs to torch and "
            f"ONNX Runtime); use device 'cpu' without providers, or another engine"
        )
    known = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if options.precision == "bf16" and "BF16" not in known:
        raise _refuse_bf16(f"OpenVINO finds {', '.join(known)}")
    settings: dict[str, object] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if options.precision == "bf16" else "f32",
        "CACHE_DIR": "",
    }
    if options.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = options.threads
    return settings


def _require_card(file: Path, graph: Any, card: ModelCard) -> None:
    """Refuse a graph of other channels or classes than the card says."""
    shapes = [[part.partial_shape for part in side] for side in (graph.inputs, graph.outputs)]
    wanted = card.input.channels, len(card.labels)
    found = [
        side[0][1].get_length()
        if side and side[0].rank.is_static and len(side[0]) == 4 and side[0][1].is_static
        else None
        for side in shapes
    ]
    if len(shapes[0]) != 1 or tuple(found) != wanted:
        raise BundleError(
            f"{file}: the graph maps {', '.join(map(str, shapes[0]))} to "
            f"{', '.join(map(str, shapes[1]))}, its card says {wanted[0]} channels to "
            f"{wanted[1]} classes; export the model again"
        )
