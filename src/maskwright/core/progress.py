"""Progress: long work reports how many items are done, for example to a progress bar."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps an iterable: yields its items and may show how many are done."""

    def __call__(self, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:
        """Yield all `total` items; `what` names the work, like "reading masks"."""
        ...


def silent(items: Iterable[T], *, total: int, what: str) -> Iterator[T]:  # noqa: ARG001
    """Yield every item and show nothing: the default of functions that take a Progress."""
    yield from items
