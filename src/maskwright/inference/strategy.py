"""Strategy: how images of any size go through an Engine; `run_whole` is the simplest one."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.image import Image
from ..core.inputspec import InputSpec
from .engine import Engine
from .resolution import to_network


class Strategy(Protocol):
    """A callable that runs some images of equal size."""

    def __call__(
        self, engine: Engine, spec: InputSpec, images_BHWC: Sequence[Image], *, where: str
    ) -> NDArray[np.float32]:
        """logits_BKhw at the network's resolution, `spec.network_size` of the images' size.

        Args:
            engine: Called with at most `engine.max_batch` images, of sizes that it takes.
            spec: Of the model's card; the images are of the kind that it asks for.
            images_BHWC: At least one, all of the same size, at most `engine.max_batch`.
            where: File name or key, for the error message.

        Raises:
            DataError: The engine cannot run images of this size.
            MemoryError: The images are too large for this machine.
        """
        ...


def run_whole(
    engine: Engine, spec: InputSpec, images_BHWC: Sequence[Image], *, where: str
) -> NDArray[np.float32]:
    """Run each image in one piece; see `Strategy`.

    For an engine that takes multiples of some size alone, the last row and column are repeated
    up to the next multiple, and the logits there are cut off.
    """
    x_BCHW = _stack([to_network(image_HWC, spec) for image_HWC in images_BHWC])
    height, width = x_BCHW.shape[2:]
    if engine.size_HW not in {None, (height, width)}:
        raise DataError(
            f"{where}: engine {engine.name!r} runs images of {engine.size_HW} (H, W) only, "
            f"got {(height, width)}; use an engine or a graph of free size"
        )
    below, right = (-side % engine.size_multiple for side in (height, width))
    if below or right:
        x_BCHW = np.pad(x_BCHW, ((0, 0), (0, 0), (0, below), (0, right)), mode="edge")
    return engine(x_BCHW)[:, :, :height, :width]


def _stack(x_BCHW: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """One array of some images; a single one is not copied."""
    return x_BCHW[0][None] if len(x_BCHW) == 1 else np.stack(x_BCHW)
