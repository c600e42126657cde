"""The calls of the studio over HTTP, and the files of its page."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, TypeVar

from ..core.errors import DataError, MaskwrightError, OutputError
from ..store import items as stored
from ..store.chain import list_events
from ..store.people import list_users
from .editing import Client, Request, apply_edit, end_lease, take_lease
from .errors import StudioError
from .guard import LOGIN_S, SECURITY_HEADERS, SESSION_S, Guard
from .live import News
from .people import Person, add_user, parse_user
from .pictures import PICTURE_PX, Pictures, count_levels
from .project import Project
from .protocol import (
    MOST_BYTES,
    describe_item,
    describe_tiles,
    join_blobs,
    parse_body,
    parse_key,
    parse_rev,
    parse_shas,
)
from .states import STEPS, assign, change_state
from .tiles import TILE_PX

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response

T = TypeVar("T")

_CLIENT = re.compile(r"[\w-]{8,64}")
_SMALL = 4096
_FOR_EVER = "private, max-age=31536000, immutable"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_STATIC = files(__package__) / "static"


def make_app(project: Project, guard: Guard, news: News) -> "Starlette":
    """The application of one project."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    calls = Calls(project, guard, news)
    return Starlette(
        routes=[
            Route(path, _answer(call, guard, role), methods=[method])
            for method, path, role, call in list_routes(calls)
        ]
    )


def list_routes(calls: "Calls") -> "list[tuple[str, str, str | None, _Call]]":
    """Method, path, the least role (None: everybody), and the call of each route."""
    item = "/api/items/{item:int}"
    tile = "/picture/{level:int}/{column:int}/{row:int}"
    return [
        ("GET", "/", None, calls.show_page),
        ("GET", "/assets/{name}", None, calls.show_asset),
        ("POST", "/api/login", None, calls.log_in),
        ("POST", "/api/logout", "viewer", calls.log_out),
        ("GET", "/api/project", "viewer", calls.show_project),
        ("GET", "/api/items", "viewer", calls.list_items),
        ("GET", item, "viewer", calls.show_item),
        ("GET", item + "/edits", "viewer", calls.list_edits),
        ("POST", item + "/edits", "annotator", calls.add_edit),
        ("POST", item + "/lease", "annotator", calls.lease),
        ("POST", item + "/annotator", "manager", calls.assign),
        *(
            ("POST", f"{item}/steps/{verb}", step.role, partial(calls.take_step, verb=verb))
            for verb, step in STEPS.items()
        ),
        ("GET", item + tile, "viewer", calls.show_picture),
        ("GET", "/api/tiles/{shas}", "viewer", calls.show_tiles),
        ("GET", "/api/events", "viewer", calls.follow),
        ("GET", "/api/users", "admin", calls.list_users),
        ("POST", "/api/users", "admin", calls.add_user),
    ]


