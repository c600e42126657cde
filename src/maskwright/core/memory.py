"""Memory of this process and of this machine, read from Linux; None where it is not known."""

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_STATUS, _PEAK_RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")
_KEPT_BYTES, _KEPT_BLOCK_BYTES = (1 << 31) - 1, 1 << 30
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt, <malloc.h> of glibc."""

_NO_MEMORY = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "can't alloc",
    "resource temporarily unavailable",
    "failed to map segment",
)
"""Words of torch, ONNX Runtime, OpenVINO, the system (a thread that does not start too), and
of a library that is not loaded."""


def find_free_bytes() -> int | None:
    """Bytes that this process can still take, by the machine, its control group and ulimit."""
    free = _read_field(_MEMINFO, "MemAvailable")
    if free is None:
        return None
    limits = (_find_free_of_group(), _find_free_of_process())
    return min([free, *(limit for limit in limits if limit is not None)])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is exhausted; libraries raise many kinds for it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(part in text for part in _NO_MEMORY)


def _find_free_of_group() -> int | None:
    limit, used = (_read_number(_GROUP / f"memory.{name}") for name in ("max", "current"))
    if limit is None or used is None:
        return None
    return limit - used + (_read_field(_GROUP / "memory.stat", "inactive_file", unit=1) or 0)


def _find_free_of_process() -> int | None:
    """What `ulimit -v` leaves."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _read_field(_STATUS, "VmSize")
    return None if limit == resource.RLIM_INFINITY or used is None else limit - used


@dataclass(slots=True)
class PeakMemory:
    """Bytes that a block took at its peak beyond what the process had; None if unknown."""

    num_bytes: int | None = None


@contextmanager
def measure_peak() -> Iterator[PeakMemory]:
    """Measure the block; needs no second process, and works on Linux alone."""
    peak = PeakMemory()
    _return_freed_memory()
    before = _read_field(_STATUS, "VmRSS") if _forget_peak() else None
    yield peak
    after = _read_field(_STATUS, "VmHWM")
    if before is not None and after is not None:
        peak.num_bytes = max(0, after - before)


def keep_freed_memory() -> None:
    """Let this process use memory again that it freed, up to 2 GiB, rather than return it.

    A network frees what it computes between its layers. By its defaults, glibc returns large
    blocks to the system, which clears each of their pages when it gives them out again: at 1024
    x 2048 px that took twice as long as the network itself. It is for programs, which own their
    process. Blocks from 256 MiB on are returned as ever, and other systems ignore the call.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _KEPT_BLOCK_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_ARENA_MAX, 1)  # those of other threads cannot hold such blocks


def _return_freed_memory() -> None:
    """Give memory that was freed back to the system: a block that takes it again shows none."""
    with suppress(OSError, AttributeError, TypeError):  # glibc alone has the function
        ctypes.CDLL(None).malloc_trim(0)


def _forget_peak() -> bool:
    """Begin a new peak of this process; False where the system cannot."""
    with suppress(OSError):
        _PEAK_RESET.write_text("5", encoding="ascii")
        return True
    return False


def _read_field(path: Path, name: str, *, unit: int = 1024) -> int | None:
    """A number of a file with lines of names and numbers, in bytes."""
    with suppress(OSError):
        match = re.search(rf"^{name}:?\s+(\d+)", path.read_text(encoding="ascii"), re.MULTILINE)
        return None if match is None else int(match[1]) * unit
    return None


def _read_number(path: Path) -> int | None:
    """The number in a file; None where there is no file, or no limit ("max")."""
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None
