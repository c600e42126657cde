"""Service: the models of a server with its limits, and the one way in which images go there."""

import asyncio
import uuid
from dataclasses import dataclass, field

from starlette.requests import Request

from .access import Access
from .admission import Admission
from .errors import ServingError, refuse_later
from .imagehead import read_head
from .limits import Limits
from .messages import Outcome, Task
from .metrics import Metrics
from .models import Models, Version
from .statistics import Statistics


@dataclass(slots=True, kw_only=True)
class Service:
    """What all endpoints share; `is_draining` from the moment when the server is to stop."""

    models: Models
    access: Access
    limits: Limits
    admission: Admission
    metrics: Metrics
    statistics: Statistics = field(default_factory=Statistics)
    is_draining: bool = False
    is_closed: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether load balancers may send requests."""
        return self.models.is_ready and not self.is_draining

    def update_gauges(self) -> None:
        """Bring what is measured only when somebody looks up to date."""
        self.metrics.set_gauge("queue_pixels", self.admission.held_px)
        self.metrics.set_gauge("body_bytes", self.admission.held_bytes)
        for name in self.models.names:
            for version in self.models.list_versions(name):
                crashes = version.child.num_crashes
                self.metrics.set_crashes(name, version.number, crashes)

    async def predict(self, version: Version, task: Task, body: bytes) -> Outcome:
        """The outcome of one image whose head was read; its status is 200.

        Raises:
            ServingError: The status that the process of the model gives, 413 for too many
                pixels, 429 or 503 where there is too much work, 504 past the deadline.
        """
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
            version.num_requests += 1
            try:
                async with asyncio.timeout(task.timeout_s):
                    outcome = await version.child.ask(task, body)
            except TimeoutError as error:
                raise ServingError(504, f"no answer within {task.timeout_s:g} s") from error
            finally:
                version.num_requests -= 1
        name = version.child.choice.name
        self.metrics.add_outcome(name, outcome)
        self.statistics.add(name, version.number, outcome)
        if outcome.status != 200:
            raise ServingError(outcome.status, outcome.error)
        return outcome

    def find_suffix(self, content: bytes, name: str) -> tuple[str, int]:
        """The ending of an image file and its pixels; raises DataError as `read_head`."""
        head = read_head(content, where=name)
        return head.suffix, head.num_px


def request_id(request: Request) -> str:
    """The id that the client gives its request, else a new one."""
    given = request.headers.get("x-request-id", "")
    is_plain = given.isascii() and given.isprintable() and len(given) <= 100
    return given if given and is_plain else uuid.uuid4().hex
