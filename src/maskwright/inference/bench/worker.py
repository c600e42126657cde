"""The process of one engine: it opens the model, warms up, and runs when it is asked to.

Each line of stdin is a number of runs; the answer is a line with their times. The first line of
stdout says what the engine took. The process ends with its stdin, or with a message on stderr
and exit status 1 where the engine cannot run the model.
"""

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from ...core.bundle import open_bundle
from ...core.errors import ConfigError, MaskwrightError
from ...core.graph import Tolerance
from ...core.memory import keep_freed_memory, measure_peak
from ..engine import Engine, EngineOptions
from ..parity import Planes, Run, verify
from ..predictor import open_model

WARM_UP_S = 0.5
"""The engine runs for so long, and at least twice, before it is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a process runs: a model on one engine, with noise of one size.

    With `tolerance`, the engine must first give the logits that the Bundle keeps.
    """

    model: str
    engine: str
    precision: str
    threads: int
    size_HW: tuple[int, int]
    batch: int
    trust: str | None = None
    tolerance: Tolerance | None = None

    def to_text(self) -> str:
        """One argument of a command; `from_text` undoes it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Job":
        """Undo `to_text`."""
        document = json.loads(text)
        tolerance = document["tolerance"]
        return cls(
            **document
            | {
                "size_HW": tuple(document["size_HW"]),
                "tolerance": None if tolerance is None else Tolerance(**tolerance),
            }
        )

    def open(self) -> tuple[Engine, int]:
        """The engine, and the number of channels that it takes.

        Raises:
            ConfigError: The engine takes no such batch or size.
            BundleError: It gives other logits than those that the Bundle keeps.
            MaskwrightError: As `open_model`.
        """
        options = EngineOptions(threads=self.threads, precision=self.precision)
        model = open_model(self.model, engine=self.engine, options=options, trust=self.trust)
        engine = model.engine
        if self.batch > engine.max_batch:
            raise ConfigError(f"takes batches of {engine.max_batch}, not of {self.batch}")
        if engine.size_HW not in {None, self.size_HW}:
            raise ConfigError(f"takes images of {engine.size_HW} (H, W) alone")
        if any(side % engine.size_multiple for side in self.size_HW):
            raise ConfigError(f"takes sides in multiples of {engine.size_multiple} px")
        if self.tolerance is not None:
            verify(open_bundle(Path(self.model)), engine).require_agreement(
                self.tolerance, graph="this engine", fix="it is not taken"
            )
        return engine, model.card.input.channels


def main() -> None:
    """Run the job of the first argument."""
    keep_freed_memory()
    answers = take_stdout()
    job = Job.from_text(sys.argv[1])
    try:
        _serve(job, answers)
    except MaskwrightError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except MemoryError:
        sys.stderr.write("needs more memory than is free\n")
        sys.exit(1)


def take_stdout() -> TextIO:
    """The standard output, for answers alone: what libraries print there goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _serve(job: Job, answers: TextIO) -> None:
    rng = np.random.default_rng(0)
    with measure_peak() as peak:
        engine, channels = job.open()
        shape = job.batch, channels, *job.size_HW
        x_BCHW = rng.standard_normal(shape, np.float32)
        warm_ms = warm_up(engine, x_BCHW)
    answer(answers, {"peak_bytes": peak.num_bytes, "warm_ms": warm_ms})
    answer_runs(engine, x_BCHW, answers)


def warm_up(run: Run, x_BCHW: Planes) -> float:
    """The shortest time of a run of the warm-up, in ms."""
    started_s, times_ms = time.perf_counter(), [_time_ms(run, x_BCHW)]
    while len(times_ms) < 2 or time.perf_counter() - started_s < WARM_UP_S:
        times_ms.append(_time_ms(run, x_BCHW))
    return min(times_ms)


def answer_runs(run: Run, x_BCHW: Planes, answers: TextIO) -> None:
    """Answer each number of runs on stdin with their times in ms, until it ends."""
    for line in sys.stdin:
        answer(answers, [_time_ms(run, x_BCHW) for _ in range(int(line))])


def _time_ms(run: Run, x_BCHW: Planes) -> float:
    started_s = time.perf_counter()
    run(x_BCHW)
    return 1000 * (time.perf_counter() - started_s)


def answer(answers: TextIO, document: object) -> None:
    """Write one line of JSON."""
    answers.write(json.dumps(document) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
