"""Shards on the workers of a Ray cluster, https://www.ray.io: one process per core.

Each worker opens the model once, takes one shard after the other, and writes its results
itself: through Ray go the names of its inputs, and one answer back. A worker has one shard at a
time, so that nothing piles up. Where a worker or its node dies, a new worker starts, and the
shard goes back to the others; after `MOST_DEATHS` the images of the shard are listed as failed.

Ray's ports run code that anyone sends them. So the cluster that is started here listens on this
machine alone and has no dashboard; an address that is given is the user's.
"""

import os
import socket
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import (
    BundleError,
    ConfigError,
    DataError,
    MaskwrightError,
    MissingDependencyError,
    OutputError,
    first_line,
)
from ..core.results import FailedInput
from ..core.storage import Store
from ..core.threads import count_cores
from .engine import EngineOptions
from .shards import Job, Shard, ShardWorker, note_shard

RAY = "ray"
MOST_DEATHS = 3
_THREADS = 2
"""Of a worker: it reads and writes beside the engine, which has one core."""

_ANSWER_S = 10
_STARTS = 3
"""Attempts to start a cluster: Ray gives its helpers 15 s, too few on a busy machine
(ray#65983), and the next attempt finds them in memory."""

_KINDS = {kind.__name__: kind for kind in (BundleError, ConfigError, DataError, OutputError)}


@dataclass(frozen=True, slots=True)
class RayWorkers:
    """A callable that runs shards on a cluster: one that is started here, or at an address.

    `num_workers` are as many as the cluster has cores, unless given.
    """

    address: str | None = None
    num_workers: int | None = None

    @classmethod
    def parse(cls, text: str) -> "RayWorkers":
        """Read `ray` or `ray:ADDRESS`, such as `ray:10.0.0.1:6379`.

        Raises:
            ConfigError: Another text.
        """
        name, _, address = text.partition(":")
        if name != RAY or (":" in text and not address):
            raise ConfigError(f"workers is {text!r}; use ray, or ray:ADDRESS of a cluster")
        return cls(address or None)

    def __call__(self, job: Job, shards: Sequence[Shard]) -> Iterator[int]:
        """Yield the index of each shard that is done.

        Raises:
            ConfigError: There is no cluster at the address.
            MissingDependencyError: Ray is not installed.
            BundleError, ConfigError, DataError, OutputError: Of a worker.
        """
        if not shards:
            return
        ray = _import_ray()
        with _connect(ray, self.address):
            num = self.num_workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            job = replace(job, options=EngineOptions(threads=1), num_threads=_THREADS)
            yield from _Pool(ray, job, min(num, len(shards))).run(shards)


@dataclass(slots=True)
class _Pool:
    """Workers, the calls that they have not answered, and the shards that wait."""

    ray: Any
    job: Job
    num_workers: int
    waiting: deque[Shard] = field(default_factory=deque)
    calls: dict[Any, tuple[Any, Shard | None]] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)

    def run(self, shards: Sequence[Shard]) -> Iterator[int]:
        self.waiting.extend(shards)
        num_left = len(shards)
        for _ in range(self.num_workers):
            self._start()
        while num_left:
            (call,), _ = self.ray.wait(list(self.calls), num_returns=1)
            worker, shard = self.calls.pop(call)
            try:
                failure = self.ray.get(call)
            except self.ray.exceptions.RayActorError:
                self._start()
                if shard is None or not self._give_back(shard):
                    continue
            else:
                if failure is not None:
                    raise _KINDS.get(failure[0], MaskwrightError)(failure[1])
                self._give_next(worker)
            if shard is not None:
                num_left -= 1
                yield shard.index

    def _start(self) -> None:
        """Start a worker; it gets a shard when it has opened the model."""
        worker = self.ray.remote(num_cpus=1)(_Worker).remote()
        self.calls[worker.open.remote(self.job)] = worker, None

    def _give_next(self, worker: Any) -> None:
        if self.waiting:
            shard = self.waiting.popleft()
            self.calls[worker.run.remote(shard)] = worker, shard

    def _give_back(self, shard: Shard) -> bool:
        """Let another worker take a shard; True where it is given up, and noted as failed."""
        self.deaths[shard.index] += 1
        if self.deaths[shard.index] < MOST_DEATHS:
            self.waiting.appendleft(shard)
            return False
        failed = [FailedInput(name, _explain_death(name)) for name, _, _ in shard.sources]
        note_shard(Store(self.job.out), shard, failed=failed)
        return True


class _Worker:
    """What runs in the process of a worker; answers None, or kind and text of an error."""

    worker: ShardWorker

    def open(self, job: Job) -> tuple[str, str] | None:
        try:
            if job.base.is_dir():
                os.chdir(job.base)
            self.worker = ShardWorker(job)
        except MaskwrightError as error:
            return type(error).__name__, str(error)
        return None

    def run(self, shard: Shard) -> tuple[str, str] | None:
        try:
            self.worker.run(shard)
        except MaskwrightError as error:
            return type(error).__name__, str(error)
        return None


def _explain_death(name: str) -> str:
    return (
        f"{name}: not predicted: {MOST_DEATHS} workers in a row ended while they had it or its "
        f"neighbours, most often for lack of memory; predict it alone, or use fewer workers"
    )


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
