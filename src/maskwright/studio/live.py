"""Live news for open pages, as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

_MOST_WAITING = 1000
_BEAT_S = 15.0


class News:
    """Hands each message to all pages that listen; one that does not read is dropped."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str | None]] = set()

    def tell(self, message: Mapping[str, object]) -> None:
        """Send a message to all pages."""
        text = f"data: {json.dumps(message)}\n\n"
        for queue in [*self._queues]:
            if queue.qsize() >= _MOST_WAITING:
                self._end(queue)
            else:
                queue.put_nowait(text)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        for queue in [*self._queues]:
            self._end(queue)

    async def listen(self) -> AsyncIterator[str]:
        """The messages from now on, and a beat where there is none for a while."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield ": open\n\n"
            while True:
                try:
                    text = await asyncio.wait_for(queue.get(), _BEAT_S)
                except TimeoutError:
                    text = ": beat\n\n"
                if text is None:
                    return
                yield text
        finally:
            self._queues.discard(queue)

    def _end(self, queue: asyncio.Queue[str | None]) -> None:
        self._queues.discard(queue)
        queue.put_nowait(None)
