"""PyTorch, on a CUDA device where there is one: runs weights.safetensors."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import WEIGHTS
from ...core.card import ModelCard
from ...core.errors import MissingDependencyError

if TYPE_CHECKING:
    from torch import nn

FILE = WEIGHTS

_NO_MEMORY = ("allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True, slots=True)
class TorchEngine:
    """Runs `network`, which is in eval mode, on the device where its weights are."""

    network: "nn.Module"

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        import torch

        device = next(self.network.parameters()).device
        try:
            with torch.inference_mode():
                logits_BKHW = self.network(torch.from_numpy(image_BCHW).to(device))
            return np.ascontiguousarray(logits_BKHW.float().cpu().numpy())
        except RuntimeError as error:
            if any(text in str(error) for text in _NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise


def build(folder: Path, card: ModelCard) -> TorchEngine:
    """The contract of `inference.engines`.

    Raises:
        MissingDependencyError: torch is not installed.
        BundleError: The weights are not those of the network that the card describes.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("torch", "train") from error
    from ...nn.build import load_model

    network = load_model(card, folder / FILE).eval()
    return TorchEngine(network.to("cuda" if torch.cuda.is_available() else "cpu"))
