"""torch.export, https://docs.pytorch.org/docs/stable/export.html: runs .pt2 on the CPU."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from ...core.card import ModelCard
from ...core.errors import BundleError, ConfigError, MissingDependencyError, first_line
from ...core.logits import LogitsGrid
from ..engine import Engine, EngineOptions

PRIORITY = 4
FILES = "*.pt2"

_NO_MEMORY = ("allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True, slots=True)
class ExportedEngine(Engine):
    """Runs the module of an exported program; threads that call it wait for each other."""

    file: Path
    module: Any
    num_classes: int
    grid: LogitsGrid
    turn: Lock = field(default_factory=Lock, compare=False, repr=False)
    name = "torch_export"
    max_batch = 8

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        import torch

        batch, _, height, width = image_BCHW.shape
        expected = (batch, self.num_classes, *self.grid.size((height, width)))
        try:
            with self.turn, torch.inference_mode():
                logits_BKhw = self.module(torch.from_numpy(image_BCHW)).float()
        except (RuntimeError, AssertionError) as error:
            if any(text in str(error) for text in _NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise BundleError(
                f"{self.file}: the program fails on an input of {image_BCHW.shape} "
                f"(B, C, H, W): {first_line(error)}; export the model again"
            ) from error
        if tuple(logits_BKhw.shape) != expected:
            raise BundleError(
                f"{self.file}: the program gives {tuple(logits_BKhw.shape)}, its card says "
                f"{expected} (B, K, h, w); export the model again"
            )
        return np.ascontiguousarray(logits_BKhw.numpy())


def missing() -> MissingDependencyError | None:
    """The contract of `inference.engine.EnginePart`."""
    return None if find_spec("torch") else MissingDependencyError("torch", "train")


def build(file: Path, card: ModelCard, options: EngineOptions) -> ExportedEngine:
    """The contract of `inference.engine.EnginePart`; `threads` are those of the process."""
    import torch

    if options.device not in {"auto", "cpu"} or options.providers:
        asked = ", ".join(options.providers) or options.device
        raise ConfigError(
            f"engine 'torch_export' runs on the CPU, not on {asked} (CUDA belongs to torch and "
            f"ONNX Runtime); use device 'cpu' without providers, or another engine"
        )
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    _require_no_pickle(file)
    try:
        module = torch.export.load(str(file)).module()
    except Exception as error:
        raise BundleError(
            f"{file}: torch {torch.__version__} cannot read this program "
            f"({first_line(error)}); copy the bundle again or export it again"
        ) from error
    engine = ExportedEngine(file, module, len(card.labels), card.logits)
    engine(np.zeros((1, card.input.channels, 32, 32), np.float32))
    return engine


def _require_no_pickle(file: Path) -> None:
    """Refuse a file with pickled objects: reading one runs its code."""
    try:
        with ZipFile(file) as archive:
            members = [item for item in archive.infolist() if item.file_size]
            pickled = [m.filename for m in members if m.filename.endswith((".pt", ".pkl"))]
            configs = [m.filename for m in members if m.filename.endswith("_config.json")]
            pickled += [n for n in configs if b'"use_pickle": true' in archive.read(n)]
    except (OSError, BadZipFile) as error:
        raise BundleError(
            f"{file}: cannot be read ({first_line(error)}); copy the bundle again or export it "
            f"again"
        ) from error
    if pickled:
        raise BundleError(
            f"{file}: {pickled[0]} in it holds pickled objects, which can run code; export the "
            f"model again"
        )
