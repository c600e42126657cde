"""PyTorch, https://pytorch.org: runs weights.safetensors, on a CUDA device if there is one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import WEIGHTS
from ...core.card import ModelCard
from ...core.errors import ConfigError, MissingDependencyError
from ..engine import FP32, Engine, EngineOptions, EngineOutput, OpenedModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

PRIORITY = 10
FILES = WEIGHTS
CASTS = ("fp16", "bf16")
NEEDS_BYTES = 512 << 20

_NO_MEMORY = ("allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True, slots=True)
class TorchEngine(Engine):
    """Runs `network`, which is in eval mode, on the device where its weights are.

    With `dropout_seed`, its layers of dropout draw from this seed at each call. Threads that
    call it wait for each other: each would start as many threads as there are cores, or take
    memory of the device, and seeds belong to the process.
    """

    network: "nn.Module"
    precision: str = FP32
    dropout_seed: int | None = None
    turn: Lock = field(default_factory=Lock, compare=False, repr=False)
    name = "torch"
    max_batch = 8

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        return self._compute(image_BCHW, nullcontext()).logits_BKhw

    def run(self, image_BCHW: NDArray[np.float32]) -> EngineOutput:
        """The contract of Engine; the features of networks that have an encoder."""
        from ...nn.encoder_means import give_means

        return self._compute(image_BCHW, give_means(self.network))

    def _compute(
        self, image_BCHW: NDArray[np.float32], giving: AbstractContextManager[None]
    ) -> EngineOutput:
        import torch

        device = next(self.network.parameters()).device
        try:
            with (
                self.turn,
                torch.inference_mode(),
                self._precision_on(device.type),
                self._dropout(),
                giving,
            ):
                found = self.network(torch.from_numpy(image_BCHW).to(device))
            outputs = found if isinstance(found, tuple) else (found,)
            arrays = (np.ascontiguousarray(each.float().cpu().numpy()) for each in outputs)
            return EngineOutput(*arrays)
        except RuntimeError as error:
            if any(text in str(error) for text in _NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise

    def make_stochastic(self, seed: int) -> "TorchEngine | None":
        """The contract of Engine: None for a network without dropout."""
        return replace(self, dropout_seed=seed) if self._list_dropout() else None

    def _list_dropout(self) -> "list[nn.Module]":
        """The layers of dropout that drop something."""
        from torch.nn.modules.dropout import _DropoutNd

        modules = self.network.modules()
        return [module for module in modules if isinstance(module, _DropoutNd) and module.p > 0]

    @contextmanager
    def _dropout(self) -> Iterator[None]:
        """Let the layers of dropout draw from the seed, if there is one."""
        import torch

        if self.dropout_seed is None:
            yield
            return
        layers = self._list_dropout()
        with torch.random.fork_rng():
            torch.manual_seed(self.dropout_seed)
            try:
                for layer in layers:
                    layer.train()
                yield
            finally:
                for layer in layers:
                    layer.eval()

    def _precision_on(self, device: str) -> AbstractContextManager[Any]:
        """Autocast to the precision; nothing for fp32."""
        import torch

        if self.precision == FP32:
            return nullcontext()
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(device, dtype)


def missing() -> MissingDependencyError | None:
    """The contract of `inference.engine.EnginePart`."""
    return None if find_spec("torch") else MissingDependencyError("torch", "train")


def build(file: Path, card: ModelCard, options: EngineOptions) -> TorchEngine:
    """The contract of `inference.engine.EnginePart`; `threads` are those of the process.

    Raises:
        BundleError: The weights are not those of the network that the card describes.
        ConfigError: The device is not here, or cannot run at this precision; providers.
    """
    from ...nn.build import load_model

    return _run(lambda: load_model(card, file), options)


def open_published(
    source: str, options: EngineOptions, *, accept_licence: bool
) -> OpenedModel | None:
    """The contract of `inference.engine.EnginePart`."""
    from ..published import open_published as read

    published = read(source, accept_licence=accept_licence)
    card, network = published.stop_at_head()
    return OpenedModel(
        engine=_run(lambda: network, options),
        card=card,
        model_id=published.model_id,
        notes=published.notes,
    )


def _run(load: "Callable[[], nn.Module]", options: EngineOptions) -> TorchEngine:
    """Run the network that `load` gives, which is called after the options were checked."""
    import torch

    device = _device(options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    return TorchEngine(load().eval().to(device), options.precision or FP32)


def _device(options: EngineOptions) -> str:
    import torch

    from ...nn.bf16 import has_bf16

    has_cuda = torch.cuda.is_available()
    device = options.device
    if device == "auto":
        device = "cuda" if has_cuda else "cpu"
    if device != "cpu" and not has_cuda:
        raise ConfigError(f"torch finds no CUDA device here for device {device!r}; use 'cpu'")
    if options.precision == "fp16" and device == "cpu":
        raise ConfigError(
            "precision 'fp16' needs device 'cuda', got 'cpu'; use precision 'fp32' or 'bf16'"
        )
    if options.precision == "bf16" and not has_bf16(device.partition(":")[0]):
        raise ConfigError(
            "precision 'bf16' needs a CPU with AVX-512 or AMX, without which torch takes "
            "many times as long; use precision 'fp32'"
        )
    if options.providers:
        raise ConfigError(
            f"providers {', '.join(options.providers)} belong to ONNX Runtime; torch "
            f"takes device='cuda' or 'cpu'"
        )
    return device
