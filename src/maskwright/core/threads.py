"""Work on many items in one thread per core; for code that releases the GIL."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Allowance:
    """An amount that threads share: each holds a part of it while it works.

    Whoever asks for all of it or for more works alone. They get it in the order in which they
    ask, so that a large part is not put off by many small ones.
    """

    def __init__(self, total: float) -> None:
        self.total = self._free = total
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @contextmanager
    def hold(self, amount: float) -> Iterator[None]:
        """Wait until `amount` is free, and hold it until the block ends."""
        amount, ticket = min(amount, self.total), object()
        with self._changed:
            self._line.append(ticket)
            self._changed.wait_for(lambda: self._line[0] is ticket and self._free >= amount)
            self._line.popleft()
            self._free -= amount
            self._changed.notify_all()  # the next in line may find enough too
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


def count_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_order(
    work: Callable[[T], R], items: Iterable[T], *, num_threads: int | None = None
) -> Iterator[R]:
    """Apply `work` to each item in one thread per core; yield the results in order.

    At most two results per thread wait. The first exception is raised in the turn of its item,
    and no further item is started. Context variables have the caller's values.
    """
    num_threads = num_threads or count_cores()
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(copy_context().run, work, item))
                if len(waiting) > 2 * num_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
