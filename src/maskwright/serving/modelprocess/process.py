"""The program of a model's process: tasks come on its standard input, outcomes leave on stdout.

It ends when its input does, so it never outlives the server. Signals are for the server, which
stops it.
"""

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Self

from ...core.bundle import is_bundle, open_bundle
from ...core.errors import ConfigError, MaskwrightError
from ...core.labels import LabelSpec
from ...core.memory import keep_freed_memory
from ...core.spelling import speaks_command_line
from ...core.threads import count_cores
from ...inference.bench.fastest import MANY_IMAGES
from ...inference.engine import EngineOptions
from ...inference.opening import open_ensemble
from ...inference.parity import verify
from ...inference.predictor import Predictor
from ...inference.tiling import Tiling
from ...measurement.mapjudge import SiteJudges
from ...measurement.rules.sites import NO_SITES, read_sites
from ..messages import Message, Outcome, Task, read_message, write_message
from .session import Session, describe_facts
from .warmup import warm_up

FAILED = 3
"""Exit status of a process whose model cannot be opened; the message is its last line."""

_MOST_BATCH = 8
"""Images of the largest batch: as many requests can wait for one beside those in work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which model a process opens and how; `warm` are sizes H, W that it runs first.

    `rules` is a rules.yaml by which class maps are judged, with `mm_per_px` for limits in mm;
    `sites` is a sites.yaml with what differs between cameras.
    """

    path: str
    name: str
    version: str
    engine: str | None = None
    trust: str | None = None
    device: str = "auto"
    threads: int | None = None
    precision: str | None = None
    warm: tuple[tuple[int, int], ...] = ((512, 512),)
    max_wait_s: float = 0.005
    rules: str | None = None
    mm_per_px: float | None = None
    sites: str | None = None

    def to_json(self) -> str:
        """One line, which the process is given."""
        return json.dumps(asdict(self))

    def resolve(self) -> Self:
        """The same model by an absolute path, for a process in another folder."""
        return replace(self, path=str(Path(self.path).resolve()))

    def open(self, tiling: Tiling, *, num_images: int = 0) -> Predictor:
        """Open the model; arguments and errors are those of `open_ensemble`."""
        return open_ensemble(
            self.path,
            engine=self.engine,
            options=EngineOptions(
                threads=self.threads,
                device=self.device,
                precision=self.precision,
                spins=False,
            ),
            tiling=tiling,
            trust=self.trust,
            num_images=num_images,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Undo `to_json`."""
        document = json.loads(text)
        return cls(**document | {"warm": tuple(tuple(size) for size in document["warm"])})


def parse_size(text: str) -> tuple[int, int]:
    """Read height and width, as in 512x1024.

    Raises:
        ConfigError: Another text.
    """
    sides = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text, re.ASCII)
    if sides is None:
        raise ConfigError(f"{text!r} is not a size; write HxW, such as 512x1024")
    return int(sides[1]), int(sides[2])


class _Connection:
    """The tasks in work, and the stream of their outcomes."""

    def __init__(self, session: Session, answers: IO[bytes]) -> None:
        self._session = session
        self._answers = answers
        self._writing = threading.Lock()
        self._working: set[int] = set()
        self._cancelled: set[int] = set()
        self._pool = ThreadPoolExecutor(_MOST_BATCH + 2 * count_cores(), "task")

    def take(self, message: Message) -> None:
        """Begin a task, or cancel one."""
        if "cancel" in message.head:
            self._cancelled |= self._working & {message.head["cancel"]}
            self._session.look_again()
        elif "ping" in message.head:
            self._write(Message({"pong": message.head["ping"]}))
        else:
            task = Task.from_json(message.head)
            self._working.add(task.id)
            self._pool.submit(self._run, task, message.body)

    def _run(self, task: Task, body: bytes) -> None:
        try:
            outcome = self._session.run(task, body, lambda: task.id in self._cancelled)
        except Exception as error:  # noqa: BLE001 - a bug: logged, and the others go on
            sys.stderr.write(f"task {task.id}: {type(error).__name__}: {error}\n")
            outcome = Outcome(id=task.id, status=500, error="internal error; see the log")
        self._working.discard(task.id)
        self._cancelled.discard(task.id)
        self._write(outcome.to_message())

    def _write(self, message: Message) -> None:
        with self._writing:
            write_message(self._answers, message)


def open_session(choice: ModelChoice) -> Session:
    """Open the model of a process and warm it up; raises as `open_ensemble`."""
    model = choice.open(Tiling(), num_images=MANY_IMAGES)
    _require_parity(Path(choice.path), model)
    session = Session(
        model,
        name=choice.name,
        version=choice.version,
        warm=warm_up(model, choice.warm),
        max_wait_s=choice.max_wait_s,
        judges=_open_judges(choice, model.card.labels),
    )
    for size_HW in choice.warm:
        session.rehearse(size_HW)
    return session


def _open_judges(choice: ModelChoice, spec: LabelSpec) -> SiteJudges | None:
    """What judges class maps; None without rules.

    Raises:
        DataError, ConfigError: As `SiteJudges.open`; a rule needs the times of a stream.
    """
    if choice.rules is None:
        return None
    path = Path(choice.rules)
    sites = NO_SITES if choice.sites is None else read_sites(Path(choice.sites))
    judges = SiteJudges.open(path, spec, mm_per_px=choice.mm_per_px, sites=sites)
    timed = [rule.name for rule in judges.rules if rule.for_s or rule.clear_s]
    if timed:
        raise ConfigError(
            f"{path}: rule {timed[0]!r}: for and clear need the times of a stream (maskwright "
            f"video --rules); leave them out to judge requests"
        )
    return judges


def _require_parity(path: Path, model: Predictor) -> None:
    """Refuse a Bundle whose engine here gives other logits than the images it carries."""
    if not is_bundle(path):
        return
    bundle = open_bundle(path)
    graphs = [graph for graph in bundle.graphs if graph.engine == model.engine.name]
    if bundle.parity_inputs is not None and graphs:
        verify(bundle, model.engine).require_agreement(
            graphs[0].tolerance,
            graph=str(path / graphs[0].file),
            fix="export the model again, or serve it on the machine where it was exported",
        )


def main(arguments: Sequence[str]) -> None:
    """Serve one model until the input ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no message
    speaks_command_line.set(False)
    keep_freed_memory()
    try:
        session = open_session(ModelChoice.from_json(arguments[0]))
    except MaskwrightError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(FAILED)
    write_message(answers, Message(describe_facts(session)))
    connection = _Connection(session, answers)
    while (message := read_message(sys.stdin.buffer)) is not None:
        connection.take(message)
    os._exit(0)  # threads that wait for the engine have nobody to answer


if __name__ == "__main__":
    main(sys.argv[1:])
