"""What architectures there are, how large each is, and how fast it is on this machine.

All figures are of one RGB image of 512 x 512 and 19 classes, in evaluation mode, each
architecture on its default encoder with its default settings, from random weights. One that
fails is listed with what it failed by, and takes no other's figures with it.
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
from maskwright.core.errors import UnknownNameError
from maskwright.core.progress import Progress, silent

from .any_size import AnySize
from .build import load_arch, new_model
from .licences import weights_licence
from .protocols import ARCHS

SIZE_HW = (512, 512)
NUM_CLASSES = 19
ENCODER = "mobilenet_v2"
"""Where an architecture takes any."""

RUNS = 5
PROCESS = Path("/proc/self")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Median time of one image, and what memory it took at most, weights included.

    `cpu_ms` is the time that the process had of all its cores: with one thread that of a quiet
    machine, however many programs run beside it. The memory is None where it cannot be
    counted: without a GPU, off Linux.
    """

    device: str
    latency_ms: float
    cpu_ms: float
    peak_memory_mb: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One architecture. `flops` counts two for each multiply-add of the matrix products.

    `error` says by what it failed: where it cannot be built there are no figures at all, where
    it could not be measured there is no `measured`.
    """

    name: str
    encoder: str = ""
    num_parameters: int | None = None
    flops: int | None = None
    weights_licence: str = ""
    good_for: str = ""
    measured: Measured | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


def models(
    names: tuple[str, ...] = (), *, bench: bool = False, progress: Progress = silent
) -> tuple[ListedModel, ...]:
    """Every architecture that `model.arch` can name, by name, or those of `names`.

    Args:
        names: Parts of `nn.archs`; all where there are none.
        bench: Also measure time and memory here; each part in a process of its own.
        progress: Told of each part.

    Raises:
        UnknownNameError: One of `names` is no architecture.
    """
    known = parts.names(ARCHS)
    for name in names:
        if name not in known:
            raise UnknownNameError("model.arch", name, known)
    wanted = names or known
    entries = (_describe(name, bench=bench) for name in wanted)
    return tuple(progress(entries, total=len(wanted), what="models"))


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
        return replace(entry, error="its process was killed; is there too little memory?")
    except Exception as error:  # noqa: BLE001  what a process raised comes back as it was
        return replace(entry, error=_summarise(error))


def _count(name: str) -> ListedModel:
    encoder = (load_arch(name).ENCODERS or (ENCODER,))[0]
    network = _build_meta_network(name, encoder)
    try:
        flops = _count_flops(network)
    except (RuntimeError, NotImplementedError):  # autocast, for one, knows no device of shapes
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
    """Its kind and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def _build_network(name: str, encoder: str) -> AnySize:
    arch = {"name": name, "encoder": encoder, "config": {}}
    return new_model(arch, 3, NUM_CLASSES).eval().requires_grad_(False)


def _build_meta_network(name: str, encoder: str) -> AnySize:
    """On the meta device, where nothing is computed."""
    try:
        with torch.device("meta"):
            return _build_network(name, encoder)
    except (RuntimeError, NotImplementedError):
        return _build_network(name, encoder).to("meta")  # a library computes while it builds


def _count_flops(network: AnySize) -> int:
    device = next(network.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, *SIZE_HW, device=device))
    return int(counter.get_total_flops())


def _measure_in_process(name: str, encoder: str) -> Measured:
    """In a fresh process, whose memory no earlier network has raised."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, name, encoder).result()


def _measure(name: str, encoder: str) -> Measured:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    before = _start_counting(device)
    network = _build_network(name, encoder).to(device)
    x_BCHW = torch.rand(1, 3, *SIZE_HW, device=device)
    with torch.inference_mode():
        runs = [_time_ms(network, x_BCHW) for _ in range(RUNS + 1)]
    latency_ms, cpu_ms = (round(median(times), 2) for times in zip(*runs[1:], strict=True))
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else _process_bytes("VmHWM")
    return Measured(
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        latency_ms=latency_ms,
        cpu_ms=cpu_ms,
        peak_memory_mb=None if peak is None or before is None else (peak - before) / 1e6,
    )


def _time_ms(network: AnySize, x_BCHW: Tensor) -> tuple[float, float]:
    """By the clock, and of all cores."""
    started_s, cpu_s = time.perf_counter(), time.process_time()
    network(x_BCHW)
    if x_BCHW.is_cuda:
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started_s), 1000 * (time.process_time() - cpu_s)


def _start_counting(device: str) -> int | None:
    """Bytes in use now; from here on the peak is counted anew."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if not PROCESS.is_dir():
        return None
    try:
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")
    except OSError:  # a sandbox may forbid it; then the peak is not this network's
        return None
    return _process_bytes("VmRSS")


def _process_bytes(what: str) -> int | None:
    """Of this process, as Linux counts it; None elsewhere."""
    if not PROCESS.is_dir():
        return None
    lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(what))
    return 1024 * int(kilobytes)
