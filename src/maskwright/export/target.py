"""Target: what each file in `export/targets` offers."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ..core.errors import ConfigError, MissingDependencyError
from ..core.graph import Tolerance
from ..inference.engine import read_precision
from .network import Network

TARGETS = "maskwright.export.targets"


class Target(Protocol):
    """Writes the graph of a network in one file format."""

    FILE: str
    """Name of the graph in a Bundle, at the first precision of `TOLERANCES`."""

    ENGINE: str
    """The part of `inference.engines` that runs the graph, else what runs it elsewhere."""

    RUNS_HERE: bool = True
    """Whether ENGINE is such a part; other graphs are written with `unverified` alone."""

    HAS_FIXED_SIZE: bool = False
    """Whether a graph is written for one image of one size; other graphs take any."""

    TOLERANCES: Mapping[str, Tolerance] = {"fp32": Tolerance()}
    """The precisions that can be written, each with what parity allows; the default first."""

    def missing(self) -> MissingDependencyError | None:
        """The package that must be installed first; None where the target is available."""
        return None

    @abstractmethod
    def write(
        self,
        network: Network,
        path: Path,
        precision: str,
        *,
        size_HW: tuple[int, int] | None = None,
    ) -> tuple[str, ...]:
        """Write the graph, and return the names of its outputs (see `core.graph.Graph`).

        Args:
            network: With the weights to write.
            path: A file that does not exist yet.
            precision: A key of `TOLERANCES`.
            size_HW: Of the image that the graph takes, where `HAS_FIXED_SIZE`; None for
                `fixedsize.DEFAULT_HW`. Other targets get None.

        Raises:
            ConfigError: The network cannot be written in this format.
        """

    def list_scripts(self, _file: str, _network: Network, _precision: str) -> Mapping[str, str]:
        """Texts to write beside the graph `file` by their names: for machines elsewhere."""
        return {}


def choose_precision(target: Target, precision: str | None) -> str:
    """`precision` if the target writes it; the target's default for None.

    Raises:
        ConfigError: The target does not write this precision.
    """
    known = tuple(target.TOLERANCES)
    precision = read_precision(precision)
    if precision is None:
        return known[0]
    if precision not in known:
        raise ConfigError(
            f"precision {precision!r} cannot be written to {target.FILE}; use one of "
            f"{', '.join(known)}"
        )
    return precision


def name_file(target: Target, precision: str) -> str:
    """Name of the graph in a Bundle: `model.onnx`, at another precision `model.fp16.onnx`."""
    if precision == next(iter(target.TOLERANCES)):
        return target.FILE
    path = Path(target.FILE)
    return f"{path.stem}.{precision}{path.suffix}"
