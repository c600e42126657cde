"""How busy the graphics processors of a machine are, by the library of NVIDIA's driver.

Functions and structures of NVML, https://docs.nvidia.com/deploy/nvml-api. The library comes
with the driver: nothing else has to be installed, and a machine without it has no GPUs here.
"""

import ctypes
from dataclasses import dataclass
from typing import Any, Self

_LIBRARY = "libnvidia-ml.so.1"


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_ulonglong) for name in ("total", "free", "used"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """The share of time, 0 to 1, in which a GPU worked lately, and its memory."""

    index: int
    busy: float
    used_bytes: int
    total_bytes: int


class Gpus:
    """The GPUs of this machine; `library` is NVML, None where there is none."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._handles = [] if library is None else _find_handles(library)

    @classmethod
    def open(cls) -> Self:
        """Those of the driver that is installed here."""
        try:
            return cls(ctypes.CDLL(_LIBRARY))
        except OSError:
            return cls(None)

    def measure(self) -> list[GpuUse]:
        """The use of each GPU now; one that does not say it is left out."""
        found = []
        for index, handle in self._handles:
            use, memory = _Utilization(), _Memory()
            failed = self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(use))
            if failed or self._library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
                continue
            found.append(
                GpuUse(
                    index=index,
                    busy=use.gpu / 100,
                    used_bytes=memory.used,
                    total_bytes=memory.total,
                )
            )
        return found


def _find_handles(library: Any) -> list[tuple[int, ctypes.c_void_p]]:
    """Each GPU by its index; functions give 0 where they succeed."""
    number, found = ctypes.c_uint(), []
    if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(number)):
        return []
    for index in range(number.value):
        handle = ctypes.c_void_p()
        if not library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
            found.append((index, handle))
    return found
