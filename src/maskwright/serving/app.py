"""The application: routes from the table of endpoints, each guarded, timed and logged."""

import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.errors import MaskwrightError
from .docs import TABLE
from .endpoints import Endpoint, Endpoints
from .errors import HANDLED, answer_exception
from .log import Log, write_log
from .receiving import TOO_SLOW, Body
from .service import Service, request_id

GONE = 499
"""Status in the log of a request whose client went away."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def build_app(service: Service, *, log: Log = write_log, table: Endpoints = TABLE) -> ASGIApp:
    """The application of a service; its models are started and stopped by the caller."""
    routes = [Route(e.path, _serve(service, e, log), methods=[e.method]) for e in table]
    app = Starlette(routes=routes, exception_handlers=dict.fromkeys(HANDLED, answer_exception))
    return _secure(app, service.limits.receive_s)


def _secure(app: ASGIApp, most_s: float) -> ASGIApp:
    """The application with headers of security on every answer, also where no route fits.

    Errors are sent when the body has come, for which `most_s` seconds are left.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, Headers(scope=scope))

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 400 and message["status"] != TOO_SLOW:
                    await body.discard(most_s)
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, body.receive, send_secured)

    return run


def _serve(
    service: Service, endpoint: Endpoint, log: Log
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        number = request.state.number = request_id(request)
        with service.tracing.follow(request, endpoint.path, number) as span:
            response = await answer_in_span(request, number)
            span.end_with(response.status_code)
        return response

    async def answer_in_span(request: Request, number: str) -> Response:
        began_s = time.monotonic()
        reason: dict[str, object] = {}
        try:
            service.access.require_place(request)
            service.access.require_scope(request, endpoint.scope)
            response = await endpoint.answer(service, request)
        except ClientDisconnect:
            response = Response(status_code=GONE)
        except Exception as error:  # noqa: BLE001 - every error is answered, and logged
            response = await answer_exception(request, error)
            reason = {"error": str(error)}
            if not isinstance(error, MaskwrightError):
                reason["traceback"] = traceback.format_exc()
        response.headers["X-Request-Id"] = number
        seconds = time.monotonic() - began_s
        service.metrics.add_request(endpoint.path, response.status_code, seconds)
        if endpoint.scope or response.status_code >= 500:
            log(_describe(request, response, number, seconds) | reason)
        return response

    return answer


def _describe(
    request: Request, response: Response, number: str, seconds: float
) -> dict[str, object]:
    """A line of the log: no header and no body of the client."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": number,
        "client": request.client.host if request.client else None,
        "method": request.method,
        "path": request.url.path,
        "status": response.status_code,
        "ms": round(1000 * seconds, 1),
        "model": response.headers.get("Maskwright-Model"),
    }
