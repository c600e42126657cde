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
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ..core.httphost import find_hostname, is_foreign
from ..store.database import Database
from ..store.items import end_leases
from ..store.people import (
    Session,
    add_session,
    end_session,
    find_session,
    find_user,
    has_users,
)
from .errors import StudioError
from .people import LOCAL, LoginLimit, Person, require_password
from .proxy import NO_PROXY, PublicAddress

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
HEADER = "x-maskwright"
SESSION_S = 30 * 24 * 3600.0
LOGIN_S = 12 * 3600.0


@dataclass
class Guard:
    """The door of one server at `port`.

    `names` are the host names that it is asked by; one that is public is also asked by its
    addresses, which no foreign name can stand for. `reached` is the address of a proxy.
    """

    store: Database
    port: int
    names: tuple[str, ...] = LOCAL_HOSTS
    is_public: bool = False
    reached: PublicAddress = NO_PROXY
    _limit: LoginLimit = field(default_factory=LoginLimit)
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
            StudioError: 401, not the token, or it was used before, or people log in here.
        """
        if self._token is None or not hmac.compare_digest(token, self._token):
            raise StudioError(
                401,
                "this link was used before, or is not of this start of the studio; start "
                "maskwright studio again for a new one",
            )
        self._token = None
        if self.find_person(connection) is not None:
            return connection.cookies[self.cookie]
        return self._let_in(None, SESSION_S)

    def log_in(self, name: str, password: str, address: str) -> str:
        """The secret of a session of a user, for 12 hours.

        Raises:
            StudioError: 401, another password; 429, after five failures in five minutes.
        """
        keys = (f"name {name}", f"address {address}")
        self._limit.require_free(keys)
        try:
            with self.store.read() as reading:
                require_password(reading, name, password)
        except StudioError:
            self._limit.add_failure(keys)
            raise
        return self._let_in(name, LOGIN_S)

    def log_out(self, person: Person) -> None:
        """End the session of a browser."""
        with self.store.write() as writing:
            end_leases(writing, session=person.session)
            end_session(writing, person.session)

    def find_person(self, connection: "HTTPConnection") -> Person | None:
        """Who asks; None where the browser was not let in.

        Without users, the link lets in one who may do all. With users, it lets in nobody.
        """
        secret = connection.cookies.get(self.cookie, "")
        if not secret:
            return None
        sha = hash_secret(secret)
        with self.store.read() as reading:
            session = find_session(reading, sha, now=time.time())
            if session is None:
                return None
            if session.user is None:
                alone = not has_users(reading)
                return Person(name=LOCAL, role="admin", session=sha) if alone else None
            user = find_user(reading, session.user)
        return None if user is None else Person(name=user.name, role=user.role, session=sha)

    def require_person(self, connection: "HTTPConnection", role: str) -> Person:
        """Who asks, with the rights of a role.

        Raises:
            StudioError: 401, the browser was not let in; 403, not for this person.
        """
        person = self.find_person(connection)
        if person is None:
            if self.asks_names():
                raise StudioError(401, "log in first", {"why": "login"})
            raise StudioError(
                401, "open the link that `maskwright studio` printed; it lets you in once"
            )
        if not person.may(role):
            raise StudioError(
                403,
                f"this is for the role {role} and those above it; {person.name} has the role "
                f"{person.role}",
                {"why": "role"},
            )
        return person

    def find_address(self, connection: "HTTPConnection") -> str:
        """The address of a browser; behind a proxy, as the proxy names it."""
        if self.reached.origin and (named := connection.headers.get("x-forwarded-for")):
            return named.rpartition(",")[2].strip()
        return connection.client.host if connection.client else ""

    def asks_names(self) -> bool:
        """Whether people log in here."""
        with self.store.read() as connection:
            return has_users(connection)

    def _let_in(self, user: str | None, seconds: float) -> str:
        secret, now = secrets.token_urlsafe(32), time.time()
        with self.store.write() as writing:
            session = Session(hash_secret(secret), user)
            add_session(writing, session, expires=now + seconds, now=now)
        return secret

    def require_own_page(self, method: str, headers: Mapping[str, str]) -> None:
        """Refuse other host names, and changes that another site asks for.

        Raises:
            StudioError: 400 or 403.
        """
        host = headers.get("host", "")
        name = find_hostname(host)
        known = (*self.names, self.reached.name)
        if name not in known and not (self.is_public and _is_address(name)):
            raise StudioError(400, f"host {host!r} is not served here; use {self.names[0]}")
        if method in ("GET", "HEAD"):
            return
        origin = headers.get("origin")
        if is_foreign(origin, host) and origin != self.reached.origin:
            raise StudioError(403, "requests from pages of other sites are refused")
        if HEADER not in headers:
            raise StudioError(403, f"a request that changes something has the header {HEADER}")


def hash_secret(secret: str) -> str:
    """The SHA-256 of a secret, which is random and long: it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
