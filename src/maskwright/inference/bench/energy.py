"""Energy of the processors, where the machine tells it.

Linux has a counter of microjoules for each package of Intel and AMD,
https://docs.kernel.org/power/powercap/powercap.html. It counts all that runs there, and most
systems let root alone read it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

_POWERCAP = Path("/sys/class/powercap")
_PACKAGES = "intel-rapl:[0-9]"
"""One folder per package, also of AMD; parts of a package have another colon."""


@dataclass(frozen=True, slots=True)
class EnergyMeter:
    """The counters of all packages; each starts again at 0 above its `wraps_uj`."""

    counters: tuple[Path, ...]
    wraps_uj: tuple[int, ...]

    @classmethod
    def open(cls, root: Path = _POWERCAP) -> Self | None:
        """The meter of this machine; None where there is none that may be read."""
        folders = sorted(root.glob(_PACKAGES))
        try:
            wraps = tuple(_read(folder / "max_energy_range_uj") for folder in folders)
            meter = cls(tuple(folder / "energy_uj" for folder in folders), wraps)
            meter.read_uj()
        except (OSError, ValueError):
            return None
        return meter if folders else None

    def read_uj(self) -> tuple[int, ...]:
        """The counters now."""
        return tuple(_read(path) for path in self.counters)

    def count_joules(self, before_uj: tuple[int, ...]) -> float:
        """The energy since the counters were at `before_uj`, in J."""
        now = zip(before_uj, self.read_uj(), self.wraps_uj, strict=True)
        return sum((after - before) % (wrap + 1) for before, after, wrap in now) / 1e6


def _read(path: Path) -> int:
    return int(path.read_text())
