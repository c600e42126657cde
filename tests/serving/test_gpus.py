import ctypes

from prometheus_client.parser import text_string_to_metric_families

from maskwright.serving.access import Access
from maskwright.serving.gpus import Gpus, GpuUse

from .asgi import ask, make_app

GIB = 1 << 30


class Nvml:
    """NVML with two GPUs, of which the second does not say how busy it is."""

    def __init__(self, *, status=0):
        self.status = status

    def nvmlInit_v2(self):
        return self.status

    def nvmlDeviceGetCount_v2(self, number):
        number._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):
        handle._obj.value = 0x1000 + index
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle, found):
        found._obj.gpu, found._obj.memory = 75, 20
        return 0 if handle.value == 0x1000 else 3  # NVML_ERROR_NOT_SUPPORTED

    def nvmlDeviceGetMemoryInfo(self, handle, found):
        assert ctypes.sizeof(found._obj) == 24
        found._obj.total, found._obj.free, found._obj.used = 80 * GIB, 60 * GIB, 20 * GIB
        return 0


def test_metrics_tell_how_busy_a_gpu_is():
    gpus = Gpus(Nvml())
    expected = GpuUse(index=0, busy=0.75, used_bytes=20 * GIB, total_bytes=80 * GIB)
    assert gpus.measure() == [expected]
    text = ask(make_app(Access("127.0.0.1"), gpus=gpus), "GET", "/metrics").body.decode()
    found = {
        sample.name: (sample.labels["gpu"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("maskwright_gpu_")
    }
    assert found == {
        "maskwright_gpu_busy_ratio": ("0", 0.75),
        "maskwright_gpu_used_bytes": ("0", 20 * GIB),
        "maskwright_gpu_total_bytes": ("0", 80 * GIB),
    }


def test_a_machine_without_a_driver_has_no_gpus():
    assert Gpus(None).measure() == []
    assert Gpus(Nvml(status=9)).measure() == []  # NVML_ERROR_DRIVER_NOT_LOADED
