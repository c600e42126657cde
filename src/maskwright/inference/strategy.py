"""Strategy: how images of any size go through an Engine; `run_whole` is the simplest one."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.errors import DataError
from ..core.image import Image
from ..core.logits import Logits
from .engine import Engine
from .resolution import to_network


class Strategy(Protocol):
    """A callable that runs some images of equal size."""

    def __call__(
        self, engine: Engine, card: ModelCard, images_BHWC: Sequence[Image], *, where: str
    ) -> list[Logits]:
        """The logits of each image.

        Args:
            engine: Called with at most `engine.max_batch` images, of sizes that it takes.
            card: Of the model; the images are of the kind that its input asks for.
            images_BHWC: At least one, all of the same size, at most `engine.max_batch`.
            where: File name or key, for the error message.

        Raises:
            DataError: The engine cannot run images of this size.
            MemoryError: The images are too large for this machine.
        """
        ...


def run_whole(
    engine: Engine, card: ModelCard, images_BHWC: Sequence[Image], *, where: str
) -> list[Logits]:
    """Run each image in one piece; see `Strategy`.

    For an engine that takes multiples of some size alone, the last row and column are repeated
    up to the next multiple.
    """
    x_BCHW = _stack([to_network(image_HWC, card.input) for image_HWC in images_BHWC])
    height, width = x_BCHW.shape[2:]
    if engine.size_HW not in {None, (height, width)}:
        raise DataError(
            f"{where}: engine {engine.name!r} runs images of {engine.size_HW} (H, W) only, "
            f"got {(height, width)}; use an engine or a graph of free size"
        )
    below, right = (-side % engine.size_multiple for side in (height, width))
    if below or right:
        x_BCHW = np.pad(x_BCHW, ((0, 0), (0, 0), (0, below), (0, right)), mode="edge")
    logits_BKhw = engine(x_BCHW)
    stride = card.logits.stride
    if stride == 1:
        logits_BKhw = logits_BKhw[:, :, :height, :width]
    size_HW, extent_hw = images_BHWC[0].shape[:2], (height / stride, width / stride)
    return [Logits.of_image(logits_Khw, size_HW, extent_hw) for logits_Khw in logits_BKhw]


def _stack(x_BCHW: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """One array of some images; a single one is not copied."""
    return x_BCHW[0][None] if len(x_BCHW) == 1 else np.stack(x_BCHW)
