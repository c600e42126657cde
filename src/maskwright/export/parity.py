"""Parity: proof that an exported graph says what the network says, on real images.

Each image is tried whole, and as a batch of two odd-sized crops: a graph can hold for the size
it was traced at and be wrong, without an error, at every other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BundleError, ConfigError
from ..inference.engine import Engine

LOGIT_TOLERANCE_RATIO = 1e-3
"""Of the largest logit; float32 sums in another order differ by about 1e-5 of it."""

MIN_EQUAL_SHARE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far two engines agree; `equal_pixel_share` counts pixels of the same class."""

    num_images: int
    num_pixels: int
    largest_logit: float
    largest_logit_difference: float
    equal_pixel_share: float

    def to_json(self) -> dict[str, Any]:
        """A flat object."""
        return asdict(self)

    def require_agreement(self) -> None:
        """Refuse a graph that says something else.

        Raises:
            BundleError: The logits or the classes differ more than rounding explains.
        """
        allowed = LOGIT_TOLERANCE_RATIO * max(1.0, self.largest_logit)
        close = self.largest_logit_difference <= allowed  # False for NaN too
        if not close or self.equal_pixel_share < MIN_EQUAL_SHARE:
            raise BundleError(
                f"the exported graph disagrees with the network on {self.num_images} images: "
                f"logits differ by up to {self.largest_logit_difference:.3g} (allowed "
                f"{allowed:.3g}), {self.equal_pixel_share:.4%} of the pixels have the same "
                f"class (needed {MIN_EQUAL_SHARE:.1%}); nothing was written, use the run itself"
            )


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
