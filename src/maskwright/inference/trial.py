"""Trial: a graph that was not made on this machine runs first in a child process.

A graph is code: it may loop for ever or fill the memory. The child has a limit of time and one
of memory, and runs the graph once, on a small image of zeros. A graph that passes is trusted
from then on (`core.trust`); one that the user names by its SHA-256 needs no trial. A graph of
int8 must also give the logits that its Bundle keeps: without instructions for it (VNNI), some
CPUs add its products in 16 bits, which overflow in silence.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core import parts
from ..core.bundle import Bundle, open_bundle
from ..core.errors import BundleError, MaskwrightError
from ..core.trust import is_trusted, remember
from .engine import ENGINES, Engine, EngineOptions, EnginePart
from .machine import Machine
from .parity import verify

SIZE_HW = (64, 96)
CPU_S, WALL_S = 30, 180
"""Limits of the child: a busy machine gives it less processor time than the clock shows."""

MEMORY_BYTES = 4 << 30
"""For the child beside four times the size of the graph."""

_OUT_OF_MEMORY = 3
_LESS_EQUAL = 0.05
"""By so much the share of equal pixels of int8 may be below that where it was made: crops that
the Bundle keeps are fewer than the images there."""


def require_trial(bundle: Bundle, graph: str, engine: str, trust: str | None) -> None:
    """Run a graph of a Bundle in a child process, unless it is trusted.

    Args:
        bundle: Opened, so that the SHA-256 of its files are right.
        graph: Name of the file.
        engine: Name of the engine that is to run it.
        trust: The SHA-256 that `--trust` gives.

    Raises:
        BundleError: The graph fails, or needs more time or memory than the limits.
    """
    sha256 = bundle.sha256[graph]
    if is_trusted("graph", sha256, trust):
        return
    run_trial(["-m", __name__, str(bundle.root), graph, engine], bundle.root / graph, sha256)


def run_trial(arguments: Sequence[str], graph: Path, sha256: str) -> None:
    """Run Python with arguments that run a graph once, and list the graph as trusted.

    Raises:
        BundleError: The graph fails, or needs more time or memory than the limits.
    """
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"ran for more than {WALL_S} s"
    else:
        if done.returncode == 0:
            remember("graph", sha256)
            return
        if done.returncode == 1:
            raise BundleError(done.stderr.strip())
        reason = _explain(done.returncode)
    raise BundleError(
        f"{graph}: was not made on this machine and {reason} on an image of "
        f"{SIZE_HW[0]} x {SIZE_HW[1]} px (H, W); do not use it, or, if you know where it comes "
        f"from, run it without limits by --trust {sha256}"
    )


def _explain(status: int) -> str:
    if status == _OUT_OF_MEMORY:
        return f"needs more than {MEMORY_BYTES >> 30} GiB of memory"
    if sys.platform != "win32":
        import signal

        if status in {-signal.SIGXCPU, -signal.SIGKILL}:
            return f"ran for more than {CPU_S} s"
    return f"ends the program that runs it (exit status {status})"


def answer(run: Callable[[], None]) -> None:
    """End this process with the exit status that says how `run` went, for `run_trial`."""
    try:
        run()
    except MaskwrightError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except MemoryError:
        sys.exit(_OUT_OF_MEMORY)


def _run(root: Path, graph: str, engine: str) -> None:
    bundle = open_bundle(root)
    file = bundle.file(graph)
    part = parts.load(ENGINES, engine, like=EnginePart)
    limit_process(file)
    run = part.build(file, bundle.card, EngineOptions(threads=1))
    height, width = run.size_HW or (side + -side % run.size_multiple for side in SIZE_HW)
    run(np.zeros((1, bundle.card.input.channels, height, width), np.float32))
    _require_int8(bundle, graph, run)


def _require_int8(bundle: Bundle, file: str, run: Engine) -> None:
    """Require that a graph of int8 computes here what it computed where it was made.

    Raises:
        BundleError: It does not.
    """
    graph = next((one for one in bundle.graphs if one.file == file), None)
    if graph is None or graph.precision != "int8":
        return
    if graph.parity is None or bundle.parity_inputs is None:
        return
    needed = max(
        graph.tolerance.equal_pixel_share, graph.parity.equal_pixel_share - _LESS_EQUAL
    )
    instructions = ", ".join(Machine.detect().instructions) or "no extensions"
    verify(bundle, run).require_agreement(
        replace(graph.tolerance, equal_pixel_share=needed),
        graph=f"{bundle.root / file}: on this CPU ({instructions}) the graph of int8",
        fix="CPUs without VNNI instructions may overflow in int8: use --precision fp32, or "
        "export int8 again on this machine",
    )


def limit_process(file: Path) -> None:
    """Limit processor time and memory of this process, where the system can, for a graph."""
    if sys.platform != "win32":
        import resource

        num_bytes = MEMORY_BYTES + 4 * file.stat().st_size
        for kind, limit in (
            (resource.RLIMIT_CPU, CPU_S),
            (resource.RLIMIT_DATA, num_bytes),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    answer(partial(_run, Path(sys.argv[1]), *sys.argv[2:4]))
