"""People: users with their roles, and the sessions of their browsers."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select

from . import tables

_FIND_USER = select(tables.user).where(tables.user.c.name == bindparam("name"))
_FIND_SESSION = select(tables.session.c.sha, tables.session.c.user).where(
    tables.session.c.sha == bindparam("sha"), tables.session.c.expires >= bindparam("now")
)
"""Built once: each request asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who logs in; `password_hash` is that of argon2id."""

    name: str
    role: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that may come in; `user` is None for the link of a studio without users."""

    sha: str
    user: str | None


def list_users(connection: Connection) -> Iterator[User]:
    """All users, by name."""
    for row in connection.execute(select(tables.user).order_by(tables.user.c.name)):
        yield User(**row._mapping)


def find_user(connection: Connection, name: str) -> User | None:
    """One user by name."""
    row = connection.execute(_FIND_USER, {"name": name}).one_or_none()
    return None if row is None else User(**row._mapping)


def has_users(connection: Connection) -> bool:
    """Whether people have to log in."""
    return connection.execute(select(tables.user.c.name).limit(1)).first() is not None


def set_user(connection: Connection, user: User) -> None:
    """Add a user, or change one and end the sessions of that user."""
    values = {"role": user.role, "password_hash": user.password_hash}
    tables.set_row(connection, tables.user, {"name": user.name}, values)
    connection.execute(delete(tables.session).where(tables.session.c.user == user.name))


def delete_user(connection: Connection, name: str) -> None:
    """Remove a user, and end the sessions of that user."""
    connection.execute(delete(tables.session).where(tables.session.c.user == name))
    connection.execute(delete(tables.user).where(tables.user.c.name == name))


def add_session(
    connection: Connection, session: Session, *, expires: float, now: float
) -> None:
    """Let a browser in until `expires`, and forget those whose time is over."""
    connection.execute(delete(tables.session).where(tables.session.c.expires < now))
    values = {"sha": session.sha, "user": session.user, "expires": expires}
    connection.execute(insert(tables.session).values(**values))


def find_session(connection: Connection, sha: str, *, now: float) -> Session | None:
    """The session of a browser by the hash of its secret, while its time is not over."""
    row = connection.execute(_FIND_SESSION, {"sha": sha, "now": now}).one_or_none()
    return None if row is None else Session(row.sha, row.user)


def end_session(connection: Connection, sha: str) -> None:
    """Let a browser out."""
    connection.execute(delete(tables.session).where(tables.session.c.sha == sha))
