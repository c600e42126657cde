"""Live news for open pages, as server-sent events, and who looks at which image."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from ..store.items import Item
from .people import Person
from .visibility import sees

_MOST_WAITING = 1000
BEAT_S = 15.0


@dataclass(eq=False)
class _Listener:
    person: Person
    client: str
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)

    def put(self, text: str | None) -> None:
        """Add a message from any thread."""
        self.loop.call_soon_threadsafe(self.queue.put_nowait, text)


class News:
    """Hands each message to the pages that listen; one that does not read is dropped."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._looks: dict[str, tuple[Person, Item]] = {}

    def tell(
        self, message: Mapping[str, object], item: Item | None = None, role: str = "viewer"
    ) -> None:
        """Send a message to all pages of a role, or to those that may see its image."""
        text = f"data: {json.dumps(message)}\n\n"
        for listener in [*self._listeners]:
            if not listener.person.may(role) or (item and not sees(listener.person, item)):
                continue
            if listener.queue.qsize() >= _MOST_WAITING:
                self._end(listener)
            else:
                listener.put(text)

    def tell_gone(self, before: Item, after: Item) -> None:
        """Tell those who saw an image, and do not see it any more."""
        text = f"data: {json.dumps({'kind': 'gone', 'item': after.id})}\n\n"
        for listener in [*self._listeners]:
            if sees(listener.person, before) and not sees(listener.person, after):
                listener.put(text)

    def look(self, client: str, person: Person, item: Item) -> None:
        """A page shows an image now; the others are told."""
        self._looks[client] = (person, item)
        self._tell_looks()

    def list_looks(self, person: Person) -> list[dict[str, object]]:
        """Who looks at which image, of those that a person may see."""
        return [
            {"client": client, "person": who.name, "item": item.id}
            for client, (who, item) in self._looks.items()
            if sees(person, item)
        ]

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        for listener in [*self._listeners]:
            self._end(listener)

    async def listen(
        self, person: Person, client: str, is_in: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """The messages from now on, and a beat where there is none for a while.

        `is_in` says whether the session still is one: it is asked at each beat.
        """
        listener = _Listener(person, client, asyncio.get_running_loop())
        self._listeners.add(listener)
        next_beat_s = listener.loop.time() + BEAT_S
        try:
            yield ": open\n\n"
            while True:
                try:
                    async with asyncio.timeout_at(next_beat_s):
                        text = await listener.queue.get()
                except TimeoutError:
                    next_beat_s = listener.loop.time() + BEAT_S
                    text = ": beat\n\n" if is_in() else None
                if text is None:
                    return
                yield text
        finally:
            self._listeners.discard(listener)
            if not any(other.client == client for other in self._listeners):
                self._looks.pop(client, None)
                self._tell_looks()

    def _tell_looks(self) -> None:
        for listener in [*self._listeners]:
            message = {"kind": "presence", "looks": self.list_looks(listener.person)}
            listener.put(f"data: {json.dumps(message)}\n\n")

    def _end(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        listener.put(None)
