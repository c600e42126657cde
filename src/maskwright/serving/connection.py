"""The HTTP/1.1 protocol of uvicorn, with limits; errors that it gives by itself are JSON."""

import asyncio
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .errors import answer_error, refuse_later
from .limits import Limits

_CLOSE = {"Connection": "close"}


def limit_clients(limits: Limits) -> type[asyncio.Protocol]:
    """A protocol that bounds how many connections are open and how slow their clients may be.

    Requests of a connection above `limits.connections` get 503. A connection whose next request
    has no whole head after `limits.receive_s` is closed: the time counts from the connection
    and from the first byte of each later request. What is not HTTP/1.1 gets 400.
    """
    return type("LimitedProtocol", (_LimitedProtocol,), {"limits": limits})


class _LimitedProtocol(H11Protocol):
    """Refuses connections beyond a number, and closes those whose head takes too long."""

    limits: Limits
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self.app = _refuse
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

    def send_400_response(self, msg: str) -> None:
        del msg  # which is plain text
        text = "the head of the request is not HTTP/1.1, or larger than 16 KiB"
        answer = answer_error(400, text, _CLOSE)
        head = h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.limits.receive_s, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request of a connection that is one too many."""
    error = refuse_later(503, "too many connections are open; come again later")
    answer = answer_error(error.status, str(error), error.headers | _CLOSE)
    await answer(scope, receive, send)
