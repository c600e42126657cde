"""Reading ahead and writing behind: a network runs while other threads read and write.

Queues are short, so memory does not depend on the length of a stream or the size of an image.
An exception of a thread is raised in the thread that works with it.
"""

import queue
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")

_DEPTH = 4
_PATIENCE_S = 0.1


@dataclass(frozen=True, slots=True)
class _End:
    """The end of the items, and the exception that ended them, if any."""

    error: BaseException | None = None


@dataclass(slots=True)
class Arrived(Generic[T]):
    """An item, the time at which it arrived, and the number that were dropped before it."""

    item: T
    at_s: float
    dropped: int = 0


_Waiting = queue.Queue[Arrived[T] | _End]


@contextmanager
def read_ahead(
    items: Generator[T, None, None] | Iterator[T],
    *,
    depth: int = _DEPTH,
    drop_stale: bool = False,
) -> Iterator[Iterator[Arrived[T]]]:
    """Iterate over `items` in another thread; leaving the block stops that thread.

    At most `depth` items wait. With `drop_stale` one waits, the newest: those that it
    replaces are counted as dropped.
    """
    waiting: _Waiting[T] = queue.Queue(1 if drop_stale else depth)
    stopped = Event()
    put = _replace if drop_stale else _wait_to_put
    thread = Thread(target=_read, args=(items, waiting, stopped, put), daemon=True)
    thread.start()
    try:
        yield _take(waiting)
    finally:
        stopped.set()
        thread.join(timeout=15)  # a camera may block for the timeout of its driver


def _read(
    items: Generator[T, None, None] | Iterator[T],
    waiting: "_Waiting[T]",
    stopped: Event,
    put: "Callable[[_Waiting[T], Arrived[T], Event], None]",
) -> None:
    end = _End()
    try:
        for item in items:
            put(waiting, Arrived(item, time.monotonic()), stopped)
            if stopped.is_set():
                break
    except BaseException as error:  # noqa: BLE001  # raised where the items are taken
        end = _End(error)
    finally:
        if isinstance(items, Generator):
            items.close()
    _wait_to_put(waiting, end, stopped)


def _wait_to_put(waiting: "_Waiting[T]", item: "Arrived[T] | _End", stopped: Event) -> None:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_PATIENCE_S)
        except queue.Full:
            continue
        return


def _replace(waiting: "_Waiting[T]", item: Arrived[T], stopped: Event) -> None:
    """Put an item in the place of the one that waits."""
    try:
        stale = waiting.get_nowait()
    except queue.Empty:
        pass
    else:
        if isinstance(stale, Arrived):
            item.dropped = stale.dropped + 1
    _wait_to_put(waiting, item, stopped)


def _take(waiting: "_Waiting[T]") -> Iterator[Arrived[T]]:
    while True:
        item = waiting.get()
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return
        yield item


@contextmanager
def write_behind(
    write: Callable[[T], None], *, depth: int = _DEPTH
) -> Iterator[Callable[[T], None]]:
    """Yield a function that gives an item to `write` in another thread, in order.

    At most `depth` items wait; leaving the block waits for all of them, also where it
    raises. An exception of `write` is raised by the next call, or at the end.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    failed = list[BaseException]()

    def work() -> None:
        try:
            while not isinstance(item := waiting.get(), _End):
                write(item)
        except BaseException as error:  # noqa: BLE001  # raised by the next call
            failed.append(error)

    def give(item: T | _End) -> None:
        while not failed:
            try:
                waiting.put(item, timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return
        raise failed[0]

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield give
    finally:
        try:
            give(_End())
        except BaseException:  # of the writer, which is raised below, or another interrupt
            if not failed:
                raise
        thread.join()
    if failed:
        raise failed[0]
