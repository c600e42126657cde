"""KeptSamples: decoded samples in memory that the processes of a loader share, up to a limit.

Each sample is read from its files once per run, as long as there is room; the others are read
each time. The memory is a file without a name (memfd_create of Linux), which ends with the last
process that holds it, also after a kill. Where the system has none, nothing is kept.
"""

import mmap
import os
import pickle
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskwright.core.memory import find_free_bytes
from maskwright.core.sample import Sample

KEPT_SHARE = 0.25
"""Share of the free memory that decoded samples take at most."""

ALIGNED_BYTES = 64
"""Arrays begin at multiples of it, a line of the processor's cache."""

OFFSET, SIZE = 0, 1
"""Columns of the table: where the record of a sample is, and its bytes; 0 where none is yet,
-1 where there was no room."""


class KeptSamples:
    """Reads samples by index, from memory where they have been read before.

    Arrays of kept samples are not writable: all processes see the same ones.
    """

    def __init__(
        self, read: Callable[[int], Sample], num_samples: int, limit_bytes: int
    ) -> None:
        self.read = read
        self.num_samples = num_samples
        self.fd = os.memfd_create("maskwright samples")
        os.ftruncate(self.fd, 16 * (num_samples + 1) + ALIGNED_BYTES + max(0, limit_bytes))
        self._open()

    def __call__(self, index: int) -> Sample:
        """The sample of an index; read and kept at the first call of any process."""
        offset, size = self.table_N2[index].tolist()
        if size > 0:
            return _unpack(self.memory[offset : offset + size])
        sample = self.read(index)
        if size == 0:
            self._keep(index, sample)
        return sample

    def __getstate__(self) -> dict[str, Any]:
        """What a process that is not forked gets, as it starts: a copy of the descriptor."""
        return {
            "read": self.read,
            "num_samples": self.num_samples,
            "fd": DupFd(self.fd),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.fd = state["fd"].detach()
        self._open()

    def _open(self) -> None:
        weakref.finalize(self, os.close, self.fd)
        self.memory = memoryview(mmap.mmap(self.fd, 0))
        table = np.frombuffer(self.memory, np.int64, 2 * (self.num_samples + 1))
        # (2 x (N + 1),) -> (N + 1, 2); the last row is the memory as a whole
        self.table_N2: NDArray[np.int64] = table.reshape(-1, 2)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let one process at a time take room."""
        import fcntl  # not on Windows, which has no memfd_create either

        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def _keep(self, index: int, sample: Sample) -> None:
        record = _pack(sample)
        size = sum(map(len, record))
        with self._lock():
            if self.table_N2[index, SIZE] != 0:  # another process was faster
                return
            start = int(self.table_N2[-1, OFFSET]) or _align(self.table_N2.nbytes)
            if start + size > len(self.memory):
                self.table_N2[index, SIZE] = -1
                return
            self.table_N2[-1, OFFSET] = _align(start + size)
        place = start
        for part in record:
            self.memory[place : place + len(part)] = part
            place += len(part)
        self.table_N2[index, OFFSET] = start
        self.table_N2[index, SIZE] = size  # last: from now on other processes read it


def keep_samples(
    read: Callable[[int], Sample], num_samples: int, *, num_processes: int
) -> Callable[[int], Sample]:
    """`read` that keeps samples in `KEPT_SHARE` of the free memory, where that can be known.

    Each of the `num_processes` that train on this machine keeps samples of its own.
    """
    free_bytes = find_free_bytes()
    if free_bytes is None or not hasattr(os, "memfd_create"):
        return read
    return KeptSamples(read, num_samples, int(KEPT_SHARE * free_bytes / num_processes))


def _pack(sample: Sample) -> list[bytes | memoryview]:
    """The record: sizes of the parts, the sample without its arrays, the arrays, aligned."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(sample, protocol=5, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    sizes = np.array([len(head), *(len(array) for array in arrays)], np.int64)
    count = np.array([len(sizes)], np.int64)
    parts: list[bytes | memoryview] = [count.tobytes() + sizes.tobytes() + head]
    for array in arrays:
        filled = sum(map(len, parts))
        parts += [bytes(_align(filled) - filled), array]
    return parts


def _unpack(record: memoryview) -> Sample:
    count = int(np.frombuffer(record, np.int64, 1)[0])
    head_bytes, *array_bytes = np.frombuffer(record, np.int64, count, 8).tolist()
    place = 8 * (count + 1)
    head, place = record[place : place + head_bytes], place + head_bytes
    arrays = []
    for size in array_bytes:
        place = _align(place)
        arrays.append(record[place : place + size].toreadonly())
        place += size
    sample: Sample = pickle.loads(head, buffers=arrays)  # noqa: S301 - written by this process
    return sample


def _align(place: int) -> int:
    return -(-place // ALIGNED_BYTES) * ALIGNED_BYTES