@dataclass
class Calls:
    """One method for each call; each is answered for a browser that was let in."""

    project: Project
    guard: Guard
    news: News
    pictures: Pictures = field(init=False)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.project)

    async def show_page(self, request: "HttpRequest") -> "Response":
        """The page; with the token of the link, the cookie and the page without the token."""
        from starlette.responses import RedirectResponse

        token = request.query_params.get("token")
        if token is None:
            if not self.guard.asks_names():
                self.guard.require_person(request, "viewer")
            return _serve_file("index.html")
        secret = self.guard.exchange(token, request)
        response = RedirectResponse("/", status_code=303)
        self._set_cookie(request, response, secret, SESSION_S)
        return response

    async def log_in(self, request: "HttpRequest") -> "Response":
        """Let a user in by name and password."""
        name, password = await _read_texts(request, "name", "password")
        address = request.client.host if request.client else ""
        secret = await _in_thread(lambda: self.guard.log_in(name, password, address))
        response = _json({"name": name})
        self._set_cookie(request, response, secret, LOGIN_S)
        return response

    async def log_out(self, request: "HttpRequest") -> "Response":
        """End the session of this browser."""
        self.guard.log_out(request.state.person)
        return _json({})

    async def list_users(self, _request: "HttpRequest") -> "Response":
        """Names and roles of all users."""
        with self.project.store.read() as connection:
            users = [{"name": u.name, "role": u.role} for u in list_users(connection)]
        return _json({"users": users})

    async def add_user(self, request: "HttpRequest") -> "Response":
        """Add a user, or give one a new role and password; the password is answered once."""
        name, role = parse_user(":".join(await _read_texts(request, "name", "role")))
        store, actor = self.project.store, request.state.person.name
        password = await _in_thread(lambda: add_user(store, name, role, actor=actor))
        return _json({"name": name, "role": role, "password": password})

    def _set_cookie(
        self, request: "HttpRequest", response: "Response", secret: str, seconds: float
    ) -> None:
        response.set_cookie(
            self.guard.cookie,
            secret,
            max_age=int(seconds),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    async def show_asset(self, request: "HttpRequest") -> "Response":
        """A script or a style of the page."""
        return _serve_file(f"assets/{request.path_params['name']}")

    async def show_project(self, request: "HttpRequest") -> "Response":
        """Name, classes, who asks, and the constants of the protocol."""
        person: Person = request.state.person
        return _json(
            {
                "name": self.project.name,
                "person": {"name": person.name, "role": person.role},
                "classes": self.project.spec.to_json(),
                "tile_px": TILE_PX,
                "picture_px": PICTURE_PX,
            }
        )

    async def list_items(self, _request: "HttpRequest") -> "Response":
        """All images with their states."""

        def read() -> list[dict[str, object]]:
            known = self.project.data.index_by_key
            with self.project.store.read() as connection:
                items = stored.list_items(connection)
                return [describe_item(item) for item in items if item.key in known]

        return _json({"items": await _in_thread(read)})

    async def show_item(self, request: "HttpRequest") -> "Response":
        """One image, the hashes of its tiles, and the levels of its picture."""
        number = request.path_params["item"]
        item, tiles = await _in_thread(lambda: self.project.open_item(number))
        levels = count_levels(item.size_HW or (1, 1))
        more = {"tiles": describe_tiles(tiles), "levels": levels}
        return _json({**describe_item(item), **more})

    async def list_edits(self, request: "HttpRequest") -> "Response":
        """The edits of one image, so that a page can undo them; `?after=3` those after 3."""
        number = request.path_params["item"]
        after = parse_rev(request.query_params.get("after", "0"))

        def read() -> list[dict[str, object]]:
            with self.project.store.read() as connection:
                self.project.find_item(connection, number)
                events = list_events(connection, item_id=number, verb="edit", after=after)
                return [{"seq": e.seq, "at": e.at, **e.document} for e in events]

        return _json({"edits": await _in_thread(read)})

    async def add_edit(self, request: "HttpRequest") -> "Response":
        """Apply an edit; it is durable when this is answered."""
        client = self._find_client(request)
        number = request.path_params["item"]
        received = parse_body(await _read_body(request))
        asked = Request(
            item_id=number,
            key=parse_key(request.headers.get("idempotency-key", "")),
            rev=parse_rev(request.headers.get("if-match", "")),
            edit=received.edit,
            patches=received.patches,
        )
        result = await _in_thread(lambda: apply_edit(self.project, asked, client))
        tiles = describe_tiles(result.tiles)
        told = {"item": number, "rev": result.rev, "state": "in_progress", "tiles": tiles}
        self.news.tell({"kind": "edit", "client": client.name, **told})
        return _json({"rev": result.rev, "tiles": tiles, "px_changed": result.px_changed})

    async def lease(self, request: "HttpRequest") -> "Response":
        """Take, prolong, take over (`?take=over`) or give back (`?take=end`) a lease."""
        client = self._find_client(request)
        number, take = request.path_params["item"], request.query_params.get("take", "")

        def change() -> dict[str, object]:
            if take == "end":
                end_lease(self.project, number, client)
                with self.project.store.read() as connection:
                    return describe_item(self.project.find_item(connection, number))
            take_over = take == "over"
            item = take_lease(self.project, number, client, take_over=take_over)
            return describe_item(item)

        described = await _in_thread(change)
        self.news.tell({"kind": "item", "client": client.name, "item": number, **described})
        return _json(described)

    async def take_step(self, request: "HttpRequest", verb: str) -> "Response":
        """Submit, return, accept or reopen an image."""
        client = self._find_client(request)
        number, actor = request.path_params["item"], client.person.name
        rev = parse_rev(request.headers.get("if-match", ""))
        item = await _in_thread(lambda: change_state(self.project, number, verb, rev, actor))
        described = describe_item(item)
        self.news.tell({"kind": "item", "client": client.name, "item": number, **described})
        return _json(described)

    async def assign(self, request: "HttpRequest") -> "Response":
        """Make an image the work of a user; an empty name frees it."""
        client, number = self._find_client(request), request.path_params["item"]
        (name,) = await _read_texts(request, "annotator")
        actor = client.person.name
        item = await _in_thread(lambda: assign(self.project, number, name or None, actor))
        described = describe_item(item)
        self.news.tell({"kind": "item", "client": client.name, "item": number, **described})
        return _json(described)

    async def show_picture(self, request: "HttpRequest") -> "Response":
        """One tile of the picture of an image."""
        from starlette.responses import Response

        number = request.path_params["item"]
        at = [request.path_params[name] for name in ("level", "column", "row")]

        def read() -> tuple[bytes, str]:
            with self.project.store.read() as connection:
                key = self.project.find_item(connection, number).key
            return self.pictures.read_tile(key, *at)

        content, kind = await _in_thread(read)
        headers = {"cache-control": "private, max-age=3600"}
        return Response(content, media_type=kind, headers=headers)

    async def show_tiles(self, request: "HttpRequest") -> "Response":
        """Some tiles by their hashes; they never change, so that browsers keep them."""
        from starlette.responses import Response

        shas = parse_shas(request.path_params["shas"])

        def read() -> bytes:
            with self.project.store.read() as connection:
                blobs = stored.read_blobs(connection, shas)
            missing = [sha for sha in shas if sha not in blobs]
            if missing:
                raise StudioError(404, f"no tile {missing[0]}")
            return join_blobs(blobs[sha] for sha in shas)

        content = await _in_thread(read)
        headers = {"cache-control": _FOR_EVER}
        return Response(content, media_type="application/octet-stream", headers=headers)

    async def follow(self, _request: "HttpRequest") -> "Response":
        """What others do, as server-sent events."""
        from starlette.responses import StreamingResponse

        headers = {"cache-control": "no-store"}
        stream = self.news.listen()
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    def _find_client(self, request: "HttpRequest") -> Client:
        name = request.headers.get("x-client", "")
        if not _CLIENT.fullmatch(name):
            raise StudioError(400, "the header X-Client names the page in 8 to 64 letters")
        return Client(name=name, person=request.state.person)


_Call = Callable[["HttpRequest"], Awaitable["Response"]]


def _answer(call: _Call, guard: Guard, role: str | None) -> _Call:
    """The call for those of a role, with errors as JSON and the headers of every answer."""

    async def answer(request: "HttpRequest") -> "Response":
        try:
            guard.require_own_page(request.method, request.headers)
            if role is not None:
                request.state.person = guard.require_person(request, role)
            response = await call(request)
        except StudioError as error:
            response = _json({"error": str(error), **error.details}, status=error.status)
        except OutputError as error:
            response = _json({"error": str(error), "why": "disk"}, status=507)
        except MaskwrightError as error:
            response = _json({"error": str(error)}, status=422)
        for name, value in SECURITY_HEADERS.items():
            response.headers[name] = value
        return response

    return answer


async def _in_thread(work: Callable[[], T]) -> T:
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work)


async def _read_body(request: "HttpRequest", most_bytes: int = MOST_BYTES) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most_bytes:
            raise StudioError(413, f"the body has at most {most_bytes:,} bytes")
    return bytes(content)


async def _read_texts(request: "HttpRequest", *names: str) -> list[str]:
    """Texts of a small JSON object."""
    try:
        document = json.loads(await _read_body(request, most_bytes=_SMALL))
        texts = [document[name] for name in names]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the body is a JSON object with {' and '.join(names)}") from error
    if not all(isinstance(text, str) for text in texts):
        raise DataError(f"{' and '.join(names)} are texts")
    return texts


def _serve_file(name: str) -> "Response":
    from starlette.responses import Response

    path = _STATIC.joinpath(*name.split("/"))
    kind = _TYPES.get(f".{name.rpartition('.')[2]}")
    if kind is None or ".." in name or not path.is_file():
        raise StudioError(404, f"no file {name}")
    headers = {"cache-control": "no-cache"}
    return Response(path.read_bytes(), media_type=kind, headers=headers)


def _json(document: object, status: int = 200) -> "Response":
    from starlette.responses import JSONResponse

    headers = {"cache-control": "no-store"}
    return JSONResponse(document, status_code=status, headers=headers)
