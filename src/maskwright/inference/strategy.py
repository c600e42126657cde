"""Strategy: how images of any size go through an Engine; `run_whole` is the simplest one."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    up to the next multiple; for one that takes one size alone, up to that size.
    """
    return run_inputs(
        engine, card, [prepare_input(engine, card, i, where=where) for i in images_BHWC]
    )


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """An image as an engine takes it.

    `x_CHW` is float32, `size_HW` the size of the image, and `filled_HW` the rows and columns of
    `x_CHW` that show it: the others repeat its last ones.
    """

    x_CHW: NDArray[np.float32]
    size_HW: tuple[int, int]
    filled_HW: tuple[int, int]


def prepare_input(
    engine: Engine, card: ModelCard, image_HWC: Image, *, where: str
) -> NetworkInput:
    """Resize, normalise and pad one image; raises as `Strategy`."""
    x_CHW = to_network(image_HWC, card.input)
    height, width = x_CHW.shape[1:]
    below, right = (-side % engine.size_multiple for side in (height, width))
    if engine.size_HW is not None:
        below, right = engine.size_HW[0] - height, engine.size_HW[1] - width
    if below < 0 or right < 0:
        raise DataError(
            f"{where}: engine {engine.name!r} runs images of {engine.size_HW} (H, W) only, "
            f"got {(height, width)}; use an engine or a graph of free size"
        )
    if below or right:
        x_CHW = np.pad(x_CHW, ((0, 0), (0, below), (0, right)), mode="edge")
    return NetworkInput(x_CHW, image_HWC.shape[:2], (height, width))


def run_inputs(engine: Engine, card: ModelCard, inputs: Sequence[NetworkInput]) -> list[Logits]:
    """The logits of inputs of equal shape, whose images may differ in size."""
    logits_BKhw, features_BD = engine.run(_stack([entry.x_CHW for entry in inputs]))
    stride, found = card.logits.stride, []
    means = [None] * len(inputs) if features_BD is None else features_BD
    for entry, logits_Khw, features_D in zip(inputs, logits_BKhw, means, strict=True):
        height, width = entry.filled_HW
        shown_Khw = logits_Khw[:, :height, :width] if stride == 1 else logits_Khw
        extent_hw = height / stride, width / stride
        found.append(
            Logits.of_image(shown_Khw, entry.size_HW, extent_hw, features_D=features_D)
        )
    return found


def _stack(x_BCHW: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """One array of some images; a single one is not copied."""
    return x_BCHW[0][None] if len(x_BCHW) == 1 else np.stack(x_BCHW)
