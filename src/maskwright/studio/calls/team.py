"""The team: settings, order and progress of the work, guidelines, and numbers of people."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...core.progress import Progress, silent
from ..guidelines import Guideline, change_guideline, draw_example, read_guidelines
from ..models import Body
from ..ordering import LONG, Order, order_items
from ..performance import measure_people
from ..progress import measure_progress
from ..routing import Route, get, in_thread, post, send_bytes, send_json
from ..settings import Settings, change_settings, read_settings
from ..site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class WorkOrder(Body):
    """By what images are ordered; `scores` are numbers by key, the highest comes first."""

    order: Order
    scores: Annotated[dict[str, float], Field(default_factory=dict, max_length=200_000)]


class Team:
    """Calls for how a project is labelled, and how far and how well it is."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            get("/api/settings", "manager", self.show_settings, "how the project is labelled"),
            post("/api/settings", "manager", self.change_settings, "choose settings", Settings),
            get(
                "/api/progress",
                "viewer",
                self.show_progress,
                "states, images left by day, and the projected end",
            ),
            post(
                "/api/order",
                "manager",
                self.order,
                "order the work by `scores`, `uncertainty` or `disagreement` of the model, "
                "`rarity` of classes, the `queue` of `watch --relabel`, or at `random`; the "
                "first three after the scores are jobs",
                WorkOrder,
            ),
            get("/api/guidelines", "viewer", self.show_guidelines, "how classes are labelled"),
            post(
                "/api/guidelines",
                "manager",
                self.change_guideline,
                "write the guideline of a class",
                Guideline,
            ),
            get(
                "/api/guidelines/{name}/{number:int}",
                "viewer",
                self.show_example,
                "an example, with and without its labels",
                media="image/png",
            ),
            get(
                "/api/people",
                "annotator",
                self.list_people,
                "scores, speed and returns of people, by week; of oneself for annotators",
            ),
        ]

    async def show_settings(self, _request: "Request") -> "Response":
        """The settings."""
        with self.site.project.store.read() as connection:
            return send_json(read_settings(connection).model_dump())

    async def change_settings(self, request: "Request") -> "Response":
        """Choose settings."""
        body: Settings = request.state.body
        actor = request.state.person.name
        await in_thread(lambda: change_settings(self.site.project, body, actor))
        return send_json(body.model_dump())

    async def order(self, request: "Request") -> "Response":
        """Give images priorities."""
        body: WorkOrder = request.state.body
        site, actor = self.site, request.state.person.name

        def work(progress: Progress) -> int:
            return order_items(
                site.project, site.assistant, body.order, body.scores, actor, progress
            )

        if body.order in LONG:
            if body.order != "rarity":
                site.assistant.require_model()
            what = f"the order by {body.order}"
            return send_json(site.start_job("order", what, work, self._tell_order).to_json())
        site.jobs.require_free()  # an order that ends later would replace this one
        number = await in_thread(lambda: work(silent))
        self._tell_order()
        return send_json({"state": "finished", "images": number})

    def _tell_order(self) -> None:
        self.site.news.tell({"kind": "list"})

    async def show_progress(self, _request: "Request") -> "Response":
        """How far the work is."""
        today = datetime.now(UTC).date()
        return send_json(await in_thread(lambda: measure_progress(self.site.project, today)))

    async def show_guidelines(self, _request: "Request") -> "Response":
        """How classes are labelled."""
        with self.site.project.store.read() as connection:
            found = read_guidelines(connection)
        return send_json({"guidelines": [guideline.model_dump() for guideline in found]})

    async def change_guideline(self, request: "Request") -> "Response":
        """Write the guideline of a class."""
        body: Guideline = request.state.body
        actor = request.state.person.name
        await in_thread(lambda: change_guideline(self.site.project, body, actor))
        return send_json(body.model_dump())

    async def show_example(self, request: "Request") -> "Response":
        """An example of a guideline."""
        name, number = request.path_params["name"], request.path_params["number"]
        site = self.site
        content = await in_thread(
            lambda: draw_example(site.project, site.pictures, name, number)
        )
        return send_bytes(content, "image/png", "no-store")

    async def list_people(self, request: "Request") -> "Response":
        """Numbers of people."""
        person = request.state.person
        people = await in_thread(lambda: measure_people(self.site.project, person))
        return send_json({"people": people})
