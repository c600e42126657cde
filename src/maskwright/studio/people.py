"""People of a studio: roles, passwords, and a limit on guesses.

Each role may do what those before it may: a viewer looks, an annotator paints and submits, a
reviewer returns and accepts, a manager reopens, an admin adds users. Passwords are made here,
shown once, and stored as argon2id with the parameters of RFC 9106, section 4, second choice.
"""

import re
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..store.chain import add_event
from ..store.database import Connection, Database
from ..store.items import end_leases
from ..store.people import User, delete_user, find_user, has_users, list_users, set_user
from .errors import StudioError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ROLES = ("viewer", "annotator", "reviewer", "manager", "admin")
LOCAL = "local"
"""The actor of all that is done where no users are named."""

MOST_FAILURES = 5
FAILURES_S = 300.0
_MOST_NAMES = 10_000
_NAME = re.compile(r"[\w.@+-]{1,64}")
_HASHING = threading.Semaphore(2)
"""Each hash takes 64 MiB; more logins wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks: name, role, and the hash of the secret of the browser."""

    name: str
    role: str
    session: str

    def may(self, role: str) -> bool:
        """Whether the role includes another one."""
        return ROLES.index(self.role) >= ROLES.index(role)


def parse_user(text: str) -> tuple[str, str]:
    """Name and role of NAME:ROLE.

    Raises:
        ConfigError: Not of this form, or no such role.
    """
    name, _, role = text.rpartition(":")
    if not _NAME.fullmatch(name) or name == LOCAL:
        raise ConfigError(
            f"{text!r}: name a user as NAME:ROLE, NAME of up to 64 letters, digits and "
            f". @ + - _, which is not {LOCAL!r}"
        )
    if role not in ROLES:
        raise ConfigError(f"{text!r}: the role is one of {', '.join(ROLES)}")
    return name, role


def add_user(store: Database, name: str, role: str, *, actor: str) -> str:
    """Add a user and return the password; one who is there gets a new role and password."""
    password = secrets.token_urlsafe(15)
    user = User(name=name, role=role, password_hash=_hash(password))
    with store.write() as connection:
        end_leases(connection, person=name if has_users(connection) else LOCAL)
        set_user(connection, user)
        add_event(connection, "user", {"name": name, "role": role}, actor=actor)
    return password


def remove_user(store: Database, name: str, *, actor: str) -> None:
    """Remove a user; images stay the work of that person until they are assigned anew.

    Raises:
        StudioError: 404, there is no such user; 409, nobody else could add users.
    """
    with store.write() as connection:
        others = {u.name: u.role for u in list_users(connection)}
        if others.pop(name, None) is None:
            raise StudioError(404, f"no user has the name {name!r}")
        if "admin" not in others.values():
            raise StudioError(
                409, f"{name} is the only admin; add another one first", {"why": "role"}
            )
        end_leases(connection, person=name)
        delete_user(connection, name)
        add_event(connection, "user", {"name": name, "role": None}, actor=actor)


def require_password(connection: Connection, name: str, password: str) -> None:
    """Require the password of a user; a name that is not there takes as long.

    Raises:
        StudioError: 401.
    """
    user = find_user(connection, name)
    known = _make_decoy() if user is None else user.password_hash
    if not (_verify(known, password) and user is not None):
        raise StudioError(401, "the name or the password is wrong", {"why": "login"})


@dataclass
class LoginLimit:
    """Counts failed logins of a name and of an address; time is in seconds, monotonic."""

    _failures: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def require_free(self, keys: tuple[str, ...], now_s: float | None = None) -> None:
        """Refuse after five failures in five minutes.

        Raises:
            StudioError: 429, with the seconds to wait.
        """
        now_s = time.monotonic() if now_s is None else now_s
        with self._lock:
            waits = [self._find_wait(key, now_s) for key in keys]
        if (wait_s := max(waits)) > 0:
            raise StudioError(
                429,
                f"{MOST_FAILURES} wrong logins; try again in {wait_s:.0f} s",
                {"why": "login", "free_in_s": round(wait_s)},
            )

    def add_failure(self, keys: tuple[str, ...], now_s: float | None = None) -> None:
        """Note a wrong login."""
        now_s = time.monotonic() if now_s is None else now_s
        with self._lock:
            for key in keys:
                times = self._failures.pop(key, deque(maxlen=MOST_FAILURES))
                times.append(now_s)
                self._failures[key] = times
            while len(self._failures) > _MOST_NAMES:
                del self._failures[next(iter(self._failures))]

    def _find_wait(self, key: str, now_s: float) -> float:
        times = self._failures.get(key)
        if times is None or len(times) < MOST_FAILURES:
            return 0.0
        return times[0] + FAILURES_S - now_s


def _hash(password: str) -> str:
    with _HASHING:
        return _make_hasher().hash(password)


def _verify(known: str, password: str) -> bool:
    from argon2.exceptions import Argon2Error

    with _HASHING:
        try:
            return _make_hasher().verify(known, password)
        except Argon2Error:
            return False


def _make_hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _make_decoy() -> str:
    """The hash of a password that nobody has."""
    return _hash(secrets.token_urlsafe())
