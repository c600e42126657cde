import ctypes
import math
from types import SimpleNamespace

import pytest
import torch

from maskwright.training.tracking.machine_use import Gpu, MachineUse


def nvml(code, percent):
    """A driver's library that answers with `code` and gives `percent`."""

    def answer(_handle, rates):
        ctypes.cast(rates, ctypes.POINTER(ctypes.c_uint))[0] = percent
        return code

    return SimpleNamespace(nvmlDeviceGetUtilizationRates=answer)


def test_shares_are_of_one_and_a_cpu_has_no_gpu():
    use = MachineUse.start(torch.device("cpu"))
    use.sample()
    found = use.read()
    assert set(found) == {"cpu", "memory"}
    assert all(0 <= share <= 1 for share in found.values())


def test_the_share_of_a_gpu_is_that_of_its_driver():
    assert Gpu(nvml(0, 87), ctypes.c_void_p()).read_share() == pytest.approx(0.87)
    assert math.isnan(Gpu(nvml(3, 87), ctypes.c_void_p()).read_share())


def test_the_gpu_is_read_at_most_twice_a_second_and_the_mean_is_told_once():
    use = MachineUse(torch.device("cpu"), Gpu(nvml(0, 40), ctypes.c_void_p()))
    for _ in range(3):
        use.sample()
    assert use.read()["gpu"] == pytest.approx(0.4)
    assert "gpu" not in use.read()
