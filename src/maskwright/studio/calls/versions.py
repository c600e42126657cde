"""Versions: revisions, what changed, going back, tags, and erasing an image."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..erasing import erase
from ..models import Body
from ..protocol import describe_item, parse_number
from ..routing import CLIENT, Parameter, Route, get, in_thread, post, send_json
from ..site import Site, find_client
from ..versions import (
    add_tag,
    copy_labels,
    count_changes,
    list_revisions,
    list_tags,
    read_two,
    restore,
)
from .images import ITEM

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ...store.items import Item

_FROM = Parameter(name="from", text="The revision before", required=True)
_TO = Parameter(name="to", text="The revision after", required=True)


class Target(Body):
    """A revision to go back to."""

    rev: Annotated[int, Field(ge=0)]


class Source(Body):
    """An image whose labels are copied."""

    source: int


class Tag(Body):
    """A name for the accepted images as they are, or for those of them in `items`."""

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
    items: Annotated[list[int] | None, Field(max_length=100_000)] = None


class Reason(Body):
    """Why an image is erased; no names of people, since the log keeps it."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Versions:
    """Calls for what an image was before."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            get(f"{ITEM}/revisions", "viewer", self.list_revisions, "revisions, last first"),
            get(
                f"{ITEM}/diff",
                "viewer",
                self.diff,
                "changed pixels between two revisions by pair of classes",
                parameters=(_FROM, _TO),
            ),
            post(
                f"{ITEM}/restore",
                "annotator",
                self.restore,
                "go back to a revision, as an edit",
                Target,
                parameters=(CLIENT,),
            ),
            post(
                f"{ITEM}/copy",
                "annotator",
                self.copy,
                "copy the labels of another image to unlabelled pixels, as an edit",
                Source,
                parameters=(CLIENT,),
            ),
            post(
                f"{ITEM}/erase",
                "admin",
                self.erase,
                "erase the labels of an image and their history for ever",
                Reason,
            ),
            get("/api/tags", "viewer", self.list_tags, "tags of accepted images"),
            post(
                "/api/tags", "manager", self.add_tag, "tag the accepted images as they are", Tag
            ),
        ]

    async def list_revisions(self, request: "Request") -> "Response":
        """The revisions of an image."""

        def read() -> list[dict[str, object]]:
            with self.site.project.store.read() as connection:
                return list_revisions(connection, self.site.find_item(connection, request))

        return send_json({"revisions": await in_thread(read)})

    async def diff(self, request: "Request") -> "Response":
        """What changed between two revisions."""
        query = request.query_params
        before, after = (parse_number(query.get(name, ""), name) for name in ("from", "to"))
        project = self.site.project

        def count() -> list[dict[str, object]]:
            with project.store.read() as connection:
                item = self.site.find_item(connection, request)
                maps = read_two(connection, item, before, after)
            return [change.to_json() for change in count_changes(*maps, project.spec.names)]

        return send_json({"changes": await in_thread(count)})

    async def restore(self, request: "Request") -> "Response":
        """Go back to a revision."""
        client, rev = find_client(request), request.state.body.rev
        number = request.path_params["item"]
        return self._tell(
            await in_thread(lambda: restore(self.site.project, number, rev, client))
        )

    async def copy(self, request: "Request") -> "Response":
        """Copy the labels of another image."""
        client, source = find_client(request), request.state.body.source
        number = request.path_params["item"]
        return self._tell(
            await in_thread(lambda: copy_labels(self.site.project, number, source, client))
        )

    def _tell(self, item: "Item") -> "Response":
        described = describe_item(item)
        self.site.news.tell({"kind": "edit", "client": "", "item": item.id, **described}, item)
        return send_json(described)

    async def erase(self, request: "Request") -> "Response":
        """Erase an image."""
        number, actor = request.path_params["item"], request.state.person.name
        reason = request.state.body.reason
        removed = await in_thread(lambda: erase(self.site.project, number, reason, actor))
        self.site.news.tell({"kind": "list"})
        return send_json({"removed_tiles": removed})

    async def list_tags(self, _request: "Request") -> "Response":
        """All tags."""
        with self.site.project.store.read() as connection:
            return send_json({"tags": list_tags(connection)})

    async def add_tag(self, request: "Request") -> "Response":
        """Tag the accepted images."""
        body: Tag = request.state.body
        name, actor = body.name, request.state.person.name
        revisions = await in_thread(
            lambda: add_tag(self.site.project, name, actor, items=body.items)
        )
        return send_json({"name": name, "images": len(revisions)})
