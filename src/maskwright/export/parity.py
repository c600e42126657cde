"""Parity: how far the logits of an exported graph are from the network's, on real images.

Each image is run whole, and as a batch of two odd-sized crops: a graph can hold for the size
it was traced at and be wrong, without an error, at every other.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BundleError, ConfigError
from ..core.graph import Parity
from ..inference.engine import Engine


def compare(
    network: Engine, graph: Engine, inputs_CHW: Iterable[NDArray[np.float32]]
) -> Parity:
    """Run both engines on every network input.

    Raises:
        ConfigError: There are no inputs.
    """
    num_images = num_pixels = num_equal = 0
    largest = difference = 0.0
    for x_CHW in inputs_CHW:
        num_images += 1
        for x_BCHW in _trials(x_CHW):
            expected_BKHW, found_BKHW = network(x_BCHW), graph(x_BCHW)
            if expected_BKHW.shape != found_BKHW.shape:
                raise BundleError(
                    f"the exported graph gives {found_BKHW.shape}, "
                    f"the network {expected_BKHW.shape}; nothing was written"
                )
            gap = np.abs(expected_BKHW - found_BKHW).max()
            difference = float(np.maximum(difference, gap))  # keeps NaN
            largest = max(largest, float(np.abs(expected_BKHW).max()))
            equal_BHW = expected_BKHW.argmax(axis=1) == found_BKHW.argmax(axis=1)
            num_pixels += equal_BHW.size
            num_equal += int(equal_BHW.sum())
    if not num_images:
        raise ConfigError("parity needs at least one image to compare on; give some images")
    return Parity(
        num_images=num_images,
        num_pixels=num_pixels,
        largest_logit=largest,
        largest_logit_difference=difference,
        equal_pixel_share=num_equal / num_pixels,
    )


def _trials(x_CHW: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    yield x_CHW[None]
    height, width = (max(1, n * 2 // 3 - 1) | 1 for n in x_CHW.shape[1:])
    crop_CHW = x_CHW[:, :height, :width]
    yield np.stack([crop_CHW, crop_CHW[:, ::-1, ::-1]])
