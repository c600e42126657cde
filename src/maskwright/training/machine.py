"""This machine: its device, its processes, and measured times of training and validation."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import parse_flag_from_env

from maskwright.core.errors import ConfigError
from maskwright.nn.bf16 import has_bf16
from maskwright.nn.build import new_model
from maskwright.nn.loss import LossFunction, build_loss
from maskwright.nn.memory_format import use_channels_last

from .optim import MovingAverage, make_optimizer
from .recipe import Recipe
from .samples.loader import Batch, Normalize
from .teachers import Distillation

REFERENCE_S = 0.16
"""Seconds of the work of `start_slowness` on the machine where exports were timed."""

NUM_PIECES = 6

WAITING = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, nanoseconds waiting for one, turns (proc(5) of Linux)."""


UNTESTED = {"mps": "Apple's MPS", "xpu": "Intel's XPU"}
"""Devices that Accelerate trains on, and on which no training of this package was tested."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Device ("cuda", "cpu", "mps" or "xpu"), its name, processor cores and bytes of memory.

    GPUs of AMD (ROCm) are "cuda" in torch, with `is_rocm`. `has_bf16` is False for a CPU
    without instructions for bfloat16.
    """

    device: str
    name: str
    cores: int
    memory_bytes: int
    is_rocm: bool = False
    has_bf16: bool = True

    @classmethod
    def detect(cls) -> "Machine":
        """Describe the device of the training loop: that of `use_device`, or Accelerate's."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        device, memory = get_processes().device, _count_memory()
        if device.type == "cuda":
            gpu = torch.cuda.get_device_properties(device)
            is_rocm = torch.version.hip is not None
            return cls("cuda", gpu.name, cores, gpu.total_memory, is_rocm=is_rocm)
        if device.type == "xpu":
            xpu = torch.xpu.get_device_properties(device)
            return cls("xpu", xpu.name, cores, xpu.total_memory)
        name = device.type.upper()
        return cls(device.type, name, cores, memory, has_bf16=has_bf16(device.type))

    @property
    def planned_as(self) -> Literal["cpu", "cuda"]:
        """The device whose numbers the plan takes: CUDA stands for all GPUs."""
        return "cpu" if self.device == "cpu" else "cuda"

    def __str__(self) -> str:
        kind = "cuda (ROCm)" if self.is_rocm else self.device
        text = f"{kind}, {self.name}" if self.name.lower() != self.device else kind
        text += f", {self.memory_bytes / 2**30:.0f} GiB, {self.cores} cores"
        untested = "AMD's ROCm" if self.is_rocm else UNTESTED.get(self.device)
        if untested is None:
            return text
        return f"{text}; training on {untested} is untested: compare the loss with --device cpu"

    def wait(self) -> None:
        """Wait until the device has done what it was asked."""
        if self.device != "cpu":
            torch.accelerator.synchronize()


def _count_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def use_device(device: str | None) -> None:
    """Train on `device`: "cpu", "cuda", "cuda:N", "mps" or "xpu"; None: a GPU if there is one.

    What Accelerate keeps from an earlier run in this process is forgotten.

    Raises:
        ConfigError: There is no such device, or `accelerate launch` has chosen the devices.
    """
    AcceleratorState._reset_state()
    if "LOCAL_RANK" in os.environ:
        if device is not None:
            raise ConfigError("--device: accelerate launch chooses the devices; leave it out")
        return
    PartialState._reset_state()
    kind, _, index = (device or "").partition(":")
    if kind == "cpu" and not index:
        PartialState(cpu=True)
    elif kind == "cuda" and (index.isdecimal() or not index):
        number = int(index or 0)
        if number >= torch.cuda.device_count():
            raise ConfigError(
                f"--device {device}: torch finds {torch.cuda.device_count()} GPUs with CUDA; "
                f"use --device cpu, or see `maskwright env`"
            )
        torch.cuda.set_device(number)
        PartialState().device = torch.device("cuda", number)
    elif kind in UNTESTED and not index:
        if not _has_device(kind):
            raise ConfigError(
                f"--device {kind}: torch finds no device of {UNTESTED[kind]}; use --device "
                f"cpu, or see `maskwright env`"
            )
        PartialState().device = torch.device(kind)
    elif device is not None:
        raise ConfigError(
            f"--device {device!r}: expected cpu, cuda or cuda:N, such as cuda:1, mps or xpu"
        )


def _has_device(kind: str) -> bool:
    return torch.backends.mps.is_available() if kind == "mps" else torch.xpu.is_available()


def get_processes() -> PartialState:
    """The processes that train together; several on a CPU too.

    Accelerate reads ACCELERATE_USE_CPU only when an Accelerator is made; by then it has
    decided that each process is alone.
    """
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def measure_step_seconds(
    recipe: Recipe,
    num_classes: int,
    machine: Machine,
    *,
    num_steps: int = 5,
    limit_s: float = math.inf,
) -> float:
    """Measure the seconds of one optimizer step of `recipe` on random pixels.

    The median, without the first step: a long run does not keep the pace of the fastest. No
    step begins after `limit_s`; where there was time for one alone, that one counts.

    Raises:
        torch.OutOfMemoryError: The step does not fit.
    """
    torch.manual_seed(0)
    model = new_model(
        recipe.model.graph,
        recipe.input.channels,
        num_classes,
        checkpointing=recipe.model.checkpointing,
        revision=recipe.model.revision or None,
    )
    model = use_channels_last(model.to(machine.device))
    optimizer = make_optimizer(model, recipe.optim)
    loss_function = build_loss(recipe.loss.sum, recipe.loss.config, None)
    normalize = Normalize.of_recipe(recipe).to(machine.device)
    distillation = Distillation.open(recipe, model, machine.device)
    shape = (recipe.data.batch_size, *recipe.data.crop_px, recipe.input.channels)
    image = torch.randint(recipe.input.max_value, shape, device=machine.device)
    labels = image[..., 0] % num_classes
    average = MovingAverage(model, recipe.optim.ema_decay)
    seconds: list[float] = []
    for step in range(num_steps + 1):
        if seconds and sum(seconds) > limit_s:
            break
        started_s = time.perf_counter()
        with use_precision(recipe, machine):
            outputs = model(normalize(image))
            guided: LossFunction = loss_function
            if distillation is not None:
                batch = Batch(image=image, labels=labels, key=[])
                labels, guided = distillation.guide(batch, loss_function)
        torch.autograd.backward(model.loss(outputs, labels, guided))
        if recipe.optim.clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.optim.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        average.update(model, step)
        machine.wait()
        seconds.append(time.perf_counter() - started_s)
    return median(seconds[1:] or seconds)


def read_waiting_seconds() -> float:
    """Seconds that this thread was ready to run and waited for a processor (Linux).

    Where the system does not count them, all seconds in which the thread did not run.
    """
    try:
        return int(WAITING.read_text().split()[1]) / 1e9
    except OSError:
        return time.monotonic() - time.thread_time()


def start_slowness(
    waiting_clock: Callable[[], float] = read_waiting_seconds,
    cpu_clock: Callable[[], float] = time.thread_time,
) -> Callable[[], float]:
    """Begin to observe the load of the machine; what is returned measures its slowness.

    That is the time of fixed work in Python, relative to an idle machine of 2025, as the time
    of an export is, which is such work: the processor time of the work, and for each of its
    seconds those that the thread waited for a processor since the observation began. A moment
    does not show the load, since the system gives a program its turns in pieces; the processor
    itself is slow for moments, so that the work is done in pieces, of which the middle counts.
    """
    waited_s, used_s = waiting_clock(), cpu_clock()
    pieces_s: list[float] = []

    def measure() -> float:
        for _ in range(NUM_PIECES):
            started_s = cpu_clock()
            counts: dict[int, int] = {}
            for index in range(1_200_000 // NUM_PIECES):
                counts[index % 1000] = counts.get(index % 997, 0) + index
            pieces_s.append(cpu_clock() - started_s)
        work_s = NUM_PIECES * median(pieces_s)
        load = 1 + (waiting_clock() - waited_s) / (cpu_clock() - used_s)
        return max(0.5, work_s / REFERENCE_S * load)

    return measure


def use_precision(recipe: Recipe, machine: Machine) -> torch.autocast:
    """The context of arithmetic at the precision of `recipe`."""
    kind = torch.float16 if recipe.optim.precision == "fp16" else torch.bfloat16
    return torch.autocast(machine.device, kind, enabled=recipe.optim.precision != "fp32")
