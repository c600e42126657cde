import threading
import time

import numpy as np
import pytest

from maskwright.core.errors import BundleError
from maskwright.serving.modelprocess.batcher import (
    BatchedStrategy,
    Batcher,
    NotWantedError,
    SharedEngine,
)
from maskwright.serving.modelprocess.batches import BatchQueue, BatchSizes


def _strategy(batcher, *, deadline_s=None, cancelled=lambda: False):
    deadline_s = time.monotonic() + 60 if deadline_s is None else deadline_s
    return BatchedStrategy(batcher=batcher, deadline_s=deadline_s, is_cancelled=cancelled)


@pytest.fixture
def batcher():
    return Batcher(BatchQueue(BatchSizes({(8, 8): 4}), max_wait_s=0.2))


def _run_together(batcher, engine, card, images):
    """One thread per image: what each gets, the logits or an error."""
    found = [None] * len(images)

    def run(index):
        strategy = _strategy(batcher)
        try:
            (logits,) = strategy(engine, card, [images[index]], where="x")
            found[index] = logits.values_Khw, strategy.ran[0]
        except BundleError as error:
            found[index] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_images_share_a_batch_and_each_gets_its_own_logits(batcher, engine_from, painted_card):
    card, sizes = painted_card(), []
    entered, free = threading.Event(), threading.Event()

    def run(image_BCHW):
        sizes.append(len(image_BCHW))
        entered.set()
        free.wait(60)
        return np.repeat(image_BCHW[:, :1], 4, axis=1)

    engine = engine_from(run)
    images = [np.full((8, 8, 3), value, np.uint8) for value in range(1, 6)]
    busy = threading.Thread(target=_run_together, args=(batcher, engine, card, images[:1]))
    busy.start()
    entered.wait(60)
    threading.Timer(0.3, free.set).start()  # the others are queued until then
    found = _run_together(batcher, engine, card, images[1:])
    busy.join(60)
    assert sizes == [1, 4]
    assert [(ran.num_images, ran.reason) for _, ran in found] == [(4, "full")] * 4
    assert [float(logits[0, 0, 0] * 255) for logits, _ in found] == pytest.approx([2, 3, 4, 5])


def test_one_image_that_breaks_the_engine_fails_alone(batcher, engine_from, painted_card):
    def run(image_BCHW):
        if (image_BCHW == 1).any():
            raise BundleError("the graph fails")
        return np.repeat(image_BCHW[:, :1], 4, axis=1)

    images = [np.full((8, 8, 3), value, np.uint8) for value in (1, 2, 255, 3)]
    found = _run_together(batcher, engine_from(run), painted_card(), images)
    assert [isinstance(result, BundleError) for result in found] == [False, False, True, False]


def test_an_image_past_its_deadline_never_meets_the_engine(batcher, engine_from, painted_card):
    engine = engine_from(lambda _: pytest.fail("the engine ran"))
    strategy = _strategy(batcher, deadline_s=time.monotonic() - 1)
    with pytest.raises(NotWantedError, match="nobody waits for this image"):
        strategy(engine, painted_card(), [np.zeros((8, 8, 3), np.uint8)], where="x")


def test_a_shared_engine_has_the_limits_of_its_own(engine_from):
    inner = engine_from(lambda x: x, max_batch=3, size_multiple=32, size_HW=(64, 64))
    engine = SharedEngine(inner, threading.Lock())
    shown = engine.name, engine.max_batch, engine.size_multiple, engine.size_HW
    assert shown == ("painted", 3, 32, (64, 64))
    assert engine.make_compact() is None
    assert engine.make_stochastic(0) is None
