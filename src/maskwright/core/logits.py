"""The grid on which a network gives logits, and the logits of one image with their places.

Networks end at a stride of their input, usually 4 or 8. Pixel centres lie at half integers and
the pixels at the edge are repeated, as in torch with align_corners=False.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError


@dataclass(frozen=True, slots=True)
class LogitsGrid:
    """Where logits lie on the input of a network.

    A pixel of logits covers `stride` x `stride` pixels of the input, from its upper left corner
    on. Above stride 1, the network pads its input at the right and at the bottom to multiples
    of `multiple`, and does not crop the logits of the padding.

    Raises ConfigError for a stride below 1 or a multiple that the stride does not divide.
    """

    stride: int = 1
    multiple: int = 1

    def __post_init__(self) -> None:
        if self.stride < 1 or self.multiple < 1 or self.multiple % self.stride:
            raise ConfigError(
                f"logits at stride {self.stride} of an input padded to multiples of "
                f"{self.multiple}; the stride must be 1 or more and divide the multiple"
            )

    def size(self, size_HW: tuple[int, int]) -> tuple[int, int]:
        """(h, w) of the logits for an input of `size_HW`."""
        if self.stride == 1:
            return size_HW
        height, width = (math.ceil(n / self.multiple) * self.multiple for n in size_HW)
        return height // self.stride, width // self.stride

    def to_json(self) -> dict[str, object]:
        """A flat object."""
        return asdict(self)

    def __str__(self) -> str:
        if self.stride == 1:
            return "full size"
        return f"stride {self.stride} (padded to multiples of {self.multiple})"


FULL_SIZE = LogitsGrid()
"""Logits of the size of the input."""


class Neighbours(NamedTuple):
    """The indices of the two logit pixels around each pixel of a result, and their weights.

    `weight` is that of the second, in [0, 1). Beyond the edge both are the pixel at the edge.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.float32]

    def select(self, indices: NDArray[np.int64]) -> "Neighbours":
        """The neighbours of some of the pixels."""
        return Neighbours(self.first[indices], self.second[indices], self.weight[indices])


class Axis(NamedTuple):
    """Where the pixels of a result lie along one axis of an array of logits.

    The centre of pixel i lies at (first + i + 0.5) * step - 0.5 - origin, in logit pixels.
    """

    step: float
    first: int = 0
    origin: int = 0

    def locate(self, num: int) -> NDArray[np.float64]:
        """The places of `num` pixels, (num,)."""
        center = np.arange(self.first, self.first + num, dtype=np.float64) + 0.5
        place: NDArray[np.float64] = center * self.step - 0.5 - self.origin
        return place

    def find_neighbours(self, num: int, size: int) -> Neighbours:
        """The neighbours of `num` pixels among `size` logit pixels, each (num,)."""
        places = self.locate(num)
        below = np.floor(places).astype(np.int64)
        weight = (places - below).astype(np.float32)
        first, second = (np.clip(index, 0, size - 1) for index in (below, below + 1))
        return Neighbours(first, second, weight)

    @property
    def is_identity(self) -> bool:
        """Whether every pixel of the result lies on the logit pixel of its index."""
        return self.step == 1 and self.first == self.origin


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """The logits of an image or of some of its rows, at the resolution of the network.

    `values_Khw` are float32 and cover the image of `size_HW`, and may reach beyond it below and
    at the right; `rows` and `columns` say where its pixels lie on them. `features_D` are the
    means of the encoder's features on the whole image, None where the engine gives none.
    """

    values_Khw: NDArray[np.float32]
    size_HW: tuple[int, int]
    rows: Axis
    columns: Axis
    features_D: NDArray[np.float32] | None = None

    @classmethod
    def of_image(
        cls,
        values_Khw: NDArray[np.float32],
        size_HW: tuple[int, int],
        extent_hw: tuple[float, float] | None = None,
        *,
        features_D: NDArray[np.float32] | None = None,
    ) -> Self:
        """The logits of a whole image, which covers `extent_hw` logit pixels; all for None."""
        extent_hw = extent_hw or (values_Khw.shape[1], values_Khw.shape[2])
        sides = zip(extent_hw, size_HW, strict=True)
        rows, columns = (Axis(e / n if n else 1.0) for e, n in sides)
        return cls(values_Khw, size_HW, rows, columns, features_D)

    @property
    def is_full_size(self) -> bool:
        """Whether each pixel of the image has a logit pixel of its own."""
        return (
            self.values_Khw.shape[1:] == self.size_HW
            and self.rows.is_identity
            and self.columns.is_identity
        )

    def __len__(self) -> int:
        """The number of classes."""
        return len(self.values_Khw)

    def select(self, indices: NDArray[np.integer[Any]]) -> "Logits":
        """The logits of some classes."""
        return replace(self, values_Khw=self.values_Khw[indices])

    def crop_rows(self, start: int, stop: int) -> "Logits":
        """The logits of the rows from `start` to `stop`, with those that they lie between."""
        rows = self.rows._replace(first=self.rows.first + start)
        places = rows.locate(stop - start)
        top = min(max(math.floor(places[0]), 0), self.values_Khw.shape[1] - 1)
        bottom = max(math.ceil(places[-1]), top) + 1
        rows = rows._replace(origin=rows.origin + top)
        values_Khw = self.values_Khw[:, top:bottom]
        return Logits(values_Khw, (stop - start, self.size_HW[1]), rows, self.columns)
