"""Which images the engine runs next: buckets of one shape, released by one policy.

An idle engine takes what is there at once. An engine that comes back from a batch takes a full
one, else it waits for more until the oldest image has waited `max_wait_s`, or until its
deadline is as near as the batch is expected to take (the 95th percentile of earlier ones).
Images whose client has gone or whose deadline has passed leave the queue before the engine.

Times are arguments: there are no threads and no clock here.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from ...core.card import ModelCard
from ...core.logits import Logits
from ...inference.engine import Engine
from ...inference.strategy import NetworkInput

FULL, IDLE, WAITED, DEADLINE = "full", "idle", "waited", "deadline"
MAX_BATCH_PX = 1 << 22
"""Pixels of one batch: more images of that size would only take more memory."""

_KEPT_TIMES, _KEPT_BUCKETS = 64, 256

Bucket = tuple[int, tuple[int, ...]]
"""An engine, by its identity, and the shape of its input."""


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """An image that waits for the engine; `result` will have its logits."""

    engine: Engine
    card: ModelCard
    entry: NetworkInput
    arrived_s: float
    deadline_s: float
    is_cancelled: Callable[[], bool]
    result: "Future[Ran]" = field(default_factory=Future)

    @property
    def bucket(self) -> Bucket:
        """Images of one bucket can run in one batch."""
        return id(self.engine), self.entry.x_CHW.shape


class Ran(NamedTuple):
    """The logits of an image and how its batch ran; times are those of the clock."""

    logits: Logits
    num_images: int
    reason: str
    began_s: float
    ended_s: float


class Release(NamedTuple):
    """Images of one bucket to run now, and why now."""

    batch: list[Waiting]
    reason: str


class ServiceTimes:
    """How long the last batches took, by bucket and number of images.

    Clients send images of any size: the buckets that ran last are kept.
    """

    def __init__(self) -> None:
        self._seconds: OrderedDict[tuple[Bucket, int], deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seconds)

    def add(self, bucket: Bucket, num_images: int, seconds: float) -> None:
        """Note one batch."""
        key = bucket, num_images
        self._seconds.setdefault(key, deque(maxlen=_KEPT_TIMES)).append(seconds)
        self._seconds.move_to_end(key)
        if len(self._seconds) > _KEPT_BUCKETS:
            self._seconds.popitem(last=False)

    def find_p95(self, bucket: Bucket, num_images: int) -> float:
        """The 95th percentile in seconds; 0 before the first batch."""
        known = sorted(self._seconds.get((bucket, num_images), ()))
        return known[math.ceil(0.95 * len(known)) - 1] if known else 0.0


class BatchSizes:
    """The best number of images per batch of each size, as it was measured.

    A size that was not measured takes that of the nearest one by pixels.
    """

    def __init__(self, measured: Mapping[tuple[int, int], int]) -> None:
        self._measured = dict(measured)

    def find(self, shape_CHW: tuple[int, ...]) -> int:
        """The most images of this shape in one batch."""
        num_px = shape_CHW[1] * shape_CHW[2]
        if not self._measured:
            return 1
        nearest = min(self._measured, key=lambda size: abs(size[0] * size[1] - num_px))
        return max(1, min(self._measured[nearest], MAX_BATCH_PX // num_px))


class BatchQueue:
    """The images that wait, by bucket, the oldest first."""

    def __init__(self, sizes: BatchSizes, *, max_wait_s: float) -> None:
        self.times = ServiceTimes()
        self._sizes = sizes
        self._max_wait_s = max_wait_s
        self._buckets: dict[Bucket, deque[Waiting]] = {}

    def __len__(self) -> int:
        return sum(len(items) for items in self._buckets.values())

    def add(self, item: Waiting) -> None:
        """Put an image at the end of its bucket."""
        self._buckets.setdefault(item.bucket, deque()).append(item)

    def drop(self, now_s: float) -> list[Waiting]:
        """Remove the images that nobody waits for, and give them back."""
        dropped: list[Waiting] = []
        for bucket, items in list(self._buckets.items()):
            gone = [i for i in items if i.is_cancelled() or now_s >= i.deadline_s]
            if gone:
                self._keep(bucket, (i for i in items if i not in gone))
                dropped += gone
        return dropped

    def release(self, now_s: float, *, is_idle: bool) -> Release | float:
        """The batch to run now, or the seconds until there is one; infinity for none."""
        wait_s = math.inf
        for bucket, items in sorted(
            self._buckets.items(), key=lambda pair: pair[1][0].arrived_s
        ):
            num = min(len(items), self._sizes.find(bucket[1]))
            if num == self._sizes.find(bucket[1]):
                return self._take(bucket, num, FULL)
            if is_idle:
                return self._take(bucket, num, IDLE)
            waited_s = items[0].arrived_s + self._max_wait_s
            expected_s = self.times.find_p95(bucket, num)
            late_s = min(item.deadline_s for item in items) - expected_s
            if now_s >= min(waited_s, late_s):
                return self._take(bucket, num, WAITED if waited_s <= late_s else DEADLINE)
            wait_s = min(wait_s, waited_s - now_s, late_s - now_s)
        return wait_s

    def _take(self, bucket: Bucket, num: int, reason: str) -> Release:
        items = self._buckets[bucket]
        batch = [items.popleft() for _ in range(num)]
        self._keep(bucket, items)
        return Release(batch, reason)

    def _keep(self, bucket: Bucket, items: Iterable[Waiting]) -> None:
        left = deque(items)
        if left:
            self._buckets[bucket] = left
        else:
            self._buckets.pop(bucket)
