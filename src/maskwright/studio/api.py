"""The application of a studio: all calls, each for those of its role."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from ..measurement.events.webhook import Webhook
from .calls.entrance import Entrance
from .calls.exchange import Exchange
from .calls.images import Images
from .calls.quality import Quality
from .calls.review import Review
from .calls.team import Team
from .calls.versions import Versions
from .guard import Guard
from .live import News
from .openapi import make_document
from .project import Project
from .routing import Route, answer_fault, answer_missing, get, make_answer, send_json
from .site import Site

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from ..inference.segment_anything import SegmentAnything


def make_app(
    project: Project,
    guard: Guard,
    news: News,
    *,
    hook: Webhook | None = None,
    model: str | None = None,
    sam: "SegmentAnything | None" = None,
) -> "Starlette":
    """The application of one project.

    A webhook is told of what is submitted and said; a model makes proposals, and graphs find
    objects by clicks and boxes.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route as HttpRoute

    site = Site(project, guard, news, hook, model, sam)
    app = Starlette(
        routes=[
            HttpRoute(route.path, make_answer(route, guard), methods=[route.method])
            for route in list_routes(site)
        ],
        exception_handlers={HTTPException: answer_missing, Exception: answer_fault},
    )
    app.router.redirect_slashes = False  # its answers would lack the headers of the others
    return app


def list_routes(site: Site) -> list[Route]:
    """All calls, the page among them."""
    groups = (
        Entrance(site),
        Images(site),
        Review(site),
        Quality(site),
        Team(site),
        Versions(site),
        Exchange(site),
    )
    routes = [route for group in groups for route in group.list_routes()]

    async def show_document(_request: "Request") -> "Response":
        return send_json(make_document(routes, version("maskwright")))

    routes.append(
        get(
            "/api/openapi.json",
            "viewer",
            show_document,
            "all calls as an OpenAPI document",
        )
    )
    return routes
