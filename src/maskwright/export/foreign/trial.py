"""Trial of a foreign graph in a process with limits, see `inference.trial`."""

import sys
from functools import partial
from pathlib import Path

from ...core.trust import hash_file, is_trusted
from ...inference.trial import SIZE_HW, answer, limit_process, run_trial
from .detection import find_input, make_noise
from .inputfile import read_input_file
from .original import Original


def require_trial(graph: Path, input_file: Path, trust: str | None) -> None:
    """Run a graph in a child process, unless it is trusted.

    Raises:
        BundleError: It fails, or needs more time or memory than the limits.
    """
    sha256 = hash_file(graph)
    if not is_trusted("graph", sha256, trust):
        run_trial(["-m", __name__, str(graph), str(input_file)], graph, sha256)


def _run(graph: Path, input_file: Path) -> None:
    limit_process(graph)
    original = Original.open(graph)
    taken = find_input(original, read_input_file(input_file), input_file)
    size_HW = taken.size_HW or (4 * SIZE_HW[0], 4 * SIZE_HW[0])
    original.run(taken.arrange(make_noise(taken, size_HW)))


if __name__ == "__main__":
    answer(partial(_run, Path(sys.argv[1]), Path(sys.argv[2])))
