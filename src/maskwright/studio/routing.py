"""Routes: the table of calls; the application and its OpenAPI document are made of it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..core.errors import MaskwrightError, OutputError
from .errors import StudioError
from .guard import Guard
from .headers import secure
from .models import Body, parse_model
from .protocol import MOST_BYTES

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

T = TypeVar("T")

Call = Callable[["Request"], Awaitable["Response"]]

_SMALL = 1 << 20
"""Bytes of a JSON body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of the query or a header; `where` is that of OpenAPI."""

    name: str
    text: str
    where: str = "query"
    required: bool = False


CLIENT = Parameter(name="X-Client", text="A name that the client chooses", where="header")
REVISION = Parameter(
    name="If-Match", text="The revision that was seen", where="header", required=True
)


@dataclass(frozen=True, slots=True)
class Route:
    """One call: `role` is the least that may ask (None: everybody).

    `body` is the model of its JSON, `takes` the media type of another body, `text` says what
    the call does, and `media` is the type of an answer that is not JSON.
    """

    method: str
    path: str
    role: str | None
    call: Call
    text: str
    body: type[Body] | None = None
    _: KW_ONLY
    takes: str = ""
    parameters: tuple[Parameter, ...] = ()
    media: str = "application/json"

    @property
    def plain_path(self) -> str:
        """The path with `{name}` for each part that varies."""
        return re.sub(r":\w+\}", "}", self.path)


get = partial(Route, "GET")
"""A call that reads."""

post = partial(Route, "POST")
"""A call that changes something, or may."""


def make_answer(route: Route, guard: Guard) -> Call:
    """The call for those of its role, with errors as JSON and the headers of every answer."""

    async def answer(request: "Request") -> "Response":
        try:
            guard.require_own_page(request.method, request.headers)
            if route.role is not None:
                request.state.person = guard.require_person(request, route.role)
            if route.body is not None:
                request.state.body = parse_model(route.body, await read_body(request, _SMALL))
            response = await route.call(request)
        except StudioError as error:
            response = send_json({"error": str(error), **error.details}, status=error.status)
        except OutputError as error:
            response = send_json({"error": str(error), "why": "disk"}, status=507)
        except MaskwrightError as error:
            response = send_json({"error": str(error)}, status=422)
        return secure(response)

    return answer


async def answer_missing(request: "Request", error: Exception) -> "Response":
    """The answer where no call fits: Starlette's HTTPException, as the refusals of calls."""
    text = f"there is no call {request.method} {request.url.path}; /api/openapi.json has all"
    return secure(send_json({"error": text}, status=getattr(error, "status_code", 404)))


async def answer_fault(_request: "Request", _error: Exception) -> "Response":
    """The answer to a request that ends in a bug, whose traceback the log has."""
    text = "the studio has a fault; what it wrote to its terminal says which"
    return secure(send_json({"error": text}, status=500))


async def in_thread(work: Callable[[], T]) -> T:
    """Run work that waits for the disk, while others are answered."""
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work)


async def read_body(request: "Request", most_bytes: int = MOST_BYTES) -> bytes:
    """The body of a request.

    Raises:
        StudioError: 413, it is too long.
    """
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most_bytes:
            raise StudioError(413, f"the body has at most {most_bytes:,} bytes")
    return bytes(content)


def send_json(document: object, status: int = 200) -> "Response":
    """An answer in JSON that no browser keeps."""
    from starlette.responses import JSONResponse

    headers = {"cache-control": "no-store"}
    return JSONResponse(document, status_code=status, headers=headers)


def send_bytes(content: bytes, media: str, cache: str = "private, max-age=3600") -> "Response":
    """An answer that is not JSON."""
    from starlette.responses import Response

    return Response(content, media_type=media, headers={"cache-control": cache})
