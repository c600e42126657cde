"""The environment that the package runs in: versions, extras, devices, threads and memory.

It is described without torch too, which is imported where it is installed.
"""

import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maskwright.core.memory import find_free_bytes
from maskwright.pages.text import format_count

PACKAGE = "maskwright"
_EXTRA = re.compile(r"([\w.-]+).*extra == ['\"](?!all|dev)(\w+)")
_BASE = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def describe_environment() -> dict[str, object]:
    """Describe the environment as a JSON object.

    `torch` is None where it is not installed, `free_memory_bytes` where it is unknown. `extras`
    has, for each extra, its packages with their versions, None for one that is missing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "maskwright": version(PACKAGE),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": cores,
        "threads": {name: os.environ[name] for name in _THREADS if name in os.environ},
        "free_memory_bytes": find_free_bytes(),
        "free_disk_bytes": shutil.disk_usage(Path.cwd()).free,
        "packages": {name: _find_version(name) for name in _BASE},
        "torch": _describe_torch(),
        "extras": _list_extras(),
    }


def list_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The environment as lines of text."""
    yield f"maskwright {found['maskwright']}, Python {found['python']}, {found['platform']}"
    threads = ", ".join(f"{k}={v}" for k, v in found["threads"].items()) or "not limited"
    yield f"cores      {found['cores']} ({found['processor']}), threads: {threads}"
    memory = found["free_memory_bytes"]
    shown = "unknown" if memory is None else f"{memory / 1e9:.1f} GB"
    yield f"free       memory {shown}, disk {found['free_disk_bytes'] / 1e9:.1f} GB"
    yield "packages   " + ", ".join(f"{k} {v or '-'}" for k, v in found["packages"].items())
    torch = found["torch"]
    if torch is None:
        yield "torch      not installed: pip install 'maskwright[train]'"
    else:
        cuda = f"CUDA {torch['cuda']}" if torch["cuda"] else "without CUDA"
        devices = ", ".join(torch["devices"]) or "no GPU"
        threads = format_count(torch["threads"], "thread")
        yield f"torch      {torch['version']}, {cuda}, {devices}, {threads}"
    for extra, packages in found["extras"].items():
        lacking = [name for name, number in packages.items() if number is None]
        state = f"missing: {', '.join(lacking)}" if lacking else "installed"
        yield f"{extra:<10} {state}"


def _describe_torch() -> dict[str, object] | None:
    if find_spec("torch") is None:
        return None
    import torch

    gpus = range(torch.cuda.device_count())
    return {
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
        "devices": [torch.cuda.get_device_name(index) for index in gpus],
        "threads": torch.get_num_threads(),
    }


def _list_extras() -> dict[str, dict[str, str | None]]:
    extras: dict[str, dict[str, str | None]] = {}
    for requirement in requires(PACKAGE) or ():
        if match := _EXTRA.match(requirement):
            extras.setdefault(match[2], {})[match[1]] = _find_version(match[1])
    return dict(sorted(extras.items()))


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
