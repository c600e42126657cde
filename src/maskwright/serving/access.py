"""Who may ask for what: tokens with scopes, hosts, origins, and a rate for each client.

A token file has one line per token: its name, the SHA-256 of the token in hex, and its scopes
(predict, metrics, admin) joined by commas. The token itself is nowhere on the server.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from ..core.atomic import write_text
from ..core.errors import ConfigError
from ..core.httphost import find_hostname, is_foreign
from ..core.textfile import read_text
from .errors import ServingError, refuse_later

PREDICT, METRICS, ADMIN = "predict", "metrics", "admin"
SCOPES = (PREDICT, METRICS, ADMIN)
OPEN = ""
"""The scope of what needs no token: health, and the page without its data."""

OPERATE = "operate"
"""Of what operators do at the dashboard: tokens with the scope admin may, also without --admin,
which is about models."""

_LOCAL = ("localhost", "127.0.0.1", "::1")
_BEARER, _BASIC = "bearer ", "basic "
_PAGES = "/watch"
"""Pages that need a token: there a browser asks for it as a password, of any user."""

_HASH = re.compile("[0-9a-f]{64}")
_MOST_CLIENTS = 10_000


def name_scope(scope: str) -> str:
    """The scope that a token needs for an endpoint of `scope`; "" where it needs none."""
    return ADMIN if scope == OPERATE else scope


@dataclass(frozen=True, slots=True)
class Token:
    """The name, hash and scopes of one token."""

    name: str
    sha256: str
    scopes: tuple[str, ...]


def read_tokens(path: Path) -> list[Token]:
    """Read a token file.

    Raises:
        ConfigError: A line is not a token, or the file has none.
        DataError: The file cannot be read.
    """
    tokens = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        scopes = tuple(words[-1].split(","))
        if len(words) != 3 or not _HASH.fullmatch(words[1]) or not set(scopes) <= set(SCOPES):
            raise ConfigError(
                f"{path}:{number}: expected NAME SHA256 SCOPES, with scopes of "
                f"{', '.join(SCOPES)}; make one with maskwright serve --new-token"
            )
        tokens.append(Token(words[0], words[1], scopes))
    if not tokens:
        raise ConfigError(f"{path}: has no token; make one with maskwright serve --new-token")
    return tokens


def add_token(path: Path, text: str) -> str:
    """Add a token `NAME:SCOPE,SCOPE` to a file, and return it: it is shown once.

    Raises:
        ConfigError: Not a name and scopes, or the name is taken.
        OutputError: The file cannot be written.
    """
    name, _, scopes = text.partition(":")
    if not name or len(name.split()) != 1 or not set(scopes.split(",")) <= set(SCOPES):
        raise ConfigError(f"{text!r}: write NAME:SCOPES, with scopes of {', '.join(SCOPES)}")
    known = read_text(path) if path.is_file() else ""
    if any(line.split()[:1] == [name] for line in known.splitlines()):
        raise ConfigError(f"{path}: has a token named {name!r}; remove its line first")
    token = secrets.token_urlsafe(32)
    line = f"{name} {hash_token(token)} {scopes}\n"
    write_text(path, known + line)
    path.chmod(0o600)
    return token


def hash_token(token: str) -> str:
    """The SHA-256 of a token, which is random and long: it needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


class _Rates:
    """A bucket of allowance for each client, refilled all the time."""

    def __init__(self, per_s: float | None) -> None:
        self._per_s = per_s
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        if self._per_s is None:
            return
        now_s, most = time.monotonic(), max(1.0, 2 * self._per_s)
        left, at_s = self._known.pop(client, (most, now_s))
        left = min(most, left + (now_s - at_s) * self._per_s)
        self._known[client] = max(0.0, left - 1), now_s
        if len(self._known) > _MOST_CLIENTS:
            self._known.popitem(last=False)
        if left < 1:
            raise refuse_later(
                429,
                f"over {self._per_s:g} requests per second; come again later",
                (1 - left) / self._per_s,
            )


