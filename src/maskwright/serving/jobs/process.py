"""The program of one job: it predicts a file of a client and says how far it is.

It is started in the folder of the job, so that messages and results name no other path of the
server. Killed, it is started again and continues by the journal of `predict`; a video begins
again. It ends when its standard input does, so it never outlives the server.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

from ...core.errors import MaskwrightError, OutputError
from ...core.journal import count_lines, describe_done
from ...core.lock import hold_lock
from ...core.memory import keep_freed_memory
from ...core.results import WriteMode
from ...core.spelling import speaks_command_line
from ...data.reading.archive import find_top, unpack
from ...inference.predict import predict
from ...inference.predictor import Predictor
from ...inference.video.predict import StreamOptions, predict_stream
from ...inference.video.source import open_source
from ...inference.video.temporal import choose_labeller
from ..modelprocess.session import refine_by
from .folder import INPUTS, PARTIAL, RESULTS, UPLOAD, has_results
from .request import FOLDER, VIDEO, JobRequest

T = TypeVar("T")
Report = Callable[[dict[str, object]], None]

_HERE = Path()
_NICENESS = 10
"""Requests go first where both want the processor."""

_PREDICTING = "predicting"
_LOCK_S = 60.0
"""A process of a killed server ends by itself; its successor waits for it."""


def run_job(request: JobRequest, report: Report) -> int:
    """Do the work of a job in the present folder; returns the number of failed images.

    Raises:
        MaskwrightError: As `predict` and `predict_stream`.
    """
    if has_results(_HERE):  # the process before was killed after its last step
        return 0
    model = _open(request)
    if request.kind == VIDEO:
        return _predict_video(request, model, report)
    source = Path(UPLOAD) / request.name
    if request.kind == FOLDER:
        source = _unpack(source)
    partial = Path(RESULTS + PARTIAL)
    done = count_lines(partial)
    summary = predict(
        model,
        [source],
        Path(RESULTS),
        mode=WriteMode(resume=bool(describe_done(partial))),
        progress=_Reporter(report, done),
        write=request.write,
        vectorise=request.vectorise,
        level=request.level,
    )
    return len(summary.failed)


def _open(request: JobRequest) -> Predictor:
    model = request.choice.open(request.open_tiling())
    return model if request.refine is None else refine_by(model, request.refine)


def _predict_video(request: JobRequest, model: Predictor, report: Report) -> int:
    summary = predict_stream(
        model,
        open_source(str(Path(UPLOAD) / request.name)),
        Path(RESULTS),
        StreamOptions(write=request.write),
        labeller=choose_labeller(model, smooth=request.smooth, keyframes=request.keyframes),
        progress=_Reporter(report, 0),
    )
    return len(summary.failed)


def _unpack(archive: Path) -> Path:
    """The folder of the images of an archive, which is removed once it is unpacked."""
    inputs = Path(INPUTS)
    if not inputs.exists():
        partial = Path(INPUTS + PARTIAL)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        unpack(archive, partial)
        partial.rename(inputs)
    archive.unlink(missing_ok=True)
    return find_top(inputs)


class _Reporter:
    """A core Progress that reports what is done, in all attempts together."""

    def __init__(self, report: Report, done: int) -> None:
        self._report = report
        self._done = done

    def __call__(self, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:
        if what != _PREDICTING:
            yield from items
            return
        self._report({"done": self._done, "total": self._done + total})
        for number, item in enumerate(items, start=1):
            yield item
            self._report({"done": self._done + number, "total": self._done + total})


def _end_with_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _lock(folder: Path, stack: ExitStack) -> None:
    """Lock the folder of the job, when a process of before has ended."""
    ends_s = time.monotonic() + _LOCK_S
    while True:
        try:
            stack.enter_context(hold_lock(folder))
        except OutputError:
            if time.monotonic() > ends_s:
                raise
            time.sleep(0.1)
        else:
            return


def main(arguments: Sequence[str]) -> None:
    """Run one job: its folder, and its JobRequest as JSON."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=_end_with_server, daemon=True).start()
    speaks_command_line.set(False)
    keep_freed_memory()
    with suppress(OSError, AttributeError):  # AttributeError: Windows
        os.nice(_NICENESS)

    def report(document: dict[str, object]) -> None:
        lines.write(json.dumps(document) + "\n")

    os.chdir(arguments[0])
    request = JobRequest.from_json(json.loads(arguments[1]))
    with ExitStack() as stack:
        try:
            _lock(_HERE, stack)
            report({"failed": run_job(request, report)})
        except MaskwrightError as error:
            report({"error": _hide_bundle(str(error), request)})
    lines.flush()
    os._exit(0)  # the thread that waits for the end of the server is in its way


def _hide_bundle(message: str, request: JobRequest) -> str:
    return message.replace(request.choice.path, request.choice.name)


if __name__ == "__main__":
    main(sys.argv[1:])
