"""Run the images of many requests on one engine, in batches; requests wait in their threads."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.card import ModelCard
from ...core.errors import MaskwrightError
from ...core.image import Image
from ...core.logits import Logits
from ...inference.engine import Engine, EngineOutput
from ...inference.strategy import prepare_input, run_inputs
from .batches import BatchQueue, Ran, Release, Waiting


class NotWantedError(MaskwrightError):
    """The client has gone, or its deadline has passed."""


@dataclass(frozen=True, slots=True, eq=False)
class SharedEngine(Engine):
    """An engine that runs one input at a time, whichever thread brings it."""

    inner: Engine
    lock: threading.Lock

    @property
    def name(self) -> str:  # type: ignore[override]
        """The contract of Engine."""
        return self.inner.name

    @property
    def max_batch(self) -> int:  # type: ignore[override]
        """The contract of Engine."""
        return self.inner.max_batch

    @property
    def size_multiple(self) -> int:  # type: ignore[override]
        """The contract of Engine."""
        return self.inner.size_multiple

    @property
    def size_HW(self) -> tuple[int, int] | None:  # type: ignore[override]
        """The contract of Engine."""
        return self.inner.size_HW

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        with self.lock:
            return self.inner(image_BCHW)

    def run(self, image_BCHW: NDArray[np.float32]) -> EngineOutput:
        """The contract of Engine."""
        with self.lock:
            return self.inner.run(image_BCHW)

    def make_compact(self) -> "SharedEngine | None":
        """The contract of Engine."""
        compact = self.inner.make_compact()
        return None if compact is None else SharedEngine(compact, self.lock)


class Batcher:
    """One thread that takes batches from a queue and runs them."""

    def __init__(self, queue: BatchQueue) -> None:
        self._queue = queue
        self._changed = threading.Condition()
        threading.Thread(target=self._run_for_ever, name="engine", daemon=True).start()

    def submit(self, item: Waiting) -> "Future[Ran]":
        """Queue an image; its logits are the result of the future."""
        with self._changed:
            self._queue.add(item)
            self._changed.notify()
        return item.result

    def look_again(self) -> None:
        """A client has gone: what nobody waits for leaves the queue."""
        with self._changed:
            self._changed.notify()

    def _run_for_ever(self) -> None:
        while True:
            self._run(self._wait())

    def _wait(self) -> Release:
        """The next batch; the engine is idle from the moment when the queue is empty."""
        is_idle = False
        with self._changed:
            while True:
                now_s = time.monotonic()
                for item in self._queue.drop(now_s):
                    item.result.set_exception(NotWantedError("nobody waits for this image"))
                is_idle = is_idle or not len(self._queue)
                found = self._queue.release(now_s, is_idle=is_idle)
                if isinstance(found, Release):
                    return found
                self._changed.wait(None if found == math.inf else found)

    def _run(self, release: Release) -> None:
        """Run a batch; where it fails as a whole, each image alone."""
        batch = release.batch
        began_s = time.monotonic()
        try:
            found = run_inputs(batch[0].engine, batch[0].card, [i.entry for i in batch])
        except Exception as error:  # noqa: BLE001 - goes to the thread that waits for it
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            for item in batch:
                self._run(Release([item], release.reason))
            return
        ended_s = time.monotonic()
        self._queue.times.add(batch[0].bucket, len(batch), ended_s - began_s)
        for item, logits in zip(batch, found, strict=True):
            item.result.set_result(Ran(logits, len(batch), release.reason, began_s, ended_s))


@dataclass(slots=True, kw_only=True)
class BatchedStrategy:
    """The Strategy of one request: its images go through the batcher.

    So a Predictor does everything else as ever, and its class map is that of `predict`.
    `ran` has how each image ran, `prepare_s` the seconds of resizing and normalising.
    """

    batcher: Batcher
    deadline_s: float
    is_cancelled: Callable[[], bool]
    ran: list[Ran] = field(default_factory=list)
    queued_s: float = 0.0

    def __call__(
        self, engine: Engine, card: ModelCard, images_BHWC: Sequence[Image], *, where: str
    ) -> list[Logits]:
        """The contract of Strategy."""
        results = []
        for image_HWC in images_BHWC:
            entry = prepare_input(engine, card, image_HWC, where=where)
            now_s = time.monotonic()
            waiting = Waiting(
                engine=engine,
                card=card,
                entry=entry,
                arrived_s=now_s,
                deadline_s=self.deadline_s,
                is_cancelled=self.is_cancelled,
            )
            results.append(self.batcher.submit(waiting))
            self.queued_s = now_s
        self.ran = [result.result() for result in results]
        return [ran.logits for ran in self.ran]
