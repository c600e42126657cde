"""Kept: the last values of a function, which are dear to compute."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The last values of a function; two requests for one of them compute it once.

    The function may ask for other values.
    """

    def __init__(self, make: Callable[[K], V], most: int = 6) -> None:
        self._make, self._most = make, most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, name: K) -> V:
        """The value for a name, which is computed where it is not kept."""
        with self._lock:
            if name not in self._values:
                self._values[name] = self._make(name)
            self._values.move_to_end(name)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
            return self._values[name]
