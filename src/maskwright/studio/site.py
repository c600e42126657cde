"""Site: what all calls of one running studio share."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..measurement.events.webhook import Webhook
from ..store.database import Connection
from ..store.items import Item
from .assist import Assistant
from .editing import Client
from .errors import StudioError
from .guard import Guard
from .jobs import JobProgress, Jobs, Kind, Work
from .live import News
from .people import Person
from .pictures import Pictures
from .project import Project
from .protocol import describe_item
from .visibility import find_visible

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..inference.segment_anything import SegmentAnything

_CLIENT = re.compile(r"[\w-]{8,64}")


@dataclass
class Site:
    """The project, who may come in, the pages that listen, a webhook, a model, and graphs."""

    project: Project
    guard: Guard
    news: News
    hook: Webhook | None = None
    model: str | None = None
    sam: "SegmentAnything | None" = None
    pictures: Pictures = field(init=False)
    assistant: Assistant = field(init=False)
    jobs: Jobs = field(init=False)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.project)
        self.jobs = Jobs()
        self.assistant = Assistant(self.project, self.pictures, self.model, self.sam)

    def find_item(self, connection: Connection, request: "Request") -> Item:
        """The image of the path, which the person may see.

        Raises:
            StudioError: 404.
        """
        number = request.path_params["item"]
        return find_visible(self.project, connection, number, request.state.person)

    def find_seen(self, request: "Request") -> Item:
        """As `find_item`, in a transaction of its own."""
        with self.project.store.read() as connection:
            return self.find_item(connection, request)

    def send_hook(self, verb: str, person: str, document: Mapping[str, object]) -> None:
        """Post what a person did to the webhook, if there is one; it never waits."""
        if self.hook is not None:
            self.hook.send(
                {"event": verb, "project": self.project.name, "person": person, **document}
            )

    def start_job(
        self, kind: Kind, what: str, work: Work, ended: Callable[[], None]
    ) -> JobProgress:
        """As `Jobs.start`; pages of managers are told of the begin and the end.

        Raises:
            StudioError: 409, other work is not done.
        """

        def tell() -> None:
            self.news.tell({"kind": "job"}, role="manager")

        def end() -> None:
            ended()
            tell()

        progress = self.jobs.start(kind, what, work, end)
        tell()
        return progress

    def tell_item(self, item: Item, client: str = "") -> dict[str, object]:
        """Tell all pages that may see an image how it is now; its JSON."""
        described = describe_item(item)
        self.news.tell({"kind": "item", "client": client, "item": item.id, **described}, item)
        return described


def find_client(request: "Request") -> Client:
    """The page that asks.

    Raises:
        StudioError: 400, it has no name.
    """
    name = request.headers.get("x-client", "")
    if not _CLIENT.fullmatch(name):
        raise StudioError(400, "the header X-Client names the page in 8 to 64 letters")
    person: Person = request.state.person
    return Client(name=name, person=person)
