"""Where a store lies: a file of SQLite, or a database of a PostgreSQL server."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..core.errors import ConfigError, OutputError
from ..core.files import find_state_folder

SQLITE, POSTGRES = "sqlite", "postgresql+pg8000"
_FORMS = f"a path, {SQLITE}:///path or {POSTGRES}://user:password@host/name"


def find_place(text: Path | str) -> URL:
    """The URL of a store: that of a file for a path.

    Raises:
        ConfigError: Not a URL, or one of another database.
    """
    if isinstance(text, Path) or "://" not in text:
        return URL.create(SQLITE, database=str(text))
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ConfigError(f"--store: not a URL; use {_FORMS}") from error
    if url.drivername not in (SQLITE, POSTGRES):
        raise ConfigError(f"--store: {url.drivername}:// is not supported; use {_FORMS}")
    if not url.database:
        raise ConfigError(f"--store: the URL names no database; use {_FORMS}")
    return url


def name_place(url: URL) -> str:
    """The store in messages: a path, or the URL without its password."""
    if url.drivername == SQLITE:
        return str(url.database)
    return url.render_as_string(hide_password=True)


def find_default_store() -> Path:
    """The store of services in the user's state folder; it may not be there yet."""
    return find_state_folder() / "service.sqlite"


def make_default_store() -> Path:
    """As `find_default_store`, for who writes to it: its folder is made.

    Raises:
        OutputError: It cannot be made.
    """
    path = find_default_store()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot keep rows here: {error.strerror}; name another place with --store"
        ) from error
    return path
