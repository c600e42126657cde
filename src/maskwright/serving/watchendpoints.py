"""`/watch`: the dashboard, what an operator does there, and the pictures that it shows."""

import asyncio
import re
import time

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from ..store.alarms import acknowledge
from .access import ADMIN
from .errors import ServingError
from .page import answer_page, read_asset
from .service import Service
from .watch.dashboard import render_dashboard
from .watch.figures import gather_figures
from .watch.keeper import to_view
from .watch.watching import require_watch

_IMAGE = re.compile(r"[0-9][0-9a-z.-]{1,80}")


async def show_dashboard(service: Service, request: Request) -> Response:
    """The page of one view, by the query `span`, `bundle` and `source`."""
    watch = require_watch(service.watch)
    figures = await asyncio.to_thread(
        gather_figures, watch.database, watch.judge, dict(request.query_params)
    )
    script = read_asset("watch/dashboard.js")
    page = render_dashboard(
        figures,
        style=read_asset("watch/dashboard.css"),
        script=script,
        may_operate=service.access.has_scope(request, ADMIN),
        keeps=watch.keeper is not None,
        facts=watch.describe(),
    )
    return answer_page(page, script, forms=True)


async def acknowledge_alarm(service: Service, request: Request) -> Response:
    """Note that an operator has seen an alarm, and show the page again."""
    watch = require_watch(service.watch)
    number = request.path_params["alarm"]
    who = service.access.name_client(request)

    def note() -> bool:
        with watch.database.write() as connection:
            return acknowledge(connection, number, who, time.time())

    if not await asyncio.to_thread(note):
        raise ServingError(404, f"there is no alarm {number}")
    return RedirectResponse("../../../watch", 303)


async def send_picture(service: Service, request: Request) -> Response:
    """The small picture of a kept image."""
    keeper = require_watch(service.watch).keeper
    name = request.path_params["image"]
    path = None if keeper is None else to_view(keeper.folder / name)
    if path is None or not _IMAGE.fullmatch(name) or not path.is_file():
        raise ServingError(404, "this image is not kept here")
    return FileResponse(path, media_type="image/jpeg")


async def lead_to_dashboard(_service: Service, _request: Request) -> Response:
    """From the address alone to the page."""
    return RedirectResponse("watch", 303)
