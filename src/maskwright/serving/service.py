"""Service: the models of a server with its limits, and the one way in which images go there."""

import asyncio
import time
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starlette.requests import Request

from ..core.errors import MaskwrightError
from .access import Access
from .admission import Admission
from .errors import ServingError, find_status, refuse_later
from .gpus import Gpus
from .imagehead import read_head
from .jobs.supervisor import Jobs
from .limits import Limits
from .log import Log, ignore
from .messages import Outcome, Task
from .metrics import Metrics
from .models import Models, Version
from .shadow import Shadow
from .statistics import Statistics
from .tracing import NoTracing, Tracing
from .watch.origin import Origin
from .watch.watching import Watch


@dataclass(slots=True, kw_only=True)
class Service:
    """What all endpoints share; `is_draining` from the moment when the server is to stop."""

    models: Models
    access: Access
    limits: Limits
    admission: Admission
    metrics: Metrics
    statistics: Statistics = field(default_factory=Statistics)
    swap_from: Path | None = None
    swap_manifests: frozenset[str] = frozenset()
    jobs: Jobs | None = None
    watch: Watch | None = None
    log: Log = ignore
    tracing: Tracing = field(default_factory=NoTracing)
    gpus: Gpus = field(default_factory=Gpus.open)
    swapping: asyncio.Lock = field(default_factory=asyncio.Lock)
    background: set[asyncio.Task[None]] = field(default_factory=set)
    is_draining: bool = False
    is_closed: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether load balancers may send requests."""
        return self.models.is_ready and not self.is_draining

    def update_gauges(self) -> None:
        """Bring what is measured only when somebody looks up to date."""
        self.metrics.set_gpus(self.gpus.measure())
        self.metrics.set_gauge("queue_pixels", self.admission.held_px)
        self.metrics.set_gauge("body_bytes", self.admission.held_bytes)
        if self.watch is not None:
            recorder = self.watch.recorder
            self.metrics.set_gauge("records_dropped", recorder.num_dropped)
            self.metrics.set_gauge("records_written", recorder.num_written)
            self.metrics.set_gauge("kept_files_dropped", recorder.num_files_dropped)
        for name in self.models.names:
            for version in self.models.list_versions(name):
                crashes = version.child.num_crashes
                self.metrics.set_crashes(name, version.number, crashes)

    async def predict(
        self, version: Version, task: Task, body: bytes, origin: Origin
    ) -> Outcome:
        """The outcome of one image whose head was read; its status is 200.

        Raises:
            ServingError: The status that the process of the model gives, 413 for too many
                pixels, 429 or 503 where there is too much work, 504 past the deadline.
        """
        task = replace(task, source=origin.source)
        if self.watch is not None:
            task = self.watch.prepare(task)
        began_s = time.monotonic()
        try:
            outcome = await self._predict(version, task, body)
        except MaskwrightError as error:
            if find_status(error) >= 500:
                self._follow_trial(version, None)
            if self.watch is not None:
                self.watch.add_failure(version, origin)
            raise
        self._follow_trial(version, time.monotonic() - began_s)
        if self.watch is not None:
            self.watch.add(version, task, outcome, body, origin)
        return outcome

    def _follow_trial(self, version: Version, seconds: float | None) -> None:
        """Count a request for the trial of a canary, and end a trial that fails."""
        name = version.child.choice.name
        versions = self.models.list_versions(name)
        canary = versions[-1]
        if canary.trial is None or version not in versions or self.is_draining:
            return
        if canary.trial.add(seconds, is_canary=version is canary):
            self.retire(self.models.take_back(name))
            self.metrics.add_rollback(name)
            self.log({"event": "rollback", "model": name, "reason": canary.trial.describe()})

    async def _predict(self, version: Version, task: Task, body: bytes) -> Outcome:
        outcome = await self._ask(version, task, body)
        name = version.child.choice.name
        self.metrics.add_outcome(name, outcome)
        self.statistics.add(name, version.number, outcome)
        facts = {"model": name, "version": version.number, "batch": outcome.batch}
        self.tracing.add_stages(outcome.seconds, facts)
        if outcome.status != 200:
            raise ServingError(outcome.status, outcome.error)
        self._shadow(version, task, body)
        return outcome

    async def score(self, version: Version, task: Task, body: bytes) -> Outcome:
        """The outcome of a task that is no prediction; raises as `predict`."""
        outcome = await self._ask(version, task, body)
        if outcome.status != 200:
            raise ServingError(outcome.status, outcome.error)
        return outcome

    async def _ask(self, version: Version, task: Task, body: bytes) -> Outcome:
        if self.is_closed:
            raise refuse_later(503, "the server is stopping", 5)
        if task.num_px > self.limits.image_px:
            raise ServingError(
                413,
                f"{task.name}: {task.num_px / 1e6:.1f} million pixels, at most "
                f"{self.limits.image_px / 1e6:.1f} in one request; cut the image, or predict "
                f"it by the command line",
            )
        with self.admission.hold_pixels(task.num_px):
            try:
                async with asyncio.timeout(task.timeout_s):
                    return await version.child.ask(task, body)
            except TimeoutError as error:
                raise ServingError(504, f"no answer within {task.timeout_s:g} s") from error

    def retire(self, version: Version) -> None:
        """End the process of a version when its last request is answered."""
        self._run(_stop_when_idle(version))

    def _shadow(self, version: Version, task: Task, body: bytes) -> None:
        """Let a shadow predict the image too, where it wants to and the server is idle."""
        versions = self.models.list_versions(version.child.choice.name)
        shadow = versions[-1].shadow
        if shadow is None or version is not versions[0]:
            return
        if shadow.wants(is_idle=self.admission.held_px == 0 and not self.background):
            self._run(_compare(shadow, version, versions[-1], task, body))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    def find_suffix(self, content: bytes, name: str) -> tuple[str, int]:
        """The ending of an image file and its pixels; raises DataError as `read_head`."""
        head = read_head(content, where=name)
        return head.suffix, head.num_px


async def _stop_when_idle(version: Version) -> None:
    while version.num_requests:
        await asyncio.sleep(0.05)
    await version.child.stop()


async def _compare(shadow: Shadow, now: Version, new: Version, task: Task, body: bytes) -> None:
    """Predict an image by both versions and compare the class maps."""
    task = replace(task, form="raw", confidence=False, observe=False)
    with now.lease(), new.lease(), suppress(MaskwrightError):
        outcomes = [await version.child.ask(task, body) for version in (now, new)]
        if all(outcome.status == 200 for outcome in outcomes):
            await asyncio.to_thread(shadow.add, *outcomes)


def request_id(request: Request) -> str:
    """The id that the client gives its request, else a new one."""
    given = request.headers.get("x-request-id", "")
    is_plain = given.isascii() and given.isprintable() and len(given) <= 100
    return given if given and is_plain else uuid.uuid4().hex
