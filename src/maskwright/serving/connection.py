"""The HTTP/1.1 protocol of uvicorn, with a limit for clients that are slow with their head."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def limit_heads(limit_s: float) -> type[asyncio.Protocol]:
    """A protocol that closes a connection whose next request has no whole head after a time.

    The time counts from the connection and from the first byte of each later request.
    """

    class TimedProtocol(H11Protocol):
        """Closes connections whose head takes too long."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start_timer()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_timer()
            elif self._timer is None:
                self._start_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _start_timer(self) -> None:
            self._timer = self.loop.call_later(limit_s, self.transport.close)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return TimedProtocol
