"""Layouts of the input and the output of a foreign graph, and their arithmetic in NumPy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .inputfile import Kind

LEAST_SHARE = 1e-30
"""Smaller probabilities count as this one: the logarithm of 0 is infinite."""

LABEL_LOGIT = 20.0
"""Of the class of a label map; 0 for the others, so that the confidence is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLayout:
    """How a graph takes an image.

    `size_HW` is None where sizes are free: then the graph takes multiples of `multiple`.
    `num_images` is the only size of a batch, None where it is free. `is_reversed` means that
    the graph takes BGR.
    """

    name: str
    channels: int
    dtype: str
    is_nhwc: bool
    is_reversed: bool
    num_images: int | None
    size_HW: tuple[int, int] | None
    multiple: int = 1

    @property
    def is_integer(self) -> bool:
        """Whether the graph takes stored values."""
        return np.issubdtype(np.dtype(self.dtype), np.integer)

    def arrange(self, x_BCHW: NDArray[np.float32]) -> NDArray[np.generic]:
        """The network input as the graph takes it; rows and columns are repeated at the end."""
        if self.size_HW is None and self.multiple > 1:
            below, right = (-side % self.multiple for side in x_BCHW.shape[2:])
            x_BCHW = np.pad(x_BCHW, ((0, 0), (0, 0), (0, below), (0, right)), mode="edge")
        if self.is_reversed:
            x_BCHW = x_BCHW[:, ::-1]
        if self.is_integer:
            limits = np.iinfo(self.dtype)
            x_BCHW = np.clip(np.rint(x_BCHW), limits.min, limits.max)
        x = x_BCHW.transpose(0, 2, 3, 1) if self.is_nhwc else x_BCHW
        return np.ascontiguousarray(x, dtype=self.dtype)

    def __str__(self) -> str:
        sizes = "free size" if self.size_HW is None else "{} x {} px".format(*self.size_HW)
        if self.multiple > 1:
            sizes += f", padded to multiples of {self.multiple}"
        batch = "any batch" if self.num_images is None else f"batch {self.num_images}"
        order = ", BGR" if self.is_reversed else ""
        axes = "NHWC" if self.is_nhwc else "NCHW"
        values = f"{axes}, {self.channels} channels{order}, {self.dtype}"
        return f"{self.name}: {values}, {sizes}, {batch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLayout:
    """What an output of a graph means.

    `rank` is 3 for label maps without an axis of channels. `channels` is 1 for labels, and for
    one logit or probability of the second of two classes; else the number of classes.
    """

    name: str
    kind: Kind
    rank: int
    channels: int
    is_nhwc: bool
    stride: int
    num_classes: int

    def read_logits(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """logits_BKhw of what the graph gives."""
        if self.rank == 3:
            values = values[:, None]
        elif self.is_nhwc:
            values = values.transpose(0, 3, 1, 2)
        if self.kind == "labels":
            index_K11 = np.arange(self.num_classes)[:, None, None]
            return np.where(values == index_K11, np.float32(LABEL_LOGIT), np.float32(0))
        y_BChw = values.astype(np.float32)
        if self.kind == "logits":
            parts = [np.zeros_like(y_BChw), y_BChw] if self.channels == 1 else [y_BChw]
        else:
            parts = [1 - y_BChw, y_BChw] if self.channels == 1 else [y_BChw]
            parts = [np.log(np.maximum(part, np.float32(LEAST_SHARE))) for part in parts]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def __str__(self) -> str:
        axes = "" if self.rank == 3 else ", NHWC" if self.is_nhwc else ", NCHW"
        what = f"{self.kind} of {self.num_classes} classes"
        if self.channels < self.num_classes and self.kind != "labels":
            what = f"{self.kind} of the second of 2 classes"
        size = "full size" if self.stride == 1 else f"stride {self.stride}"
        return f"{self.name}: {what}{axes}, {size}"
