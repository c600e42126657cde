import subprocess
import sys
from pathlib import Path

import pytest

from maskwright.core.memory import is_out_of_memory, keep_freed_memory

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_TAKE_AGAIN = """
import ctypes, resource, threading
from maskwright.core.memory import keep_freed_memory

def count():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def take():
    block = ctypes.create_string_buffer(64 << 20)
    ctypes.memset(block, 1, 64 << 20)

if {keeps}:
    keep_freed_memory()
threads = [threading.Thread(target=take) for _ in range(2)]
before = []
for thread in threads:
    before.append(count())
    thread.start()
    thread.join()
print(count() - before[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is that of Linux")
def test_memory_that_was_freed_is_taken_again_without_the_system():
    def count_faults(*, keeps):
        code = _TAKE_AGAIN.format(keeps=keeps)
        return int(subprocess.check_output([sys.executable, "-c", code], text=True))

    assert count_faults(keeps=True) < 500
    if "[always]" not in _HUGE_PAGES.read_text():
        assert count_faults(keeps=False) > 10_000  # 64 MiB of pages of 4 KiB are 16,384


def test_a_system_without_the_call_is_no_error(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    keep_freed_memory()


def test_words_of_libraries_for_no_memory_are_known_and_others_are_not():
    for error in (
        MemoryError(),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"
        ),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("pthread_create failed: Resource temporarily unavailable"),
        RuntimeError("Exception from ov::Core: can't alloc"),
    ):
        assert is_out_of_memory(error), error
    assert not is_out_of_memory(RuntimeError("shapes disagree"))
