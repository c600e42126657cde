"""Parity: how far the logits of an exported graph are from the network's, on real images.

Each image is run whole, and as a batch of two odd-sized crops: a graph can hold for the size
it was traced at and be wrong, without an error, at every other.

A Bundle keeps crops of a few of the images with the logits that the network gives for them, so
that any later machine can test its engine without the network.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import Bundle
from ..core.errors import BundleError, ConfigError
from ..core.graph import Parity
from .engine import Engine

KEPT_SIZES_HW = ((64, 64), (61, 47), (33, 64), (64, 96))
"""Largest crop of each kept image: of several shapes, and small in the Bundle."""

_MOST_KEPT_BYTES = 32 << 20
"""Of an image with its logits that is kept whole, for a network of one size."""

Planes = NDArray[np.float32]

Run = Callable[[Planes], Planes]
"""An Engine, or another call from x_BCHW to logits."""


def compare(
    network: Run, graph: Run, inputs_CHW: Iterable[Planes], *, num_crops: int = 2
) -> Parity:
    """Run both engines on every network input, and on a batch of up to two crops of it.

    A graph of one size alone is compared with `num_crops` 0.

    Raises:
        BundleError: The logits have different shapes.
        ConfigError: There are no inputs.
    """
    tally = _Tally()
    for x_CHW in inputs_CHW:
        tally.num_images += 1
        for x_BCHW in _trials(x_CHW, num_crops):
            tally.add(network(x_BCHW), graph(x_BCHW))
    return tally.parity()


def count_crops(network: Engine, graph: Engine) -> int:
    """The crops in a batch on which two engines can be compared: none of one size alone."""
    if network.size_HW is not None or graph.size_HW is not None:
        return 0
    return min(2, network.max_batch, graph.max_batch)


def verify(bundle: Bundle, engine: Engine) -> Parity:
    """Run an engine on the inputs that the Bundle keeps, and compare with the logits kept.

    Raises:
        BundleError: The logits have another shape, or the kept inputs cannot be read.
        ConfigError: The Bundle keeps no inputs.
    """
    path = bundle.parity_inputs
    if path is None:
        raise ConfigError(
            f"{bundle.root}: this bundle keeps no parity images; give some images of the "
            f"validation data"
        )
    tally = _Tally()
    for x_CHW, logits_KHW in read_kept(path):
        tally.num_images += 1
        tally.add(logits_KHW[None], engine(x_CHW[None]))
    return tally.parity()


def keep_inputs(network: Engine, inputs_CHW: Sequence[Planes], path: Path) -> bool:
    """Write the centres of the first inputs, with the network's logits, as .npz.

    Of a network of one size, the first input, which has that size. False, and nothing written,
    where that is too large for a Bundle.
    """
    sizes_HW = KEPT_SIZES_HW if network.size_HW is None else (network.size_HW,)
    arrays: dict[str, Planes] = {}
    for index, (x_CHW, size_HW) in enumerate(zip(inputs_CHW, sizes_HW, strict=False)):
        crop_CHW = _crop_centre(x_CHW, size_HW)
        arrays[f"image_{index}"] = crop_CHW
        arrays[f"logits_{index}"] = network(crop_CHW[None])[0]
    if sum(one.nbytes for one in arrays.values()) > _MOST_KEPT_BYTES:
        return False
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return True


def read_kept(path: Path) -> Iterator[tuple[Planes, Planes]]:
    """Yield the inputs x_CHW that `keep_inputs` has written, with their logits.

    Raises:
        BundleError: They cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for index in range(len(arrays.files) // 2):
                yield arrays[f"image_{index}"], arrays[f"logits_{index}"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise BundleError(
            f"{path}: the parity images cannot be read ({error}); export the model again"
        ) from error


def _crop_centre(x_CHW: Planes, size_HW: tuple[int, int]) -> Planes:
    top, left = (
        max(0, n - size) // 2 for n, size in zip(x_CHW.shape[1:], size_HW, strict=True)
    )
    crop_CHW = x_CHW[:, top : top + size_HW[0], left : left + size_HW[1]]
    return np.ascontiguousarray(crop_CHW)


class _Tally:
    """Differences counted so far."""

    def __init__(self) -> None:
        self.num_images = 0
        self._num_pixels = self._num_equal = 0
        self._largest = self._difference = 0.0

    def add(self, expected_BKHW: Planes, logits_BKHW: Planes) -> None:
        """Count one batch."""
        if expected_BKHW.shape != logits_BKHW.shape:
            raise BundleError(
                f"the exported graph gives {logits_BKHW.shape}, the network "
                f"{expected_BKHW.shape}; export the model again"
            )
        gap = np.abs(expected_BKHW - logits_BKHW).max()
        self._difference = float(np.maximum(self._difference, gap))  # keeps NaN
        self._largest = max(self._largest, float(np.abs(expected_BKHW).max()))
        equal_BHW = expected_BKHW.argmax(axis=1) == logits_BKHW.argmax(axis=1)
        self._num_pixels += equal_BHW.size
        self._num_equal += int(equal_BHW.sum())

    def parity(self) -> Parity:
        """What was counted; raises ConfigError where nothing was."""
        if not self.num_images:
            raise ConfigError("parity needs at least one image to compare on; give some images")
        return Parity(
            num_images=self.num_images,
            num_pixels=self._num_pixels,
            largest_logit=self._largest,
            largest_logit_difference=self._difference,
            equal_pixel_share=self._num_equal / self._num_pixels,
        )


def _trials(x_CHW: Planes, num_crops: int) -> Iterator[Planes]:
    yield x_CHW[None]
    height, width = (max(1, n * 2 // 3 - 1) | 1 for n in x_CHW.shape[1:])
    crop_CHW = x_CHW[:, :height, :width]
    if num_crops:
        yield np.stack([crop_CHW, crop_CHW[:, ::-1, ::-1]])[:num_crops]
