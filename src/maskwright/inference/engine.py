"""Engine: the one thing that runs a network; it knows no labels and no image sizes."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.errors import ConfigError, MissingDependencyError

ENGINES = "maskwright.inference.engines"
FP32 = "fp32"
PRECISIONS = (FP32, "fp16", "bf16", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How an engine runs a network; the defaults leave the choice to the engine.

    `threads` are those of one operation, None for as many as the engine takes by itself.
    `device` is `auto`, `cpu`, `cuda` or `cuda:1`. `providers` are ONNX Runtime's execution
    providers, the first usable one is taken; empty means those of the device. `precision` is
    that of the arithmetic: `fp32`, `fp16`, `bf16` or `int8`; None is fp32, for a model all of
    whose graphs have another precision that of the last. An engine refuses an option that it
    cannot follow. Where `spins` is False, threads of ONNX Runtime that wait for each other
    sleep, which leaves their cores to other work: right beside it, slower alone.

    Raises ConfigError for a value outside these.
    """

    threads: int | None = None
    device: str = "auto"
    providers: tuple[str, ...] = ()
    precision: str | None = None
    spins: bool = True

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads is {self.threads}; use 1 or more, or None")
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ConfigError(
                f"device is {self.device!r}; use 'auto', 'cpu', 'cuda' or 'cuda:INDEX'"
            )
        if self.precision not in {None, *PRECISIONS}:
            raise ConfigError(
                f"precision is {self.precision!r}; use one of {', '.join(PRECISIONS)}"
            )


def read_precision(text: str | None) -> str | None:
    """A precision as it is typed: `f32` and `f16` are `fp32` and `fp16`."""
    return {"f32": FP32, "f16": "fp16"}.get(text or "", text)


MAX_BATCH = 8
"""Of engines on a CPU, for graphs that take any."""


def read_limits(shape: Sequence[object]) -> tuple[int, tuple[int, int] | None]:
    """The `max_batch` and `size_HW` of a graph, by the shape (B, C, H, W) of its input.

    A number is a fixed size, anything else a free one.
    """
    batch, _, height, width = shape
    sizes = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return batch if isinstance(batch, int) else MAX_BATCH, sizes


class EngineOutput(NamedTuple):
    """logits_BKhw, and means_BD of the features of the encoder where the engine gives them."""

    logits_BKhw: NDArray[np.float32]
    features_BD: NDArray[np.float32] | None = None


class Engine(Protocol):
    """Runs a network: image_BCHW in, logits_BKhw out; the same input gives the same logits."""

    name: str
    """Of the part in `inference/engines`; reports record it."""

    precision: str = FP32
    """Of the arithmetic; reports record it too."""

    max_batch: int = 1
    """The largest B."""

    size_multiple: int = 1
    """H and W must be multiples of it."""

    size_HW: tuple[int, int] | None = None
    """The only size that the network takes; None where sizes are free."""

    @abstractmethod
    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """logits_BKhw, float32, contiguous, on the grid `logits` of the model's card.

        Raises:
            MemoryError: The input is too large for this machine.
        """
        ...

    def run(self, image_BCHW: NDArray[np.float32]) -> EngineOutput:
        """The logits of a call, and the means of the encoder's features beside them."""
        return EngineOutput(self(image_BCHW))

    def make_stochastic(self, _seed: int) -> "Engine | None":
        """An engine whose dropout draws from the seed at each call; None without dropout."""
        return None

    def make_compact(self) -> "Engine | None":
        """An engine of the same file that takes less memory and more time; None for none."""
        return None

    def make_serial(self) -> "Engine | None":
        """An engine of the same file that gives the same logits in one thread; None for none.

        Several of its calls at once use the cores better than one call in all of them.
        """
        return None


def describe_run(model_id: str, engine: Engine) -> dict[str, str]:
    """The `model` of a manifest of results: what predicted them."""
    return {"id": model_id, "engine": engine.name, "precision": engine.precision}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """A published model of others, ready to run; `notes` are lines for the user."""

    engine: Engine
    card: ModelCard
    model_id: str
    notes: tuple[str, ...]


class EnginePart(Protocol):
    """What each file in `inference/engines` offers."""

    PRIORITY: int
    """Of the engines that can run a model, the available one with the highest is taken."""

    FILES: str
    """Names of the files that the engine runs, as patterns: `*.onnx *.xml`."""

    CASTS: tuple[str, ...] = ()
    """Precisions to which the engine itself brings a file of precision fp32."""

    NEEDS_BYTES: int = 128 << 20
    """Memory for the libraries of the engine, beside its threads and copies of the file."""

    def missing(self) -> MissingDependencyError | None:
        """The package that must be installed first; None where the engine is available."""
        return None

    def list_external_files(self, _file: Path) -> tuple[str, ...]:
        """Paths, relative to the folder of `file`, of other files that the engine would read.

        Raises:
            BundleError: The file is damaged.
        """
        return ()

    @abstractmethod
    def build(self, file: Path, card: ModelCard, options: EngineOptions) -> Engine:
        """Make the engine that runs `file`.

        Raises:
            BundleError: The file is damaged, or not the network that the card describes.
            ConfigError: An option that the engine cannot follow on this machine.
        """

    def open_published(
        self,
        _source: str,
        _options: EngineOptions,
        *,
        accept_licence: bool,  # noqa: ARG002
    ) -> OpenedModel | None:
        """Open a checkpoint that others published; None from an engine that reads none.

        Raises:
            ConfigError: It cannot be read, or its licence has to be accepted.
        """
        return None
