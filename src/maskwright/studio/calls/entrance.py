"""The page and its files, the link, login, and the people of a studio."""

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...core.errors import OutputError
from ...store.items import Item
from ...store.people import list_users
from ..errors import StudioError
from ..guard import LOGIN_S, SESSION_S
from ..models import Body
from ..people import Person, add_user, parse_user, remove_user
from ..pictures import PICTURE_PX
from ..routing import Parameter, Route, get, in_thread, post, send_bytes, send_json
from ..site import Site
from ..tiles import TILE_PX
from ..values import describe_values
from ..visibility import find_visible

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_STATIC = files("maskwright.studio") / "static"
_CLIENT = Parameter(name="client", text="The name of the page that listens")
_REFUSAL = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Studio</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="assets/studio.css"></head>
<body class="refused"><main><h1>The studio does not open here</h1><p>{text}</p></main></body>
</html>
"""


class Login(Body):
    """Who logs in."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=200)]


class NewUser(Body):
    """A user to add or to change."""

    name: Annotated[str, Field(max_length=64)]
    role: str


class Look(Body):
    """The image that a page shows."""

    item: int


class Entrance:
    """Calls that let people in and tell them where they are."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            get("/", None, self.show_page, "the page"),
            get("/assets/{name}", None, self.show_asset, "a script or a style of the page"),
            post("/api/login", None, self.log_in, "log in; the answer has a cookie", Login),
            post("/api/logout", "viewer", self.log_out, "end the session"),
            get("/api/project", "viewer", self.show_project, "name, classes, and who asks"),
            get(
                "/api/events",
                "viewer",
                self.follow,
                "what others do, as server-sent events",
                parameters=(_CLIENT,),
                media="text/event-stream",
            ),
            post(
                "/api/presence",
                "viewer",
                self.look,
                "say which image the page shows; the answer is who looks at which",
                Look,
            ),
            get("/api/users", "manager", self.list_users, "names and roles"),
            post(
                "/api/users",
                "admin",
                self.add_user,
                "add a user or change one; the password is answered once",
                NewUser,
            ),
            post(
                "/api/users/{name}/remove",
                "admin",
                self.remove_user,
                "remove a user, whose images stay as they are",
            ),
        ]

    async def show_page(self, request: "Request") -> "Response":
        """The page; with the token of the link, the cookie and the page without the token."""
        try:
            return self._open_page(request)
        except StudioError as error:
            if "text/html" not in request.headers.get("accept", ""):
                raise
            page = _REFUSAL.format(text=escape(str(error))).encode()
            answer = send_bytes(page, "text/html", cache="no-store")
            answer.status_code = error.status
            return answer

    def _open_page(self, request: "Request") -> "Response":
        from starlette.responses import RedirectResponse

        guard, token = self.site.guard, request.query_params.get("token")
        if token is None:
            if not guard.asks_names():
                guard.require_person(request, "viewer")
            return _serve_file("index.html")
        secret = guard.exchange(token, request)
        # Relative: a proxy may serve the page under any path.
        response = RedirectResponse("./", status_code=303)
        self._set_cookie(request, response, secret, SESSION_S)
        return response

    async def show_asset(self, request: "Request") -> "Response":
        """A script or a style of the page."""
        return _serve_file(f"assets/{request.path_params['name']}")

    async def log_in(self, request: "Request") -> "Response":
        """Let a user in by name and password."""
        body: Login = request.state.body
        address = self.site.guard.find_address(request)
        secret = await in_thread(
            lambda: self.site.guard.log_in(body.name, body.password, address)
        )
        response = send_json({"name": body.name})
        self._set_cookie(request, response, secret, LOGIN_S)
        return response

    async def log_out(self, request: "Request") -> "Response":
        """End the session of this browser."""
        self.site.guard.log_out(request.state.person)
        return send_json({})

    async def show_project(self, request: "Request") -> "Response":
        """Name, classes, who asks, and the constants of the protocol."""
        person, project = request.state.person, self.site.project
        return send_json(
            {
                "name": project.name,
                "person": {"name": person.name, "role": person.role},
                "classes": project.spec.to_json(),
                "has_model": self.site.model is not None,
                "has_frames": len(project.data.dataset) > 1,
                "has_sam": self.site.sam is not None,
                "tile_px": TILE_PX,
                "picture_px": PICTURE_PX,
                **describe_values(project.data.dataset),
            }
        )

    async def follow(self, request: "Request") -> "Response":
        """What others do, as server-sent events."""
        from starlette.responses import StreamingResponse

        # The second header is for nginx, which otherwise holds messages back.
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        client = request.query_params.get("client", "")
        person: Person = request.state.person

        def is_in() -> bool:
            try:
                return self.site.guard.find_person(request) == person
            except OutputError:  # the store is away, the session may be there
                return True

        stream = self.site.news.listen(person, client, is_in)
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def look(self, request: "Request") -> "Response":
        """Note which image a page shows, until its events end."""
        person: Person = request.state.person
        body: Look = request.state.body
        project = self.site.project

        def find() -> Item:
            with project.store.read() as connection:
                return find_visible(project, connection, body.item, person)

        item = await in_thread(find)
        self.site.news.look(request.headers.get("x-client", ""), person, item)
        return send_json({"looks": self.site.news.list_looks(person)})

    async def list_users(self, _request: "Request") -> "Response":
        """Names and roles of all users."""
        with self.site.project.store.read() as connection:
            users = [{"name": u.name, "role": u.role} for u in list_users(connection)]
        return send_json({"users": users})

    async def add_user(self, request: "Request") -> "Response":
        """Add a user, or give one a new role and password."""
        body: NewUser = request.state.body
        name, role = parse_user(f"{body.name}:{body.role}")
        store, actor = self.site.project.store, request.state.person.name
        password = await in_thread(lambda: add_user(store, name, role, actor=actor))
        return send_json({"name": name, "role": role, "password": password})

    async def remove_user(self, request: "Request") -> "Response":
        """Remove a user."""
        name, actor = request.path_params["name"], request.state.person.name
        store = self.site.project.store
        await in_thread(lambda: remove_user(store, name, actor=actor))
        return send_json({"name": name})

    def _set_cookie(
        self, request: "Request", response: "Response", secret: str, seconds: float
    ) -> None:
        response.set_cookie(
            self.site.guard.cookie,
            secret,
            max_age=int(seconds),
            httponly=True,
            samesite="strict",
            path=self.site.guard.reached.path,
            secure=self.site.guard.reached.is_secure or request.url.scheme == "https",
        )


def _serve_file(name: str) -> "Response":
    path = _STATIC.joinpath(*name.split("/"))
    kind = _TYPES.get(f".{name.rpartition('.')[2]}")
    if kind is None or ".." in name or not path.is_file():
        raise StudioError(404, f"no file {name}")
    return send_bytes(path.read_bytes(), kind, cache="no-cache")
