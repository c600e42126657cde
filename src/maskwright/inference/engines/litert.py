"""LiteRT, https://ai.google.dev/edge/litert: runs .tflite graphs on the CPU; no torch."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.card import ModelCard
from ...core.errors import BundleError, ConfigError, MissingDependencyError, first_line
from ...core.threads import count_cores
from ..engine import Engine, EngineOptions

PRIORITY = 3
FILES = "*.tflite"


@dataclass(frozen=True, slots=True)
class LiteRtEngine(Engine):
    """Runs one image of the size of the graph; threads that call it wait for each other."""

    interpreter: Any
    size_HW: tuple[int, int] | None
    turn: Lock = field(default_factory=Lock, compare=False, repr=False)
    name = "litert"

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        (given,), (found,) = _list_tensors(self.interpreter)
        with self.turn:
            self.interpreter.set_tensor(given["index"], np.ascontiguousarray(image_BCHW))
            self.interpreter.invoke()
            logits_BKhw: NDArray[np.float32] = self.interpreter.get_tensor(found["index"])
        return logits_BKhw


def missing() -> MissingDependencyError | None:
    """The contract of `inference.engine.EnginePart`."""
    if find_spec("ai_edge_litert"):
        return None
    return MissingDependencyError("ai-edge-litert", "litert")


def build(file: Path, card: ModelCard, options: EngineOptions) -> LiteRtEngine:
    """The contract of `inference.engine.EnginePart`; all cores unless `threads` are given."""
    from ai_edge_litert.interpreter import Interpreter

    if options.device not in {"auto", "cpu"} or options.providers:
        asked = ", ".join(options.providers) or options.device
        raise ConfigError(
            f"engine 'litert' runs on the CPU, not on {asked} (CUDA belongs to torch and "
            f"ONNX Runtime); use device 'cpu' without providers, or another engine"
        )
    try:
        content = file.read_bytes()
        interpreter = Interpreter(
            model_content=content, num_threads=options.threads or count_cores()
        )
        interpreter.allocate_tensors()
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"{file}: LiteRT cannot run this graph ({first_line(error)}); copy the bundle "
            f"again or export it again"
        ) from error
    return LiteRtEngine(interpreter, _require_card(file, interpreter, card))


def _list_tensors(interpreter: Any) -> tuple[Any, Any]:
    return interpreter.get_input_details(), interpreter.get_output_details()


def _require_card(file: Path, interpreter: Any, card: ModelCard) -> tuple[int, int]:
    """The size of the image of a graph; refuses one of other channels or classes."""
    shapes = [[tuple(map(int, t["shape"])) for t in s] for s in _list_tensors(interpreter)]
    types = {t["dtype"] for side in _list_tensors(interpreter) for t in side}
    height, width = shapes[0][0][2:] if shapes[0] and len(shapes[0][0]) == 4 else (0, 0)
    logits_hw = card.logits.size((height, width))
    wanted = [(1, card.input.channels, height, width)], [(1, len(card.labels), *logits_hw)]
    if shapes != list(wanted) or types != {np.float32}:
        raise BundleError(
            f"{file}: the graph maps {shapes[0]} to {shapes[1]}, its card says "
            f"{card.input.channels} channels to {len(card.labels)} classes in float32; export "
            f"the model again"
        )
    return height, width
