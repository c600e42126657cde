"""EXIF orientation, also in TIFF: from pixels as stored to pixels as shown."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORIENTATION = 274
"""The tag, in EXIF and in TIFF."""

TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""Orientation -> the turn that undoes it; 1 turns nothing. Exif 2.32, table 5."""


def turn_upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels (H, W) or (H, W, C) as a viewer shows them, contiguous."""
    turn = TURNS.get(orientation)
    return np.ascontiguousarray(stored if turn is None else turn(stored))


def upright_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """(H, W) after the turn: 5 to 8 exchange rows and columns."""
    return (width, height) if orientation >= 5 else (height, width)
