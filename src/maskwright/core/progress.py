"""Progress: how long work tells how far it is, without knowing who watches."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Called around an iterable; yields its items and may show how many are done."""

    def __call__(self, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:
        """Yield every item; `what` names the work ("reading masks")."""
        ...


def silent(items: Iterable[T], *, total: int, what: str) -> Iterator[T]:  # noqa: ARG001
    """Show nothing: the default of every function that takes a Progress."""
    yield from items
