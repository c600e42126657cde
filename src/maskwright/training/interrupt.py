"""Ctrl-C asks to stop at the next step; a second one stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Interrupt:
    """Whether somebody asked to stop."""

    pressed: bool = False

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Take note the first time, raise KeyboardInterrupt the second."""
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True


@contextmanager
def catch_interrupt() -> Iterator[Interrupt]:
    """While open, the first SIGINT or SIGTERM only sets `pressed`.

    Only the main thread may handle signals; elsewhere nothing is caught.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt.press) for number in numbers]
    try:
        yield interrupt
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
