"""How much the server takes on: pixels that wait or run, and bytes of bodies."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import refuse_later
from .limits import Limits

_KEPT = 200
"""Finished images by which the rate of work is known."""


class Admission:
    """Takes images while their pixels fit; all others are refused at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._done: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self.held_px = self.held_bytes = 0

    @contextmanager
    def hold_pixels(self, num_px: int) -> Iterator[None]:
        """Hold the pixels of an image until its answer.

        Raises:
            ServingError: 429 where the queue is full.
        """
        if self.held_px and self.held_px + num_px > self._limits.queue_px:
            raise refuse_later(
                429,
                f"{self.held_px / 1e6:.0f} million pixels are waiting already; come again "
                f"later",
                self._expect_s(),
            )
        self.held_px += num_px
        try:
            yield
        finally:
            self.held_px -= num_px
            self._done.append((time.monotonic(), num_px))

    @contextmanager
    def hold_bytes(self, num_bytes: int) -> Iterator[None]:
        """Hold the bytes of a body that is received and kept.

        Raises:
            ServingError: 503 where too many are held already.
        """
        if self.held_bytes and self.held_bytes + num_bytes > self._limits.received_bytes:
            raise refuse_later(503, "too many bodies are being received; come again later")
        self.held_bytes += num_bytes
        try:
            yield
        finally:
            self.held_bytes -= num_bytes

    def _expect_s(self) -> float:
        """The seconds in which half of the queue is done, by the last images."""
        if len(self._done) < 2:
            return 1.0
        seconds = time.monotonic() - self._done[0][0]
        rate = sum(px for _, px in self._done) / max(seconds, 1e-3)
        return min(60.0, self.held_px / 2 / max(rate, 1.0))
