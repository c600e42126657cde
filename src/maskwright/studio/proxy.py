"""A reverse proxy: the address by which browsers reach a studio behind it, and its path.

The proxy may cut the path off (`proxy_pass http://127.0.0.1:8080/;` of nginx) or pass it on.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from ..core.errors import ConfigError
from .headers import secure

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """`origin` is scheme, name and port, "" without a proxy; `path` ends with a slash."""

    origin: str = ""
    path: str = "/"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read the address of a proxy.

        Raises:
            ConfigError: Not an address of HTTP, or it has more than name, port and path.
        """
        try:
            parts = urlsplit(url)
            name, _port = parts.hostname, parts.port
        except ValueError:
            parts, name = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not name or parts.query or parts.fragment:
            raise ConfigError(
                f"--address {url}: not the address of a proxy; expected one as "
                f"https://lab.example.org/studio/"
            )
        path = f"/{parts.path.strip('/')}/".replace("//", "/")
        return cls(f"{parts.scheme}://{parts.netloc.lower()}", path)

    @property
    def name(self) -> str:
        """The host name, in small letters; "" where there is no proxy."""
        return urlsplit(self.origin).hostname or ""

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.origin.startswith("https:")

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


NO_PROXY = PublicAddress()
"""Browsers reach the studio itself."""


def serve_under(app: "ASGIApp", path: str) -> "ASGIApp":
    """The application, also under a path that a proxy passes on."""
    root = path.rstrip("/")

    async def serve(scope: "Scope", receive: "Receive", send: "Send") -> None:
        asked = scope.get("path", "")
        if root and asked == root:
            from starlette.responses import RedirectResponse

            await secure(RedirectResponse(path, status_code=307))(scope, receive, send)
        elif asked.startswith(path):
            await app({**scope, "root_path": root}, receive, send)
        else:
            await app(scope, receive, send)

    return serve
