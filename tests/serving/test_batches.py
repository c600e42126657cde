import math

import numpy as np

from maskwright.inference.strategy import NetworkInput
from maskwright.serving.modelprocess.batches import (
    BatchQueue,
    BatchSizes,
    Release,
    ServiceTimes,
    Waiting,
)


def _item(size=(8, 8), *, at=0.0, deadline=100.0, cancelled=False):
    entry = NetworkInput(np.zeros((3, *size), np.float32), size, size)
    return Waiting(
        engine=None,
        card=None,
        entry=entry,
        arrived_s=at,
        deadline_s=deadline,
        is_cancelled=lambda: cancelled,
    )


def _queue(*items, most=4):
    queue = BatchQueue(BatchSizes({(8, 8): most}), max_wait_s=0.005)
    for item in items:
        queue.add(item)
    return queue


def test_an_idle_engine_takes_what_is_there():
    first, second = _item(), _item(at=0.001)
    assert _queue(first, second).release(0.001, is_idle=True) == Release(
        [first, second], "idle"
    )


def test_a_full_batch_runs_at_once_and_the_rest_stays():
    items = [_item() for _ in range(6)]
    queue = _queue(*items)
    assert queue.release(0.0, is_idle=False) == Release(items[:4], "full")
    assert len(queue) == 2


def test_a_busy_engine_waits_from_the_oldest_image_on():
    item = _item(at=1.0)
    queue = _queue(item, _item(at=1.004))
    assert math.isclose(queue.release(1.004, is_idle=False), 0.001)
    assert queue.release(1.0051, is_idle=False).reason == "waited"


def test_a_near_deadline_ends_the_wait_by_the_time_that_such_batches_take():
    item = _item(at=1.0, deadline=1.503)
    queue = _queue(item)
    queue.times.add(item.bucket, 1, 0.5)
    assert math.isclose(queue.release(1.001, is_idle=False), 0.002)
    assert queue.release(1.0031, is_idle=False) == Release([item], "deadline")


def test_sizes_do_not_mix_and_the_older_bucket_goes_first():
    late, early = _item((8, 8), at=2.0), _item((8, 16), at=1.0)
    queue = _queue(late, early)
    assert queue.release(2.0, is_idle=True).batch == [early]
    assert queue.release(2.0, is_idle=True).batch == [late]
    assert queue.release(2.0, is_idle=True) == math.inf


def test_images_that_nobody_waits_for_leave_the_queue():
    kept, gone, late = _item(), _item(cancelled=True), _item(deadline=1.0)
    queue = _queue(kept, gone, late)
    assert queue.drop(1.0) == [gone, late]
    assert queue.release(1.0, is_idle=True).batch == [kept]


def test_a_size_that_was_not_measured_has_the_batch_of_the_nearest():
    sizes = BatchSizes({(8, 8): 4, (2000, 2000): 2})
    assert [sizes.find((3, h, w)) for h, w in ((8, 8), (9, 9), (1500, 2000))] == [4, 4, 1]
    assert BatchSizes({}).find((3, 8, 8)) == 1


def test_the_95th_percentile_of_service_times():
    times = ServiceTimes()
    bucket = (1, (3, 8, 8))
    assert times.find_p95(bucket, 1) == 0.0
    for value in range(1, 21):
        times.add(bucket, 1, value)
    assert times.find_p95(bucket, 1) == 19


def test_times_of_sizes_without_end_are_forgotten_the_oldest_first():
    times = ServiceTimes()
    for side in range(300):
        times.add((1, (3, side, 8)), 1, 0.5)
        times.add((1, (3, 0, 8)), 1, 0.5)  # is used all the time
    assert len(times) == 256
    found = [times.find_p95((1, (3, side, 8)), 1) for side in (0, 1, 44, 45, 299)]
    assert found == [0.5, 0.0, 0.0, 0.5, 0.5]
