"""Latency: the share of the work of a network that its graph runs in a given time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from maskwright.core import parts
from maskwright.core.card import ModelCard
from maskwright.core.errors import ConfigError
from maskwright.core.trust import hash_file, remember
from maskwright.export.onnxgraph import write_onnx
from maskwright.inference.bench.bench import SIZE_HW
from maskwright.inference.bench.worker import warm_up
from maskwright.inference.engine import ENGINES, EngineOptions, EnginePart
from maskwright.nn.any_size import AnySize

USUAL = "onnxruntime"
"""The engine that runs the graphs of a Bundle where no other is chosen."""

_NUM_TRIALS = 5
_NUM_RUNS = 10
_LEAST_SHARE = 0.05

Narrow = Callable[[float], tuple[ModelCard, AnySize]]
"""The network with a share of its work, and its card."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The engine, the threads (None: all cores) and the size with which time is measured."""

    engine: str = USUAL
    threads: int | None = None
    size_HW: tuple[int, int] = SIZE_HW

    def find_share(self, narrow: Narrow, target_ms: float, log: Callable[[str], None]) -> float:
        """The largest share, to some percent, with which one image takes `target_ms` at most.

        Of a share that pruning does not reach, `narrow` raises ConfigError.

        Raises:
            ConfigError: The whole network is fast enough already, or no share is.
        """
        low, high = _LEAST_SHARE, 1.0
        whole_ms = self.measure(*narrow(1.0))
        log(f"the whole network takes {whole_ms:.1f} ms on {self.engine}")
        if whole_ms <= target_ms:
            raise ConfigError(
                f"--target-ms {target_ms:g}: the whole network takes {whole_ms:.1f} ms on "
                f"{self.engine} already; there is nothing to prune"
            )
        best, guess = None, min(0.9, max(_LEAST_SHARE, target_ms / whole_ms))
        for _ in range(_NUM_TRIALS):
            try:
                narrowed = narrow(guess)
            except ConfigError:  # so few channels are not reached
                low = guess
            else:
                ms = self.measure(*narrowed)
                log(f"{guess:.0%} of the multiplications take {ms:.1f} ms")
                if ms <= target_ms:
                    low = best = guess
                else:
                    high = guess
            guess = (low + high) / 2
        if best is None:
            raise ConfigError(
                f"--target-ms {target_ms:g}: {high:.0%} of the multiplications still take "
                f"more on {self.engine}; choose a longer time, a smaller --size, or a smaller "
                f"network that learns from this one (maskwright distil)"
            )
        return best

    def measure(self, card: ModelCard, model: AnySize) -> float:
        """The median time of one image of noise in ms."""
        with TemporaryDirectory(prefix="maskwright-") as name:
            path = Path(name) / "model.onnx"
            write_onnx(model, card, path)
            remember("graph", hash_file(path))
            part = parts.load(ENGINES, self.engine, like=EnginePart)
            engine = part.build(path, card, EngineOptions(threads=self.threads))
            shape = 1, card.input.channels, *self.size_HW
            x_BCHW = np.random.default_rng(0).standard_normal(shape, np.float32)
            warm_up(engine, x_BCHW)
            times_ms = []
            for _ in range(_NUM_RUNS):
                started_s = time.perf_counter()
                engine(x_BCHW)
                times_ms.append(1000 * (time.perf_counter() - started_s))
        return median(times_ms)
