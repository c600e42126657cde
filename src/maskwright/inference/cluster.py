"""Work in parts on the workers of a Ray cluster, https://www.ray.io: one process per core.

Each worker opens the model once and takes one part after the other: through Ray go the names of
its inputs, and one answer back. A worker has one part at a time, so that nothing piles up.
Where a worker or its node dies, a new worker starts, and the part goes back to the others;
after `MOST_DEATHS` the work gives it up.

Ray's ports run code that anyone sends them. So the cluster that is started here listens on this
machine alone and has no dashboard; an address that is given is the user's.
"""

import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import (
    BundleError,
    ConfigError,
    DataError,
    MaskwrightError,
    MissingDependencyError,
    OutputError,
    first_line,
)
from ..core.threads import count_cores
from .engine import EngineOptions
from .predictor import DEFAULTS

RAY = "ray"
MOST_DEATHS = 3
_THREADS = 2
"""Of a worker: it reads and writes beside the engine, which has one core."""

_ANSWER_S = 10
_STARTS = 3
"""Attempts to start a cluster: Ray gives its helpers 15 s, too few on a busy machine
(ray#65983), and the next attempt finds them in memory."""

_KINDS = {kind.__name__: kind for kind in (BundleError, ConfigError, DataError, OutputError)}


class Part(Protocol):
    """What a worker takes at once; it can be sent to another process, as its answer can."""

    @property
    def index(self) -> int:
        """The number of the part."""


class RemoteWork(Protocol):
    """Work of which workers do the parts; it is sent to each of them."""

    @property
    def start_in(self) -> Path:
        """The folder at which relative paths begin."""

    def begin(self, options: EngineOptions, *, num_threads: int) -> Callable[[Any], Any]:
        """Open what all parts need, in the process of a worker; the result runs a part."""

    def give_up(self, part: Any, *, num_deaths: int) -> Any:
        """The answer for a part that ended so many workers; may raise instead."""


@dataclass(frozen=True, slots=True)
class RayWorkers:
    """A callable that runs parts on a cluster: one that is started here, or at an address.

    `num_workers` are as many as the cluster has cores, unless given. `options` are those of
    the engines, but for the threads: each has one.
    """

    address: str | None = None
    num_workers: int | None = None
    options: EngineOptions = DEFAULTS

    @classmethod
    def parse(cls, text: str, *, options: EngineOptions = DEFAULTS) -> "RayWorkers":
        """Read `ray` or `ray:ADDRESS`, such as `ray:10.0.0.1:6379`.

        Raises:
            ConfigError: Another text.
        """
        name, _, address = text.partition(":")
        if name != RAY or (":" in text and not address):
            raise ConfigError(f"workers is {text!r}; use ray, or ray:ADDRESS of a cluster")
        return cls(address or None, options=options)

    def __call__(self, work: RemoteWork, parts: Sequence[Part]) -> Iterator[Any]:
        """Yield the answer of each part that is done.

        Raises:
            ConfigError: There is no cluster at the address.
            MissingDependencyError: Ray is not installed.
            BundleError, ConfigError, DataError, OutputError: Of a worker.
        """
        if not parts:
            return
        ray = _import_ray()
        with _connect(ray, self.address):
            num = self.num_workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            options = replace(self.options, threads=1)
            yield from _Pool(ray, work, options, min(num, len(parts))).run(parts)


@dataclass(slots=True)
class _Pool:
    """Workers, the calls that they have not answered, and the parts that wait."""

    ray: Any
    work: RemoteWork
    options: EngineOptions
    num_workers: int
    waiting: deque[Part] = field(default_factory=deque)
    calls: dict[Any, tuple[Any, Part | None]] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)

    def run(self, parts: Sequence[Part]) -> Iterator[Any]:
        self.waiting.extend(parts)
        num_left = len(parts)
        for _ in range(self.num_workers):
            self._start()
        while num_left:
            (call,), _ = self.ray.wait(list(self.calls), num_returns=1)
            worker, part = self.calls.pop(call)
            try:
                reply = self.ray.get(call)
            except self.ray.exceptions.RayActorError:
                self._start()
                if part is None or not self._is_given_up(part):
                    continue
                answer = self.work.give_up(part, num_deaths=MOST_DEATHS)
            else:
                if isinstance(reply, _Failure):
                    raise _KINDS.get(reply.kind, MaskwrightError)(reply.text)
                answer = reply
                self._give_next(worker)
            if part is not None:
                num_left -= 1
                yield answer

    def _start(self) -> None:
        """Start a worker; it gets a part when it has opened the model."""
        worker = self.ray.remote(num_cpus=1)(_Worker).remote()
        self.calls[worker.open.remote(self.work, self.options)] = worker, None

    def _give_next(self, worker: Any) -> None:
        if self.waiting:
            part = self.waiting.popleft()
            self.calls[worker.run.remote(part)] = worker, part

    def _is_given_up(self, part: Part) -> bool:
        """Whether a part has ended too many workers; else it waits for another one."""
        self.deaths[part.index] += 1
        if self.deaths[part.index] == MOST_DEATHS:
            return True
        self.waiting.appendleft(part)
        return False


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error of maskwright in a worker."""

    kind: str
    text: str


class _Worker:
    """What runs in the process of a worker; an error is a _Failure in place of the answer."""

    run_part: Callable[[Any], Any]

    def open(self, work: RemoteWork, options: EngineOptions) -> _Failure | None:
        try:
            if work.start_in.is_dir():
                os.chdir(work.start_in)
            self.run_part = work.begin(options, num_threads=_THREADS)
        except MaskwrightError as error:
            return _Failure(type(error).__name__, str(error))
        return None

    def run(self, part: Part) -> Any:
        try:
            return self.run_part(part)
        except MaskwrightError as error:
            return _Failure(type(error).__name__, str(error))


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(RAY, "scale") from error
    return ray


@contextmanager
def _connect(ray: Any, address: str | None) -> Iterator[None]:
    """Connect to the cluster at an address, or to one that is started here, until the end.

    Raises:
        ConfigError: There is none at the address, or none can be started.
    """
    if address:
        _require_answer(address)
    for left in reversed(range(1 if address else _STARTS)):
        try:
            _init(ray, address)
            break
        except Exception as error:
            ray.shutdown()
            if not left:
                raise ConfigError(
                    f"no Ray cluster can be reached at {address or 'this machine'}: "
                    f"{first_line(error)}; check the address, or try again when the machine is "
                    f"less busy"
                ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Refuse a host and port that nobody listens at: Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "://" in address or not port.isdigit():  # `auto`, or of a Ray client
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"no Ray cluster answers at {address}: {error}; check the address, or use "
            f"--workers ray to start one here"
        ) from error


def _init(ray: Any, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "critical"}
    if address:
        ray.init(address=address, **quiet)
        return
    ray.init(
        address="local",
        num_cpus=count_cores() + 1,  # with a single one, Ray has none left
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        **quiet,
    )
