"""List the architectures with their size, and measure their speed on this machine.

All figures are for one RGB image of 512 x 512 pixels and 19 classes in eval mode, each
architecture with its default encoder, default settings and random weights. An architecture that
fails is listed with its error; the others are not affected.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from maskwright.core import parts
from maskwright.core.card import ArchSpec
from maskwright.core.errors import UnknownNameError
from maskwright.core.progress import Progress, silent

from .any_size import AnySize
from .build import load_arch, new_model
from .licences import weights_licence
from .protocols import ARCHS

SIZE_HW = (512, 512)
NUM_CLASSES = 19
ENCODER = "mobilenet_v2"
"""Encoder of the architectures that support any."""

RUNS = 5
PROCESS = Path("/proc/self")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """Median time for one image, and peak memory with the weights.

    `cpu_ms` is the CPU time of the process over all cores: with one thread, it hardly depends
    on what else runs on the machine. `peak_memory_mb` is None where it cannot be measured: on a
    CPU without Linux.
    """

    device: str
    latency_ms: float
    cpu_ms: float
    peak_memory_mb: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One architecture and its figures.

    `flops` counts two per multiply-add of matrix products and convolutions. `error` is the
    reason why it could not be built (then there are no figures) or measured (then `measured` is
    None).
    """

    name: str
    encoder: str = ""
    num_parameters: int | None = None
    flops: int | None = None
    weights_licence: str = ""
    good_for: str = ""
    measured: ModelCost | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


def models(
    names: tuple[str, ...] = (), *, bench: bool = False, progress: Progress = silent
) -> tuple[ListedModel, ...]:
    """All architectures that `model.arch` can name, sorted by name, or those of `names`.

    Args:
        names: Files of `nn.archs`; empty: all.
        bench: Also measure time and memory, each architecture in a process of its own.
        progress: Called for each architecture.

    Raises:
        UnknownNameError: One of `names` is not an architecture.
    """
    known = parts.names(ARCHS)
    for name in names:
        if name not in known:
            raise UnknownNameError("model.arch", name, known)
    chosen = names or known
    entries = (_describe(name, bench=bench) for name in chosen)
    return tuple(progress(entries, total=len(chosen), what="models"))


def _describe(name: str, *, bench: bool) -> ListedModel:
    try:
        entry = _count(name)
    except Exception as error:  # noqa: BLE001  another package's part may raise anything
        return ListedModel(name=name, error=_summarise(error))
    if not bench:
        return entry
    try:
        return replace(entry, measured=_measure_in_process(name, entry.encoder))
    except BrokenProcessPool:
        return replace(entry, error="its process was killed (too little memory?)")
    except Exception as error:  # noqa: BLE001  what a process raised comes back as it was
        return replace(entry, error=_summarise(error))


def _count(name: str) -> ListedModel:
    encoder = (load_arch(name).ENCODERS or (ENCODER,))[0]
    network = _build_meta_network(name, encoder)
    try:
        flops = _count_flops(network)
    except (RuntimeError, NotImplementedError):  # autocast, for example, has no meta device
        flops = _count_flops(_build_network(name, encoder))
    return ListedModel(
        name=name,
        encoder=encoder,
        num_parameters=sum(p.numel() for p in network.parameters()),
        flops=flops,
        weights_licence=weights_licence(encoder),
        good_for=load_arch(name).GOOD_FOR,
    )


def _summarise(error: Exception) -> str:
    """Type and first line of the message."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def _build_network(name: str, encoder: str) -> AnySize:
    arch = ArchSpec(name=name, encoder=encoder)
    return new_model(arch, 3, NUM_CLASSES).eval().requires_grad_(False)


def _build_meta_network(name: str, encoder: str) -> AnySize:
    """The network on the meta device, where nothing is computed."""
    try:
        with torch.device("meta"):
            return _build_network(name, encoder)
    except (RuntimeError, NotImplementedError):
        return _build_network(name, encoder).to(
            "meta"
        )  # a library that computes while it builds


def _count_flops(network: AnySize) -> int:
    device = next(network.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, *SIZE_HW, device=device))
    return int(counter.get_total_flops())


def _measure_in_process(name: str, encoder: str) -> ModelCost:
    """Measure in a new process: its peak memory contains no earlier network."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, name, encoder).result()


def _measure(name: str, encoder: str) -> ModelCost:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    before = _start_counting(device)
    network = _build_network(name, encoder).to(device)
    x_BCHW = torch.rand(1, 3, *SIZE_HW, device=device)
    with torch.inference_mode():
        runs = [_time_ms(network, x_BCHW) for _ in range(RUNS + 1)]
    latency_ms, cpu_ms = (round(median(times), 2) for times in zip(*runs[1:], strict=True))
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else _process_bytes("VmHWM")
    return ModelCost(
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        latency_ms=latency_ms,
        cpu_ms=cpu_ms,
        peak_memory_mb=None if peak is None or before is None else (peak - before) / 1e6,
    )


def _time_ms(network: AnySize, x_BCHW: Tensor) -> tuple[float, float]:
    """Wall-clock time and CPU time of one forward pass."""
    started_s, cpu_s = time.perf_counter(), time.process_time()
    network(x_BCHW)
    if x_BCHW.is_cuda:
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started_s), 1000 * (time.process_time() - cpu_s)


def _start_counting(device: str) -> int | None:
    """Reset the peak of the memory in use; return the bytes in use now."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if not PROCESS.is_dir():
        return None
    try:
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")
    except OSError:  # a sandbox may forbid it: the peak would contain the time before
        return None
    return _process_bytes("VmRSS")


def _process_bytes(what: str) -> int | None:
    """Memory of this process by a name of /proc, such as VmRSS; None without /proc."""
    if not PROCESS.is_dir():
        return None
    lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(what))
    return 1024 * int(kilobytes)
