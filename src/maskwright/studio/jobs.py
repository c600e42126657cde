"""Jobs: long work of one project, one at a time, in a thread; pages ask how far it is.

Work asks its `JobProgress` for each item, and ends there once somebody has cancelled it.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from ..core.errors import MaskwrightError
from .errors import StudioError

T = TypeVar("T")

Work = Callable[["JobProgress"], int]
"""Does the work, and answers for how many images."""

Kind = Literal["", "order", "import", "export"]
State = Literal["none", "running", "finished", "failed", "cancelled"]


class JobCancelledError(MaskwrightError):
    """The work was cancelled; it ends after the item at which it is."""


@dataclass
class JobProgress:
    """How far a job is; a `Progress` that counts the items of its present step.

    `images` are those of its result, `left_out` says for others why not, and `file` names what
    can be fetched, of `num_bytes`.
    """

    kind: Kind
    what: str
    state: State = "running"
    step: str = ""
    done: int = 0
    total: int = 0
    images: int = 0
    left_out: tuple[str, ...] = ()
    file: str = ""
    num_bytes: int = 0
    error: str = ""
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _has_ended_early: bool = False

    def __call__(self, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:
        """The contract of `core.progress.Progress`.

        Raises:
            JobCancelledError: Somebody has cancelled the job.
        """
        self.step, self.done, self.total = what, 0, total
        for item in items:
            if self._cancelled.is_set():
                self._has_ended_early = True
                raise JobCancelledError(
                    f"{self.what}: cancelled, {self.done} of {total} are done"
                )
            yield item
            self.done += 1

    def cancel(self) -> None:
        """End the work after the item at which it is."""
        self._cancelled.set()

    def end(self) -> None:
        """The work has returned, perhaps early."""
        self.state = "cancelled" if self._has_ended_early else "finished"

    def to_json(self) -> dict[str, object]:
        """As JSON."""
        public = {name: value for name, value in vars(self).items() if name[0] != "_"}
        return {**public, "left_out": list(self.left_out)}


class Jobs:
    """The job of a project, and the last one."""

    def __init__(self) -> None:
        self._last = JobProgress("", "", "none")
        self._lock = threading.Lock()

    @property
    def last(self) -> JobProgress:
        """The job that runs, or the last one; its state is `none` where there was none."""
        return self._last

    def require_free(self) -> None:
        """Require that no job runs.

        Raises:
            StudioError: 409, other work is not done.
        """
        last = self._last
        if last.state == "running":
            raise StudioError(
                409,
                f"{last.what} is running, {last.done} of {last.total} are done; wait for its "
                f"end or cancel it",
                {"why": "job"},
            )

    def start(
        self, kind: Kind, what: str, work: Work, ended: Callable[[], None]
    ) -> JobProgress:
        """Begin some work; `ended` is called after it, from its thread.

        Raises:
            StudioError: 409, other work is not done.
        """
        with self._lock:
            self.require_free()
            progress = self._last = JobProgress(kind, what)
        threading.Thread(target=_run, args=(progress, work, ended), daemon=True).start()
        return progress

    def cancel(self) -> JobProgress:
        """Cancel the job that runs.

        Raises:
            StudioError: 409, none runs.
        """
        last = self._last
        if last.state != "running":
            raise StudioError(409, "nothing is running that could be cancelled")
        last.cancel()
        return last


def _run(progress: JobProgress, work: Work, ended: Callable[[], None]) -> None:
    try:
        progress.images = work(progress)
        progress.end()
    except JobCancelledError:
        progress.end()
    except MaskwrightError as error:
        progress.error, progress.state = str(error), "failed"
    except BaseException:
        progress.error, progress.state = "it ended by an error; see the log", "failed"
        raise
    finally:
        ended()
