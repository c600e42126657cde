"""A webhook: events as JSON by HTTP POST, from a thread of its own that never delays a stream.

A message that is not answered by 2xx within the time-out is sent again after 0.5, 1 and 2 s;
answers that would not change (4xx but 408 and 429, redirects) end it at once. At most 256
messages wait. What could not be delivered is counted; the files have it all the same.
"""

import json
import queue
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from importlib.metadata import version
from threading import Event as Signal
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ...core.errors import ConfigError, first_line

_MOST_WAITING = 256
_PAUSES_S = (0.5, 1.0, 2.0)
_AGAIN = {408, 429}


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would turn a POST into a GET, or lead to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Take none; the answer is an error then."""


@dataclass(slots=True, kw_only=True)
class Webhook:
    """Posts documents to an address.

    Args:
        url: http or https; a user and a password in it are sent as HTTP Basic. They, the path
            and the query stay out of all messages.
        timeout_s: Of one attempt.
        patience_s: How long `close` waits for what has not been sent.
        sleep: Waits between attempts, or less where the webhook is being closed.

    Raises ConfigError for another scheme, or an address without a host.
    """

    url: str
    timeout_s: float = 5.0
    patience_s: float = 15.0
    sleep: Callable[[float], object] | None = None
    num_sent: int = field(default=0, init=False)
    num_failed: int = field(default=0, init=False)
    reason: str = field(default="", init=False)
    _waiting: "queue.Queue[bytes | None]" = field(init=False)
    _is_late: Signal = field(default_factory=Signal, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"--webhook {self.name}: give an address that begins with https:// or http://"
            )
        self._waiting = queue.Queue(_MOST_WAITING)

    @property
    def name(self) -> str:
        """Scheme and host: the rest of an address may be secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def send(self, document: Mapping[str, object]) -> None:
        """Put a message in the queue; one that finds the queue full counts as failed."""
        if self._thread is None:
            self._thread = Thread(target=self._work, daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(json.dumps(document).encode())
        except queue.Full:
            self._fail("too many messages wait")

    def close(self) -> None:
        """Wait for what is left, at most `patience_s`; the rest counts as failed."""
        if self._thread is None:
            return
        until_s = time.monotonic() + self.patience_s
        try:
            self._waiting.put(None, timeout=self.patience_s)
        except queue.Full:
            self._is_late.set()  # the thread empties the queue after the attempt that runs
            self._waiting.put(None)
        self._thread.join(max(0.0, until_s - time.monotonic()))
        self._is_late.set()
        self._thread.join(self.timeout_s + 1.0)
        self._thread = None

    def describe(self) -> str:
        """One line: how many were sent, and how many were not."""
        failed = f", {self.num_failed} failed ({self.reason})" if self.num_failed else ""
        return f"webhook {self.name}: {self.num_sent} messages sent{failed}"

    def _work(self) -> None:
        while (content := self._waiting.get()) is not None:
            self._deliver(content)

    def _deliver(self, content: bytes) -> None:
        for pause_s in (*_PAUSES_S, None):
            if self._is_late.is_set():
                self._fail(self.reason or "the stream ended before they were sent")
                return
            reason, is_final = post_json(self.url, content, self.timeout_s)
            if not reason:
                self.num_sent += 1
                return
            if is_final or pause_s is None:
                break
            (self.sleep or self._is_late.wait)(pause_s)
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        self.num_failed += 1
        self.reason = reason


def post_json(url: str, content: bytes, timeout_s: float) -> tuple[str, bool]:
    """Post a document once; the reason of a failure, and whether another attempt is of no use.

    `url` is http or https. A user and a password in it are sent as HTTP Basic.
    """
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"maskwright/{version('maskwright')}",
    }
    if login:
        headers["Authorization"] = f"Basic {b64encode(unquote(login).encode()).decode()}"
    address = parts._replace(netloc=host, fragment="").geturl()
    request = Request(address, data=content, headers=headers, method="POST")  # noqa: S310  # http or https, as required
    try:
        with build_opener(_NoRedirect).open(request, timeout=timeout_s) as answer:
            answer.read(1)
    except HTTPError as error:
        error.close()
        is_final = error.code < 500 and error.code not in _AGAIN
        return f"answered {error.code}", is_final
    except (OSError, HTTPException, ValueError) as error:
        return first_line(getattr(error, "reason", None) or error), False
    return "", False
