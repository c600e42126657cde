"""Counting compiled by numba: eight pixels or 64 bits a step, without the interpreter lock.

One thread works on one image; callers share images out. Compiled code is kept on disk where
there is a folder to keep it in, so that only the first run of an installation compiles.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # noqa: TID253  this file is only imported where numba is installed
import numpy as np
from numpy.typing import NDArray

from ..labels import LabelMap
from . import numpy as in_numpy

near_counts = in_numpy.near_counts
outside_band = in_numpy.outside_band
_F = TypeVar("_F", bound=Callable[..., Any])
_ONES = np.uint64(0x0101010101010101)
_BYTE = np.uint64(255)
_EIGHT = np.uint64(8)


def _compiled(function: _F) -> _F:
    try:
        return cast("_F", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # nowhere to keep it: a read-only installation without a home folder
        return cast("_F", numba.njit(nogil=True)(function))


def pair_counts(truth_HW: LabelMap, predicted_HW: LabelMap) -> NDArray[np.int64]:
    """See `core.kernel.Kernel`."""
    truth = np.ascontiguousarray(truth_HW).reshape(-1)
    predicted = np.ascontiguousarray(predicted_HW).reshape(-1)
    num_words = truth.size // 8
    counts = np.zeros((256, 256), np.int64)
    _count_words(_words(truth, num_words), _words(predicted, num_words), counts)
    _count_pixels(truth[8 * num_words :], predicted[8 * num_words :], counts)
    return counts


def _words(pixels: LabelMap, num_words: int) -> NDArray[np.uint64]:
    words = pixels[: 8 * num_words].view(np.uint64)
    return words if words.flags.aligned else words.copy()


@_compiled
def _count_words(
    truth: NDArray[np.uint64], predicted: NDArray[np.uint64], counts: NDArray[np.int64]
) -> None:
    """Add eight pixels a word, and a run of equal words at once."""
    run = 0
    for i in range(truth.size):
        run += 1
        a, b = truth[i], predicted[i]
        if i + 1 < truth.size and truth[i + 1] == a and predicted[i + 1] == b:
            continue
        if a == (a & _BYTE) * _ONES and b == (b & _BYTE) * _ONES:
            counts[a & _BYTE, b & _BYTE] += 8 * run
        else:
            for _ in range(8):
                counts[a & _BYTE, b & _BYTE] += run
                a >>= _EIGHT
                b >>= _EIGHT
        run = 0


@_compiled
def _count_pixels(truth: LabelMap, predicted: LabelMap, counts: NDArray[np.int64]) -> None:
    for i in range(truth.size):
        counts[truth[i], predicted[i]] += 1
