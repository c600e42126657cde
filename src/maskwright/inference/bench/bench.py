"""Time every engine that runs a model, in rounds that take turns.

Each engine, precision and number of threads has a process of its own, so that its peak memory
has nothing of the others. The processes wait while one runs; a round runs each of them once for
about the same time, so that a machine that slows down slows all of them. The ratio to the
reference, which is torch, or ONNX Runtime for a graph that was imported, is the median over the
rounds of the ratios of their medians, at the same number of threads.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import IO, Self

import numpy as np

from ...core import parts
from ...core.bundle import Bundle, find_bundle, open_bundle
from ...core.checkpoint import Checkpoint
from ...core.errors import BundleError, ConfigError
from ...core.graph import Tolerance
from ...core.progress import Progress, silent
from ...core.versioned import Document, Schema
from ..choice import choose_file, list_files, open_source
from ..engine import ENGINES, FP32, PRECISIONS, EnginePart
from ..machine import Machine
from .energy import EnergyMeter
from .worker import Job

SCHEMA = Schema(kind="bench", version=2)
TORCH, ONNXRUNTIME = "torch", "onnxruntime"
SIZE_HW = (512, 512)
NUM_ROUNDS = 5

_ROUND_MS = 400.0
_MOST_RUNS = 50
_LEAST_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTime:
    """One engine at one precision and number of threads; `ms` is the time of one batch.

    `peak_memory_mb` is what its process took for libraries, model and runs; None where the
    system does not tell it, `joules_per_image` what all processors took meanwhile, None where
    they do not tell it. `times_reference` is how many times as fast as the reference of the
    Bench it is, None without the reference in fp32 at these threads.
    """

    engine: str
    precision: str
    threads: int
    ms_p50: float
    ms_p95: float
    images_per_s: float
    peak_memory_mb: float | None
    joules_per_image: float | None
    times_reference: float | None
    num_runs: int

    @property
    def name(self) -> str:
        """For charts: `onnxruntime int8, 2 threads`."""
        plural = "" if self.threads == 1 else "s"
        return f"{self.engine} {self.precision}, {self.threads} thread{plural}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """An engine that did not run the model, and why."""

    engine: str
    precision: str
    threads: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The times of the engines of a model, fastest first for each number of threads.

    `reference` is the engine that the others are compared with, in fp32.
    """

    model: str
    model_id: str
    reference: str
    size_HW: tuple[int, int]
    batch: int
    num_rounds: int
    machine: Machine
    engines: tuple[EngineTime, ...]
    not_run: tuple[NotRun, ...]

    def to_json(self) -> Document:
        """The document of `bench.json`."""
        return SCHEMA.stamp(asdict(self))


