"""What of a machine decides how fast a network runs on it."""

import os
import platform
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from ..core.threads import count_cores
from ..core.versions import versions_of

_CPUINFO = Path("/proc/cpuinfo")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_PACKAGES = ("maskwright", "numpy", "onnxruntime", "openvino", "torch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`processor` is the name of the CPU, `instructions` its extensions for networks.

    `load` is the mean number of processes that were running in the last minute, before the
    measurement; None where the system does not tell it.
    """

    platform: str
    processor: str
    instructions: tuple[str, ...]
    cores: int
    load: float | None
    versions: dict[str, str]

    @classmethod
    def detect(cls) -> Self:
        """This machine, now."""
        text = ""
        with suppress(OSError):
            text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
        name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
        flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
        known = set(flags[1].split()) if flags else set()
        return cls(
            platform=platform.platform(),
            processor=name[1] if name else platform.machine(),
            instructions=tuple(flag for flag in _FLAGS if flag in known),
            cores=count_cores(),
            load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            versions=versions_of(_PACKAGES),
        )

    def to_json(self) -> dict[str, object]:
        """A flat object, beside `versions`."""
        return asdict(self)

    def __str__(self) -> str:
        load = "" if self.load is None else f", load {self.load:g}"
        instructions = " ".join(self.instructions) or "no extensions known"
        return f"{self.processor} ({instructions}), {self.cores} cores{load}"
