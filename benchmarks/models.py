"""`maskwright bench --archs all`, as a table: models.md, out of models.json.

    OMP_NUM_THREADS=1 python benchmarks/models.py [NAMES...]

Measures the architectures named, or all, and keeps what the table has of the others: it can be
made in parts. How busy the machine was is written with each figure.
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from maskwright.core import parts
from maskwright.core.atomic import write_text
from maskwright.nn.catalogue import RUNS, models
from maskwright.nn.protocols import ARCHS

HERE = Path(__file__).parent
NUM_CORES = len(os.sched_getaffinity(0))

CONDITIONS = (
    "One RGB image of 512 x 512, 19 classes, default encoder and settings, random weights, "
    f"PyTorch without compilation; median of {RUNS} after one to warm up. Each is measured in "
    "a process of its own; MB is its peak over what it held before the network was made. A "
    "multiply-add counts as 2 FLOPs."
)

Json = dict[str, Any]


def main(names: tuple[str, ...]) -> None:
    """Measure, and after each architecture write both files again."""
    path = HERE / "models.json"
    known = json.loads(path.read_text()) if path.exists() else {"models": {}}
    for name in names or parts.names(ARCHS):
        busy = os.getloadavg()[0]
        (entry,) = models((name,), bench=True)
        known["machine"] = machine()
        known["models"][name] = entry.to_json() | {"load_before": round(busy, 1)}
        print(row(known["models"][name]), flush=True)
        write_text(path, json.dumps(known, indent=1, sort_keys=True) + "\n")
        write_text(HERE / "models.md", table(known))


def machine() -> str:
    """Cores, processor, versions and threads."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    return (
        f"{NUM_CORES} cores, {model}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), "
        f"{datetime.now(UTC):%Y-%m-%d}"
    )


def table(known: Json) -> str:
    """models.md."""
    lines = [
        "# Architectures: size, time, memory",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/models.py`; {known['machine']}.",
        "",
        CONDITIONS,
        "",
        beside(known),
        "",
        "| name | encoder | Mparam | GFLOPs | CPU ms | ms | MB | load |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
        *(row(known["models"][name]) for name in sorted(known["models"])),
    ]
    return "\n".join(lines) + "\n"


def beside(known: Json) -> str:
    """How far the figures can be trusted."""
    loads = [entry["load_before"] for entry in known["models"].values()]
    return (
        f"Other programs ran beside it: before each the load was {min(loads)} to {max(loads)} "
        f"on {NUM_CORES} cores, so *ms* is what a busy machine takes and tells little. *CPU "
        "ms* is the time that the processor worked on it; its caches were shared all the same."
    )


def row(entry: Json) -> str:
    """One line; the error of an architecture that failed in place of its figures."""
    found = entry["measured"]
    if not found:
        return f"| {entry['name']} | {entry['encoder']} | {entry['error']} | | | | | |"
    memory_mb = found["peak_memory_mb"]
    cells = (
        entry["name"],
        entry["encoder"],
        f"{entry['num_parameters'] / 1e6:.2f}",
        f"{entry['flops'] / 1e9:.1f}",
        f"{found['cpu_ms']:.0f}",
        f"{found['latency_ms']:.0f}",
        "-" if memory_mb is None else f"{memory_mb:.0f}",
        f"{entry['load_before']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