@dataclass(frozen=True, slots=True)
class _Process:
    """A warm process with its pipes; `times_ms` has a list per round, `joules` their energy."""

    job: Job
    process: "subprocess.Popen[str]"
    questions: IO[str]
    answers: IO[str]
    peak_bytes: int | None
    warm_ms: float
    times_ms: list[list[float]]
    joules: list[float]

    @classmethod
    def start(cls, job: Job) -> Self | str:
        """Start and warm a process; the reason where its engine cannot run the model."""
        process = subprocess.Popen(
            [sys.executable, "-m", "maskwright.inference.bench.worker", job.to_text()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        questions, answers = process.stdin, process.stdout
        if questions is None or answers is None:
            raise TypeError("a process without pipes")
        first = answers.readline()
        if not first:
            lines = process.communicate()[1].strip().splitlines()
            return lines[-1] if lines else f"ended with exit status {process.returncode}"
        found = json.loads(first)
        return cls(
            job=job,
            process=process,
            questions=questions,
            answers=answers,
            peak_bytes=found["peak_bytes"],
            warm_ms=found["warm_ms"],
            times_ms=[],
            joules=[],
        )

    def run_round(self, meter: EnergyMeter | None) -> None:
        """Run for about `_ROUND_MS`.

        Raises:
            BundleError: The process has ended.
        """
        num = round(_ROUND_MS / max(self.warm_ms, 0.01))
        num = max(_LEAST_RUNS, min(_MOST_RUNS, num))
        before_uj = () if meter is None else meter.read_uj()
        self.questions.write(f"{num}\n")
        self.questions.flush()
        answer = self.answers.readline()
        if not answer:
            raise BundleError(
                f"{self.job.model}: engine {self.job.engine!r} ended while it was measured "
                f"(exit status {self.process.wait()}); leave it out of engines"
            )
        self.times_ms.append(json.loads(answer))
        if meter is not None:
            self.joules.append(meter.count_joules(before_uj))

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def bench_model(
    model: Path | str,
    *,
    engines: Sequence[str] | None = None,
    size_HW: tuple[int, int] | None = None,
    threads: Sequence[int] = (1,),
    batch: int = 1,
    num_rounds: int = NUM_ROUNDS,
    precisions: Sequence[str] = PRECISIONS,
    tolerance: Tolerance | None = None,
    reference: Path | None = None,
    trust: str | None = None,
    progress: Progress = silent,
) -> Bench:
    """Time the network of a model on noise, on each engine that has a file for it.

    Args:
        model: A Bundle, a run or a checkpoint; of a finished run its Bundle is measured.
        engines: Names; None for all.
        size_HW: Of the input of the network; None for its only one, else 512 x 512.
        threads: Numbers of threads, each measured on its own.
        batch: Images in one call.
        num_rounds: Each engine runs for about 0.4 s per round, three times or more.
        precisions: Those to measure.
        tolerance: Engines must give the logits that the Bundle keeps, None for any.
        reference: Another model, whose reference is taken; torch does not run `model` then.
        trust: As in `open_model`.
        progress: Of starting the engines, and of the rounds.

    Raises:
        BundleError: Not a model, or no engine runs it; the message has the reasons.
        ConfigError: A number below 1, or an unknown engine.
    """
    root = find_bundle(Path(model)) or Path(model)
    source = open_source(root)
    size_HW = size_HW or source.card.only_size_HW or SIZE_HW
    _require_positive(threads, size_HW, batch, num_rounds)
    make = partial(Job, size_HW=size_HW, batch=batch, trust=trust, tolerance=tolerance)
    known = find_reference(source if reference is None else open_bundle(reference))
    make_known = partial(make, model=str(reference or root), engine=known, precision=FP32)
    kept = {n: make_known(threads=n) for n in threads}
    pairs = list_candidates(source, engines, precisions)
    make_own, others = partial(make, model=str(root)), []
    own = [make_own(engine=e, precision=p, threads=n) for n in threads for e, p in pairs]
    if reference is not None:
        own = [one for one in own if one.engine != TORCH]
        others = list(kept.values()) if engines is None or known in engines else []
    machine = Machine.detect()
    running, not_run = _measure(model, [*own, *others], num_rounds, progress)
    return Bench(
        model=str(model),
        model_id=source.model_id,
        reference=known,
        size_HW=size_HW,
        batch=batch,
        num_rounds=num_rounds,
        machine=machine,
        engines=_summarise_all(own, running, kept),
        not_run=tuple(not_run),
    )


def find_reference(source: Bundle | Checkpoint) -> str:
    """The engine that the others are compared with: of the weights, else of the graph."""
    has_weights = not isinstance(source, Bundle) or source.has_weights
    return TORCH if has_weights else ONNXRUNTIME


def _require_positive(
    threads: Sequence[int], size_HW: tuple[int, int], batch: int, num_rounds: int
) -> None:
    if not threads or min(*threads, *size_HW, batch, num_rounds) < 1:
        raise ConfigError(
            f"threads {list(threads)}, size {list(size_HW)}, batch {batch}, rounds "
            f"{num_rounds}: expected numbers of 1 or more"
        )


def _measure(
    model: Path | str, jobs: Sequence[Job], num_rounds: int, progress: Progress
) -> tuple[list[_Process], list[NotRun]]:
    """Run all jobs in rounds; their processes, which have ended, with what did not run."""
    with _start(jobs, progress) as (running, not_run):
        if not running:
            reasons = "; ".join(f"{n.engine} {n.precision}: {n.reason}" for n in not_run)
            reasons = reasons or (
                "it has no file for any of those that were asked for; leave out --engines, or "
                "export the model for them"
            )
            raise BundleError(f"{model}: no engine runs this model: {reasons}")
        meter = EnergyMeter.open()
        for _ in progress(range(num_rounds), total=num_rounds, what="measuring"):
            for process in running:
                process.run_round(meter)
    return running, not_run


@contextmanager
def _start(
    jobs: Sequence[Job], progress: Progress
) -> Iterator[tuple[list[_Process], list[NotRun]]]:
    """The processes that run, and the engines that do not."""
    running: list[_Process] = []
    not_run: list[NotRun] = []
    with ExitStack() as stack:
        for job in progress(jobs, total=len(jobs), what="starting engines"):
            started = _Process.start(job)
            if isinstance(started, str):
                not_run.append(
                    NotRun(
                        engine=job.engine,
                        precision=job.precision,
                        threads=job.threads,
                        reason=started,
                    )
                )
            else:
                stack.callback(started.close)
                running.append(started)
        yield running, not_run


def _summarise_all(
    own: Sequence[Job], running: Sequence[_Process], kept: Mapping[int, Job]
) -> tuple[EngineTime, ...]:
    """The times of the jobs `own` beside those of the references in `kept`, by threads."""
    times_ms = {one.job: one.times_ms for one in running}
    found = [
        _summarise(one, times_ms.get(kept[one.job.threads]))
        for one in running
        if one.job in own
    ]
    return tuple(sorted(found, key=lambda one: (one.threads, one.ms_p50)))


def _summarise(one: _Process, reference_ms: list[list[float]] | None) -> EngineTime:
    every_ms = np.concatenate(one.times_ms)
    p50, images = float(np.median(every_ms)), one.job.batch * len(every_ms)
    ratio = None
    if reference_ms is not None:
        rounds = zip(reference_ms, one.times_ms, strict=True)
        ratio = round(median(median(theirs) / median(own) for theirs, own in rounds), 3)
    return EngineTime(
        engine=one.job.engine,
        precision=one.job.precision,
        threads=one.job.threads,
        ms_p50=round(p50, 3),
        ms_p95=round(float(np.percentile(every_ms, 95)), 3),
        images_per_s=round(1000 * one.job.batch / p50, 2),
        peak_memory_mb=None if one.peak_bytes is None else round(one.peak_bytes / 1e6, 1),
        joules_per_image=round(sum(one.joules) / images, 4) if one.joules else None,
        times_reference=ratio,
        num_runs=len(every_ms),
    )


def list_candidates(
    source: Bundle | Checkpoint,
    engines: Sequence[str] | None,
    precisions: Sequence[str] = PRECISIONS,
) -> list[tuple[str, str]]:
    """The engines, None for all, each with the precisions in which it runs the model."""
    files = list_files(source)
    loaded = {
        name: parts.load(ENGINES, name, like=EnginePart)
        for name in engines or parts.names(ENGINES)
    }
    return [
        (name, precision)
        for name, part in loaded.items()
        for precision in PRECISIONS
        if precision in precisions and choose_file(part, files, precision) is not None
    ]
