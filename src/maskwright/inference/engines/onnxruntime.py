"""ONNX Runtime, https://onnxruntime.ai: runs ONNX graphs, on the CPU by default; no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.card import ModelCard
from ...core.errors import BundleError, ConfigError, first_line
from ...core.graph import FEATURES
from ...core.logits import LogitsGrid
from .. import onnxfile
from ..engine import FP32, MAX_BATCH, Engine, EngineOptions, EngineOutput, read_limits

PRIORITY = 20
FILES = "*.onnx"

_CPU = "CPUExecutionProvider"
_FATAL_ONLY = 4
_KEPT_PX = 1 << 22
"""Pixels of an input whose memory is kept for the next one of the same size."""

_NO_MEMORY = ("allocate memory", "bad_alloc", "bad allocation")


@dataclass(slots=True)
class _LastInput:
    """Pixels of the input that a session ran last."""

    num_px: int = 0


@dataclass(frozen=True, slots=True)
class OnnxEngine(Engine):
    """Runs a session whose graph has one input, and logits as its first output.

    `num_features` are those of its second output, 0 where it has none.

    The memory of a run is kept for the next input of as many pixels, and given back after one
    of another size, or a large one. Without it, an input of 1024 x 1024 px and more takes 1.5
    to 2 times as long: the system clears every page that it gives.
    """

    file: Path
    session: Any
    input_name: str
    output_name: str
    num_classes: int
    grid: LogitsGrid
    options: EngineOptions
    precision: str = FP32
    is_compact: bool = False
    max_batch: int = MAX_BATCH
    size_HW: tuple[int, int] | None = None
    num_features: int = 0
    last: _LastInput = field(default_factory=_LastInput, compare=False, repr=False)
    name = "onnxruntime"

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        return self.run(image_BCHW).logits_BKhw

    def run(self, image_BCHW: NDArray[np.float32]) -> EngineOutput:
        """The contract of Engine; the graph writes into the arrays that are returned."""
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        batch, _, height, width = image_BCHW.shape
        size_hw = self.grid.size((height, width))
        given = {self.output_name: np.empty((batch, self.num_classes, *size_hw), np.float32)}
        if self.num_features:
            given[FEATURES] = np.empty((batch, self.num_features), np.float32)
        binding = self.session.io_binding()
        try:
            binding.bind_cpu_input(self.input_name, np.ascontiguousarray(image_BCHW))
            for name, array in given.items():
                output = onnxruntime.OrtValue.ortvalue_from_numpy(array)
                binding.bind_ortvalue_output(name, output)
            self.session.run_with_iobinding(binding, self._choose_memory(image_BCHW))
        except list_errors(errors) as error:
            if any(text in str(error) for text in _NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise BundleError(
                f"{self.file}: the graph fails on an input of {image_BCHW.shape} (B, C, H, W), "
                f"or returns no float32 logits at {self.grid}: "
                f"{first_line(error)}; export the model again"
            ) from error
        return EngineOutput(*given.values())

    def _choose_memory(self, image_BCHW: NDArray[np.float32]) -> Any:
        """Options of a run: whether its memory is given back after it."""
        import onnxruntime

        batch, _, height, width = image_BCHW.shape
        num_px = batch * height * width
        if num_px == self.last.num_px and num_px <= _KEPT_PX:
            return None
        self.last.num_px = num_px
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return options

    def make_compact(self) -> "OnnxEngine | None":
        """The contract of Engine; without the layout that pads channels to a block of eight."""
        if self.is_compact:
            return None
        session = _session(self.file, self.options, compact=True)
        return replace(self, session=session, is_compact=True, last=_LastInput())

    def make_serial(self) -> "OnnxEngine | None":
        """The contract of Engine; None where threads or a device were chosen."""
        if self.options.threads is not None or self.session.get_providers() != [_CPU]:
            return None
        options = replace(self.options, threads=1)
        session = _session(self.file, options, compact=self.is_compact)
        return replace(self, session=session, options=options, last=_LastInput())


def list_errors(errors: Any) -> tuple[type[Exception], ...]:
    """Every exception that ONNX Runtime raises."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return (RuntimeError, *(kind for kind in kinds if issubclass(kind, Exception)))


def list_external_files(file: Path) -> tuple[str, ...]:
    """The contract of `inference.engine.EnginePart`."""
    return onnxfile.list_external_files(file)


def build(file: Path, card: ModelCard, options: EngineOptions) -> OnnxEngine:
    """The contract of `inference.engine.EnginePart`."""
    session = _session(file, options)
    inputs, (logits, *others) = session.get_inputs(), session.get_outputs()
    shapes = [i.shape for i in inputs], [logits.shape]
    channels, classes = card.input.channels, len(card.labels)
    if [[s[1:2] for s in side] for side in shapes] != [[[channels]], [[classes]]]:
        raise BundleError(
            f"{file}: the graph maps {shapes[0]} to {shapes[1]}, its card says "
            f"{channels} channels to {classes} classes; export the model again"
        )
    names = inputs[0].name, logits.name
    precision = options.precision or FP32
    max_batch, size_HW = read_limits(inputs[0].shape)
    return OnnxEngine(
        file,
        session,
        *names,
        classes,
        card.logits,
        options,
        precision,
        max_batch=max_batch,
        size_HW=size_HW,
        num_features=next((o.shape[1] for o in others if o.name == FEATURES), 0),
    )


def _session(file: Path, options: EngineOptions, *, compact: bool = False) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    settings = onnxruntime.SessionOptions()
    if compact:
        settings.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        )
    settings.log_severity_level = _FATAL_ONLY  # its errors are raised, not printed
    settings.use_deterministic_compute = True
    settings.enable_mem_pattern = False  # a plan per input size would pile up over odd sizes
    settings.intra_op_num_threads = options.threads or 0  # 0: as many as there are cores
    if not options.spins:
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _providers(options, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(file, settings, providers=providers)
    except list_errors(errors) as error:
        raise BundleError(
            f"{file}: ONNX Runtime {onnxruntime.__version__} cannot run this graph "
            f"({first_line(error)}); copy the bundle again or export it again"
        ) from error


def _providers(options: EngineOptions, available: Sequence[str]) -> list[Any]:
    """Execution providers in ONNX Runtime's own form; CPU unless another is asked for."""
    device, _, index = options.device.partition(":")
    on_device = ("CUDAExecutionProvider",) if device == "cuda" else (_CPU,)
    chosen = options.providers or on_device
    absent = [name for name in chosen if name not in available]
    if absent:
        raise ConfigError(
            f"ONNX Runtime has no {', '.join(absent)} here, it has {', '.join(available)}; "
            f"use one of these, or install the onnxruntime package of the device"
        )
    return [(name, {"device_id": index or "0"} if "CUDA" in name else {}) for name in chosen]
