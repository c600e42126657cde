"""Jobs: long work of one project, one at a time, in a thread; pages ask how far it is."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..core.errors import MaskwrightError
from .errors import StudioError

T = TypeVar("T")

Work = Callable[["JobProgress"], int]
"""Does the work, and answers for how many images."""


@dataclass
class JobProgress:
    """How far a job is; a `Progress` that counts the items."""

    what: str
    state: str = "running"
    done: int = 0
    total: int = 0
    images: int = 0
    error: str = ""

    def __call__(self, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:  # noqa: ARG002
        """The contract of `core.progress.Progress`."""
        self.total = total
        for item in items:
            yield item
            self.done += 1

    def to_json(self) -> dict[str, object]:
        """As JSON."""
        return dict(vars(self))


class Jobs:
    """The job of a project, and the last one."""

    def __init__(self) -> None:
        self._last = JobProgress("", "none")
        self._lock = threading.Lock()

    @property
    def last(self) -> JobProgress:
        """The job that runs, or the last one; its state is `none` where there was none."""
        return self._last

    def start(self, what: str, work: Work, ended: Callable[[], None]) -> JobProgress:
        """Begin some work; `ended` is called after it, from its thread.

        Raises:
            StudioError: 409, other work is not done.
        """
        with self._lock:
            if self._last.state == "running":
                last = self._last
                raise StudioError(
                    409,
                    f"{last.what} is running, {last.done} of {last.total} are done; wait for "
                    f"its end",
                    {"why": "job"},
                )
            progress = self._last = JobProgress(what)
        threading.Thread(target=_run, args=(progress, work, ended), daemon=True).start()
        return progress


def _run(progress: JobProgress, work: Work, ended: Callable[[], None]) -> None:
    try:
        progress.images = work(progress)
        progress.state = "finished"
    except MaskwrightError as error:
        progress.error, progress.state = str(error), "failed"
    except BaseException:
        progress.error, progress.state = "it ended by an error; see the log", "failed"
        raise
    finally:
        ended()
