"""Review: steps from state to state, comments, and whose work an image is."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ...store.items import Item
from ..assignment import assign
from ..bulk import Bulk, describe_refusals, take_steps
from ..comments import (
    MOST_LETTERS,
    add_comment,
    describe_comment,
    list_comments,
    resolve_comment,
)
from ..copies import follow_step
from ..models import Body
from ..people import Person
from ..protocol import describe_item, parse_rev
from ..routing import CLIENT, REVISION, Route, get, in_thread, post, send_json
from ..site import Site, find_client
from ..states import STEPS, change_state
from .images import ITEM

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_TEXTS = {
    "submit": "submit for review",
    "review": "begin a review, in which the reviewer may paint",
    "return": "return to the annotator",
    "accept": "accept; a `waiver` is the reason where comments are open",
    "reopen": "reopen what is accepted",
}


class Acceptance(Body):
    """Why an image is accepted whose comments are open."""

    waiver: Annotated[str, Field(max_length=MOST_LETTERS)] = ""


class NewComment(Body):
    """A comment on the whole image, at a pixel, or in a thread."""

    text: Annotated[str, Field(min_length=1, max_length=MOST_LETTERS)]
    at_xy: tuple[float, float] | None = None
    thread: int | None = None


class Resolution(Body):
    """Whether a thread is open."""

    open: bool


class Assignment(Body):
    """Images, and the people whose work they become; nobody's without people."""

    items: Annotated[list[int], Field(min_length=1, max_length=100_000)]
    people: Annotated[list[str], Field(max_length=1000)]
    rule: Literal["group", "round-robin", "queue"] = "round-robin"


class Review:
    """Calls of annotators, reviewers and managers."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            *(self._make_step(verb) for verb in STEPS),
            post(
                "/api/steps",
                "reviewer",
                self.take_steps,
                "accept or return many images; the answer has how many, and refusals",
                Bulk,
            ),
            get(f"{ITEM}/comments", "viewer", self.list_comments, "the comments on an image"),
            post(
                f"{ITEM}/comments",
                "annotator",
                self.add_comment,
                "comment on an image, at a pixel, or in a thread",
                NewComment,
            ),
            post(
                f"{ITEM}/comments/{{comment:int}}",
                "annotator",
                self.resolve_comment,
                "resolve a thread, or open it again",
                Resolution,
            ),
            post(
                "/api/assign",
                "manager",
                self.assign,
                "make images the work of people: by `group`, `round-robin` or `queue`",
                Assignment,
            ),
        ]

    async def take_steps(self, request: "Request") -> "Response":
        """Accept or return many images."""
        body: Bulk = request.state.body
        project, person = self.site.project, request.state.person
        done, others, refused = await in_thread(lambda: take_steps(project, body, person))
        if body.verb == "accept":
            for item in done:
                self.site.send_hook("accept", person.name, {"item": describe_item(item)})
        self.site.news.tell({"kind": "list"})
        for item in (*done, *others):
            self.site.tell_item(item)
        return send_json({"images": len(done), "refused": describe_refusals(refused)})

    def _make_step(self, verb: str) -> Route:
        return post(
            f"{ITEM}/steps/{verb}",
            STEPS[verb].role,
            partial(self.take_step, verb=verb),
            _TEXTS[verb],
            Acceptance if verb == "accept" else None,
            parameters=(CLIENT, REVISION),
        )

    async def take_step(self, request: "Request", verb: str) -> "Response":
        """Submit, review, return, accept or reopen an image."""
        from starlette.background import BackgroundTask

        client = find_client(request)
        waiver = request.state.body.waiver if verb == "accept" else ""
        number = request.path_params["item"]
        rev = parse_rev(request.headers.get("if-match", ""))
        project, person = self.site.project, client.person
        item = await in_thread(
            lambda: change_state(project, number, verb, rev, person, waiver=waiver)
        )
        answer = send_json(self.site.tell_item(item, client.name))
        if verb in ("submit", "accept"):
            self.site.send_hook(verb, person.name, {"item": describe_item(item)})
        if verb == "submit" and item.kind != "practice":
            # After the answer: gold, which is scored then, takes no longer than other work.
            answer.background = BackgroundTask(self._follow, item, verb)
        else:
            await self._follow(item, verb)
        return answer

    async def _follow(self, item: Item, verb: str) -> None:
        for other in await in_thread(lambda: follow_step(self.site.project, item, verb)):
            self.site.tell_item(other)

    async def list_comments(self, request: "Request") -> "Response":
        """The comments on an image, oldest first."""
        number, person = request.path_params["item"], request.state.person
        found = await in_thread(lambda: list_comments(self.site.project, number, person))
        return send_json({"comments": [describe_comment(c) for c in found]})

    async def add_comment(self, request: "Request") -> "Response":
        """Comment on an image."""
        body: NewComment = request.state.body
        person: Person = request.state.person
        number = request.path_params["item"]
        comment = await in_thread(
            lambda: add_comment(
                self.site.project,
                number,
                body.text,
                person,
                at_xy=body.at_xy,
                thread=body.thread,
            )
        )
        described = describe_comment(comment)
        self.site.send_hook("comment", person.name, {"item_id": number, "comment": described})
        return self._tell_comment(request, described)

    async def resolve_comment(self, request: "Request") -> "Response":
        """Resolve a thread, or open it again."""
        number, comment_id = request.path_params["item"], request.path_params["comment"]
        project, person, is_open = (
            self.site.project,
            request.state.person,
            request.state.body.open,
        )
        comment = await in_thread(
            lambda: resolve_comment(project, number, comment_id, person, is_open=is_open)
        )
        return self._tell_comment(request, describe_comment(comment))

    def _tell_comment(self, request: "Request", comment: dict[str, object]) -> "Response":
        item = self.site.find_seen(request)
        self.site.news.tell({"kind": "comment", "item": item.id, "comment": comment}, item)
        return send_json(comment)

    async def assign(self, request: "Request") -> "Response":
        """Make images the work of people."""
        body: Assignment = request.state.body
        actor = request.state.person.name
        items = await in_thread(
            lambda: assign(self.site.project, body.items, body.people, body.rule, actor)
        )
        self.site.news.tell({"kind": "list"})  # also to those who do not see them any more
        return send_json({"items": [describe_item(item) for item in items]})
