"""The first Ctrl-C stops a run at its next step; the second one stops it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Interrupt:
    """Whether a signal asked the run to stop."""

    pressed: bool = False

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Set `pressed` the first time, raise KeyboardInterrupt the second time."""
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True


@contextmanager
def catch_interrupt() -> Iterator[Interrupt]:
    """Let the first SIGINT, SIGTERM or SIGHUP set `pressed` and do no more.

    Only the main thread can handle signals; in other threads nothing is caught.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # no SIGHUP on Windows
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [n for n in known if signal.getsignal(n) is not signal.SIG_IGN]  # nohup
    before = [signal.signal(number, interrupt.press) for number in numbers]
    try:
        yield interrupt
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
