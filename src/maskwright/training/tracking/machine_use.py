"""Use of the machine while a run trains: processor, memory and, with CUDA, the GPU.

Shares are of 1 and of the whole machine, as `top` and `nvidia-smi` show them: what other
programs take counts.
"""

import ctypes
import math
import time
from dataclasses import dataclass, field
from typing import Any, Self

import psutil
import torch

SAMPLE_EVERY_S = 0.5
"""The GPU's share that its driver gives covers up to a second before it is read."""


class Gpu:
    """One NVIDIA GPU, read through the library of its driver (NVML)."""

    def __init__(self, library: Any, handle: ctypes.c_void_p) -> None:
        self.library = library
        self.handle = handle

    @classmethod
    def open(cls, device: torch.device) -> Self | None:
        """The GPU of a CUDA device; None for other devices, and without the library."""
        if device.type != "cuda" or torch.version.cuda is None:
            return None
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return None
        handle, name = ctypes.c_void_p(), f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        found = library.nvmlInit_v2() == 0 and not library.nvmlDeviceGetHandleByUUID(
            name.encode(), ctypes.byref(handle)
        )
        return cls(library, handle) if found else None

    def read_share(self) -> float:
        """Share of the last moments in which the GPU was busy; NaN where it is not told."""
        rates = (ctypes.c_uint * 2)()  # nvmlUtilization_t: percent of the GPU, of its memory
        failed = self.library.nvmlDeviceGetUtilizationRates(self.handle, ctypes.byref(rates))
        return math.nan if failed else rates[0] / 100


@dataclass(slots=True)
class MachineUse:
    """Means of the use of the machine between two readings."""

    device: torch.device
    gpu: Gpu | None = None
    _sampled_s: float = 0.0
    _shares: list[float] = field(default_factory=list)

    @classmethod
    def start(cls, device: torch.device) -> Self:
        """Begin to observe."""
        psutil.cpu_percent()
        return cls(device, Gpu.open(device))

    def sample(self) -> None:
        """Note how busy the GPU is, at most twice a second; to be called after each step."""
        if self.gpu is not None and time.monotonic() - self._sampled_s >= SAMPLE_EVERY_S:
            self._shares.append(self.gpu.read_share())
            self._sampled_s = time.monotonic()

    def read(self) -> dict[str, float]:
        """Shares since the last reading, by the names of columns of `history.StepPoint`."""
        memory = psutil.virtual_memory()
        use = {"cpu": psutil.cpu_percent() / 100, "memory": 1 - memory.available / memory.total}
        if self.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.device)
            use["gpu_memory"] = 1 - free / total
        if self._shares:
            use["gpu"] = sum(self._shares) / len(self._shares)
            self._shares.clear()
        return use
