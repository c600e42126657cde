"""The slowness of a machine follows its load, over a time and not at a moment."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import PartialState

from maskwright.core.errors import ConfigError
from maskwright.training import machine
from maskwright.training.machine import (
    NUM_PIECES,
    REFERENCE_S,
    UNTESTED,
    WAITING,
    Machine,
    read_waiting_seconds,
    start_slowness,
    use_device,
)


@pytest.mark.parametrize(
    ("waited_s", "work_s", "slowness"),
    [
        (0.0, REFERENCE_S, 1.0),  # idle
        (9.0, REFERENCE_S, 10.0),  # a tenth of the processor
        (9.0, 2 * REFERENCE_S, 20.0),  # of a slower one
        (0.0, 0.1 * REFERENCE_S, 0.5),  # the least that is believed
    ],
)
def test_slowness_is_that_of_the_processor_times_the_load(waited_s, work_s, slowness):
    clock = iter([100.0, 100.0 + waited_s])
    piece_s = work_s / NUM_PIECES
    times = [t for n in range(NUM_PIECES) for t in (5.0 + n / 10, 5.0 + n / 10 + piece_s)]
    times[1] += 0.05  # one piece met a slow moment
    cpu_clock = iter([5.0, *times, 6.0])
    measure = start_slowness(clock.__next__, cpu_clock.__next__)
    assert measure() == pytest.approx(slowness)


def test_time_asleep_is_not_time_that_a_processor_was_waited_for():
    started_s, before_s = time.monotonic(), read_waiting_seconds()
    time.sleep(0.3)
    waited_s = read_waiting_seconds() - before_s
    asleep_s = 0.25 if WAITING.exists() else 0
    assert 0 <= waited_s <= time.monotonic() - started_s - asleep_s


def test_where_waiting_is_not_counted_all_time_without_a_processor_is(monkeypatch):
    monkeypatch.setattr(machine, "WAITING", Path("/nowhere"))
    before_s = read_waiting_seconds()
    time.sleep(0.1)
    assert read_waiting_seconds() - before_s > 0.05


@pytest.mark.parametrize(
    ("device", "name", "is_rocm", "planned_as", "text"),
    [
        ("cpu", "CPU", False, "cpu", "cpu, 8 GiB, 2 cores"),
        ("cuda", "H200", False, "cuda", "cuda, H200, 8 GiB, 2 cores"),
        ("cuda", "MI300", True, "cuda", "training on AMD's ROCm is untested: compare"),
        ("mps", "MPS", False, "cuda", "mps, 8 GiB, 2 cores; training on Apple's MPS is untest"),
        ("xpu", "Arc", False, "cuda", "xpu, Arc, 8 GiB, 2 cores; training on Intel's XPU is"),
    ],
)
def test_a_device_is_named_and_what_is_untested_is_said(
    device, name, is_rocm, planned_as, text
):
    found = Machine(device, name, 2, 8 << 30, is_rocm=is_rocm)
    assert text in str(found)
    assert ("untested" in str(found)) == (device in UNTESTED or is_rocm)
    assert found.planned_as == planned_as


@pytest.mark.parametrize("kind", sorted(UNTESTED))
def test_the_plan_is_made_for_the_device_that_accelerate_trains_on(monkeypatch, kind):
    monkeypatch.setattr(machine, "_has_device", lambda _: True)
    use_device(kind)
    gpu = SimpleNamespace(name="Arc", total_memory=16 << 30)
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda device: gpu)
    found = Machine.detect()
    assert (found.device, found.planned_as) == (kind, "cuda")
    assert PartialState().device == torch.device(kind)
    use_device("cpu")


@pytest.mark.parametrize("kind", sorted(UNTESTED))
def test_a_device_that_is_not_there_is_refused(monkeypatch, kind):
    monkeypatch.setattr(machine, "_has_device", lambda _: False)
    with pytest.raises(ConfigError, match=f"--device {kind}: torch finds no device of"):
        use_device(kind)
