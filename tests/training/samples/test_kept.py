import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from maskwright.core.sample import Sample
from maskwright.training.samples import kept
from maskwright.training.samples.kept import KeptSamples, keep_samples

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux")


class Reader:
    """Samples of different sizes and types; counts, per process, what is read."""

    def __init__(self):
        self.read = []

    def __call__(self, index):
        self.read.append(index)
        rng = np.random.default_rng(index)
        size = (20 + index, 30)
        votes = rng.integers(0, 3, (2, *size), dtype=np.uint8) if index % 3 == 0 else None
        return Sample(
            key=f"k{index}",
            group="g",
            image_HWC=rng.integers(0, 60_000, (*size, 2 + index % 2)).astype(np.uint16),
            labels_HW=rng.integers(0, 3, size, dtype=np.uint8),
            votes_AHW=votes,
            valid_HW=None if index % 2 else rng.random(size) < 0.9,
        )


def require_equal(sample, other):
    assert (sample.key, sample.group) == (other.key, other.group)
    for name in ("image_HWC", "labels_HW", "votes_AHW", "valid_HW"):
        one, two = getattr(sample, name), getattr(other, name)
        assert (one is None) == (two is None)
        if one is not None:
            assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)


def count_bytes(read):
    """Bytes of the samples that are kept."""
    return int(read.table_N2[:-1, kept.SIZE].clip(0).sum())


def test_a_sample_is_read_once_and_comes_back_equal():
    reader, plain = Reader(), Reader()
    read = KeptSamples(reader, 6, 1 << 20)
    for _ in range(3):
        for index in (4, 0, 5, 1):
            require_equal(read(index), plain(index))
    assert reader.read == [4, 0, 5, 1]
    expected = sum(plain(n).image_HWC.nbytes + plain(n).labels_HW.nbytes for n in (0, 1, 4, 5))
    assert expected < count_bytes(read) < 2 * expected


def test_what_has_no_room_is_read_each_time():
    reader = Reader()
    one = reader(0)
    read = KeptSamples(reader, 6, int(2.5 * one.image_HWC.nbytes))
    for _ in range(3):
        for index in range(6):
            require_equal(read(index), Reader()(index))
    counts = [reader.read[1:].count(index) for index in range(6)]
    assert counts[0] == 1
    assert counts[5] == 3
    assert count_bytes(read) <= 2.5 * one.image_HWC.nbytes


def test_kept_arrays_cannot_be_changed_by_one_crop_for_all():
    read = KeptSamples(Reader(), 2, 1 << 20)
    read(0)
    with pytest.raises(ValueError, match="read-only"):
        read(0).image_HWC[0] = 1


def _read_all(read, results):
    results.put([int(read(index).image_HWC.sum()) for index in range(8)])
    results.put(len(read.read.read))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_see_what_one_has_read_and_the_other_way_round(method):
    read = KeptSamples(Reader(), 8, 1 << 20)
    for index in range(0, 8, 2):
        read(index)
    context = multiprocessing.get_context(method)
    results = context.Queue()
    process = context.Process(target=_read_all, args=(read, results))
    process.start()
    sums, count = results.get(timeout=120), results.get(timeout=120)
    process.join(timeout=60)
    assert sums == [int(Reader()(index).image_HWC.sum()) for index in range(8)]
    assert count in (8, 4)  # with those read before the fork, or of a new Reader
    own = len(read.read.read)
    read(7)
    assert len(read.read.read) == own  # read by the other process


def test_the_memory_ends_with_its_owner_also_after_a_kill(tmp_path):
    code = (
        "import os, signal; from tests.training.samples.test_kept import *;"
        "read = KeptSamples(Reader(), 4, 1 << 24); read(0);"
        "print(os.readlink(f'/proc/self/fd/{read.fd}')); import sys; sys.stdout.flush();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "(deleted)" in done.stdout  # no name in any folder
    read = KeptSamples(Reader(), 4, 1 << 20)
    fd = read.fd
    del read
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_the_limit_is_a_share_of_the_free_memory(monkeypatch):
    monkeypatch.setattr(kept, "find_free_bytes", lambda: 1 << 20)
    read = keep_samples(Reader(), 3, num_processes=2)
    assert isinstance(read, KeptSamples)
    assert len(read.memory) - (1 << 17) < 1000
    monkeypatch.setattr(kept, "find_free_bytes", lambda: None)
    reader = Reader()
    assert keep_samples(reader, 3, num_processes=1) is reader


def test_a_kept_sample_is_pickled_as_any_other():
    read = KeptSamples(Reader(), 2, 1 << 20)
    read(1)
    require_equal(pickle.loads(pickle.dumps(read(1))), Reader()(1))
