"""Rounds: work of a server that is done again and again, in a thread beside the requests."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...core.errors import MaskwrightError
from ..log import Log

_LOOK_S = 1.0
_STOP_S = 5.0


@dataclass(slots=True)
class _Round:
    every_s: float
    work: Callable[[], None]
    due_s: float


class Rounds:
    """Some work, each at its own pace; what fails is logged, and done again next time."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._rounds: list[_Round] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rounds", daemon=True)

    def add(self, every_s: float, work: Callable[[], None]) -> None:
        """Do `work` now and then every so many seconds."""
        self._rounds.append(_Round(every_s, work, time.monotonic()))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the work that runs now, if it ends soon."""
        self._over.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._over.is_set():
            for each in self._rounds:
                if time.monotonic() >= each.due_s and not self._over.is_set():
                    self._do(each)
                    each.due_s = time.monotonic() + each.every_s
            self._over.wait(_LOOK_S)

    def _do(self, each: _Round) -> None:
        try:
            each.work()
        except (MaskwrightError, OSError) as error:
            self._log({"event": "watch", "error": str(error)})
        except Exception as error:  # noqa: BLE001 - a bug here must not end the other work
            self._log({"event": "watch", "error": f"{type(error).__name__}: {error}"})
