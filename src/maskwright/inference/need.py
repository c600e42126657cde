"""Memory that an engine and an image need, compared with what is free before either is used.

What an engine takes per pixel depends on the network and on how the engine runs it, so it is
measured, once, on an image of zeros; small images are not measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import ConfigError, DataError, MaskwrightError
from ..core.inputspec import InputSpec
from ..core.memory import find_free_bytes, is_out_of_memory, measure_peak
from .engine import Engine

LARGE_PX = 1 << 24
"""Images of fewer pixels at the network's resolution are run without a question."""

_TRIAL_PX, _SMALL_PX = 1024, 128
_DECISION_BYTES = 10
"""Per pixel of the image: label, logit and confidence, and a few planes of a strip."""


_COPIES = 3
"""Of the graph, while an engine reads, rewrites and lays it out."""

_STACK_BYTES = 8 << 20
"""Of a thread, by the default of Linux."""

_WORTH_RATIO = 0.75
"""A compact engine is taken where it needs less than this share: it may be slower."""


@dataclass(slots=True)
class MemoryNeed:
    """The engine for large images, and the bytes that it takes per pixel beside its input.

    `engine` is None until a large image comes.
    """

    engine: Engine | None = None
    bytes_per_px: float = 0.0

    def choose_engine(
        self, engine: Engine, spec: InputSpec, size_HW: tuple[int, int], *, where: str
    ) -> Engine:
        """`engine`, or for a large image its compact form where that takes much less memory.

        Raises:
            DataError: The image needs more memory than is free.
        """
        height, width = spec.network_size(size_HW)
        if height * width < LARGE_PX or engine.size_HW is not None:
            return engine
        free = find_free_bytes()
        if free is None:
            return engine
        chosen = self.engine or self._measure_both(engine, spec.channels)
        network = height * width * (4 * spec.channels + self.bytes_per_px)
        needed = network + size_HW[0] * size_HW[1] * _DECISION_BYTES
        if needed > free:
            raise DataError(
                f"{where}: {size_HW[0]:,} x {size_HW[1]:,} px (H, W) need "
                f"{needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; cut the image "
                f"into tiles (--tile) or make it smaller"
            )
        return chosen

    def _measure_both(self, engine: Engine, channels: int) -> Engine:
        self.engine, self.bytes_per_px = engine, measure_bytes_per_px(engine, channels)
        compact = engine.make_compact()
        if compact is not None:
            bytes_per_px = measure_bytes_per_px(compact, channels)
            if bytes_per_px < _WORTH_RATIO * self.bytes_per_px:
                self.engine, self.bytes_per_px = compact, bytes_per_px
        return self.engine


def measure_bytes_per_px(engine: Engine, channels: int) -> float:
    """Bytes per pixel of its input that an engine takes at its peak, beside the input."""
    engine(
        np.zeros((1, channels, _SMALL_PX, _SMALL_PX), np.float32)
    )  # gives back what it keeps
    x_BCHW = np.zeros((1, channels, _TRIAL_PX, _TRIAL_PX), np.float32)
    with measure_peak() as peak:
        logits_BKhw = engine(x_BCHW)
    return max(peak.num_bytes or 0, logits_BKhw.nbytes) / _TRIAL_PX**2


@contextmanager
def require_memory(file: Path, needs_bytes: int, threads: int) -> Iterator[None]:
    """Compare what an engine needs to open a file with what is free, and explain its failure.

    Without memory for a thread or its stack, ONNX Runtime 1.31 and torch 2.15 wait for ever or
    end the process, so that nothing can be caught: what is needed for certain must be free.

    Args:
        file: A graph or weights.
        needs_bytes: `NEEDS_BYTES` of the engine.
        threads: Of the engine.

    Raises:
        ConfigError: Too little is free, or the engine has found none.
    """
    needed, free = needs_bytes + threads * _STACK_BYTES, find_free_bytes()
    needed += _COPIES * file.stat().st_size
    left = "" if free is None else f", {free / 1e6:,.0f} MB are free"
    refusal = ConfigError(
        f"{file}: no memory is left to open it: an engine needs about {needed / 1e6:,.0f} MB "
        f"for that{left}; end other programs, raise the limit (ulimit -v), or use fewer "
        f"threads (--threads 1)"
    )
    if free is not None and free < needed:
        raise refusal
    try:
        yield
    except (MaskwrightError, MemoryError, RuntimeError, OSError, ImportError) as error:
        if is_out_of_memory(error):
            raise refusal from error
        raise


@contextmanager
def explain_memory(size_HW: tuple[int, int], where: str) -> Iterator[None]:
    """Turn a MemoryError on an image into a DataError that names it."""
    try:
        yield
    except MemoryError as error:
        height, width = size_HW
        raise DataError(
            f"{where}: {height} x {width} px (H, W) need more memory than is available; "
            f"cut the image into tiles (--tile) or make it smaller"
        ) from error
