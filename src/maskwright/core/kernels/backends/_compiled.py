"""Compile a loop with numba, without the GIL."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # noqa: TID253  this file is only imported where numba is installed

_F = TypeVar("_F", bound=Callable[..., Any])


def compile_loop(function: _F) -> _F:
    """Compile `function` at its first call; the code is kept on disk where that is possible."""
    try:
        return cast("_F", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder for the cache: read-only installation without a home
        return cast("_F", numba.njit(nogil=True)(function))