class Access:
    """Decides whether a request is answered.

    Args:
        host: The address that the server listens on.
        tokens: None where anybody may ask, on this machine alone.
        allowed_hosts: Names by which clients may call the server, beside the local ones.
        rate: Requests per second of one client; None for no limit.
        admin: Whether models may be changed while the server runs.
    """

    def __init__(
        self,
        host: str,
        *,
        tokens: Sequence[Token] | None = None,
        allowed_hosts: Iterable[str] = (),
        rate: float | None = None,
        admin: bool = False,
    ) -> None:
        self.is_local = host in _LOCAL
        if not self.is_local and tokens is None:
            raise ConfigError(
                f"--host {host} opens the server to other machines, which needs tokens: make "
                f"one with --token-file FILE --new-token NAME:predict, or use --host 127.0.0.1"
            )
        self._tokens = tokens
        self._hosts = {*_LOCAL, *allowed_hosts} if self.is_local else {*allowed_hosts}
        self._rates = _Rates(rate)
        self.admin = admin

    @property
    def needs_token(self) -> bool:
        """Whether clients need a token."""
        return self._tokens is not None

    def require_place(self, request: Request) -> None:
        """Refuse a request that a page of another site sends, or that calls another host.

        A web page can post to a server on the machine that shows it, and a name of its own may
        lead there (DNS rebinding).

        Raises:
            ServingError: 400 or 403.
        """
        host = request.headers.get("host", "")
        name = find_hostname(host)
        if self._hosts and name not in self._hosts:
            raise ServingError(
                400, f"host {name!r} is not served here; allow it with --allow-host {name}"
            )
        if request.method in ("GET", "HEAD"):
            return
        if is_foreign(request.headers.get("origin"), host):
            raise ServingError(403, "requests from pages of other sites are refused")

    def require_scope(self, request: Request, scope: str) -> None:
        """Refuse a request without a token of this scope, or above its rate.

        Raises:
            ServingError: 401 without a known token, 403 without the scope, 429 above the rate.
        """
        if scope == OPEN:
            return
        client = request.client.host if request.client else "unknown"
        if self._tokens is not None:
            token = self._find_token(request)
            if token is None:
                self._rates.take(client)
                is_page = request.url.path.startswith(_PAGES)
                raise ServingError(
                    401,
                    "a token is needed: Authorization: Bearer TOKEN",
                    {"WWW-Authenticate": 'Basic realm="maskwright"' if is_page else "Bearer"},
                )
            if (needed := name_scope(scope)) not in token.scopes:
                raise ServingError(403, f"token {token.name!r} lacks the scope {needed!r}")
            client = token.name
        if scope == ADMIN and not self.admin:
            raise ServingError(403, "models are changed only where the server has --admin")
        if scope == PREDICT:
            self._rates.take(client)

    def name_client(self, request: Request) -> str:
        """The name of the token of a request; "" where the server needs none."""
        token = self._find_token(request)
        return "" if token is None else token.name

    def has_scope(self, request: Request, scope: str) -> bool:
        """Whether the token of a request has a scope; anybody has all without tokens."""
        token = self._find_token(request)
        return self._tokens is None or (token is not None and scope in token.scopes)

    def _find_token(self, request: Request) -> Token | None:
        header = request.headers.get("authorization", "")
        given = _read_basic(header) if request.url.path.startswith(_PAGES) else None
        if given is None and not header.lower().startswith(_BEARER):
            return None
        sha256 = hash_token(given or header[len(_BEARER) :].strip())
        found = None
        for token in self._tokens or ():  # all of them, so that time says nothing
            if hmac.compare_digest(token.sha256, sha256):
                found = token
        return found


def _read_basic(header: str) -> str | None:
    """The password that a browser sends."""
    if not header.lower().startswith(_BASIC):
        return None
    try:
        text = base64.b64decode(header[len(_BASIC) :], validate=True).decode()
    except ValueError:
        return None
    return text.partition(":")[2] or None
