"""Guard: who comes in, and what browsers may do with the pages.

The link that the command prints has a token that works once and gives the browser a cookie.
Requests for another host name are refused (DNS rebinding), and so are requests that change
something and come from pages of other sites: they have another origin, and lack a header that
no form can send.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..store.database import Database
from ..store.items import add_session, has_session
from .errors import StudioError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
HEADER = "x-maskwright"
SESSION_S = 30 * 24 * 3600.0

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass
class Guard:
    """The door of one server at `port`."""

    store: Database
    port: int
    _token: str | None = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def token(self) -> str | None:
        """The token of the link; None once it was used."""
        return self._token

    @property
    def cookie(self) -> str:
        """The name of the cookie: browsers share cookies among the ports of a host."""
        return f"maskwright_studio_{self.port}"

    def exchange(self, token: str, connection: "HTTPConnection") -> str:
        """The secret of a session for the token of the link, which then ends.

        A browser that has a session keeps it, and with it the leases of its pages.

        Raises:
            StudioError: 401, not the token, or it was used before.
        """
        if self._token is None or not hmac.compare_digest(token, self._token):
            raise StudioError(
                401,
                "this link was used before, or is not of this start of the studio; start "
                "maskwright studio again for a new one",
            )
        self._token = None
        if self._is_known(known := connection.cookies.get(self.cookie, "")):
            return known
        secret, now = secrets.token_urlsafe(32), time.time()
        with self.store.write() as writing:
            add_session(writing, hash_secret(secret), expires=now + SESSION_S, now=now)
        return secret

    def find_session(self, connection: "HTTPConnection") -> str:
        """The hash of the secret of the browser that asks.

        Raises:
            StudioError: 401, it has none.
        """
        secret = connection.cookies.get(self.cookie, "")
        if not self._is_known(secret):
            raise StudioError(
                401, "open the link that `maskwright studio` printed; it lets you in once"
            )
        return hash_secret(secret)

    def _is_known(self, secret: str) -> bool:
        if not secret:
            return False
        with self.store.read() as connection:
            return has_session(connection, hash_secret(secret), now=time.time())

    def require_own_page(self, method: str, headers: Mapping[str, str]) -> None:
        """Refuse other host names, and changes that another site asks for.

        Raises:
            StudioError: 400 or 403.
        """
        host = headers.get("host", "")
        if _find_hostname(host) not in LOCAL_HOSTS:
            raise StudioError(400, f"host {host!r} is not served here; use 127.0.0.1")
        if method in ("GET", "HEAD"):
            return
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise StudioError(403, "requests from pages of other sites are refused")
        if HEADER not in headers:
            raise StudioError(403, f"a request that changes something has the header {HEADER}")


def hash_secret(secret: str) -> str:
    """The SHA-256 of a secret, which is random and long: it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _find_hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host
