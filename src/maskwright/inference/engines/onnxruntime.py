"""ONNX Runtime on the CPU: runs model.onnx; needs no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import GRAPH
from ...core.card import ModelCard
from ...core.errors import BundleError

FILE = GRAPH

_FATAL_ONLY = 4
_NO_MEMORY = ("allocate memory", "bad_alloc", "bad allocation")


@dataclass(frozen=True, slots=True)
class OnnxEngine:
    """Runs a session whose graph has one input and one output."""

    session: Any
    input_name: str

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        from onnxruntime.capi import onnxruntime_pybind11_state as refusals

        try:
            logits_BKHW: NDArray[np.float32]
            logits_BKHW = self.session.run(None, {self.input_name: image_BCHW})[0]
        except (refusals.Fail, refusals.RuntimeException) as error:
            if any(text in str(error) for text in _NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise
        return logits_BKHW


def build(folder: Path, card: ModelCard) -> OnnxEngine:
    """The contract of `inference.engines`."""
    path = folder / FILE
    session = _session(path)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shapes = [i.shape for i in inputs], [o.shape for o in outputs]
    channels, classes = card.input.channels, len(card.labels)
    if [[s[1:2] for s in side] for side in shapes] != [[[channels]], [[classes]]]:
        raise BundleError(
            f"{path}: the graph maps {shapes[0]} to {shapes[1]}, its card says "
            f"{channels} channels to {classes} classes; export the model again"
        )
    return OnnxEngine(session, inputs[0].name)


def _session(path: Path) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as refusals

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY  # its errors are raised, not printed
    options.use_deterministic_compute = True
    options.enable_mem_pattern = False  # a plan per input size would pile up over odd sizes
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (
        refusals.Fail,
        refusals.InvalidArgument,
        refusals.InvalidGraph,
        refusals.InvalidProtobuf,
        refusals.NoSuchFile,
        refusals.NotImplemented,
        refusals.RuntimeException,
    ) as error:
        raise BundleError(
            f"{path}: ONNX Runtime {onnxruntime.__version__} cannot run this graph "
            f"({str(error).splitlines()[0]}); copy the bundle again or export it again"
        ) from error
