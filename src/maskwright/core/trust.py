"""Trust: the code and the graphs that were made on this machine, or named by the user.

A file is known by its SHA-256. `maskwright/trusted.txt` in the user's state folder
(`$XDG_STATE_HOME`, else `~/.local/state`) has one line per file: its kind and its SHA-256. Code
is listed when the user names the file to a command, a graph when it is exported here or has
passed its trial. What is not listed came from elsewhere.
"""

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from .errors import ConfigError
from .files import explain_read_errors, find_state_folder

Kind = Literal["code", "graph"]


def hash_file(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits.

    Raises:
        DataError: The file cannot be read.
    """
    with explain_read_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remember(kind: Kind, sha256: str) -> None:
    """List a file as trusted; where the list cannot be written, the file stays foreign."""
    if is_trusted(kind, sha256):
        return
    with suppress(OSError):
        path = _list_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{kind} {sha256}\n")


def is_trusted(kind: Kind, sha256: str, named: str | None = None) -> bool:
    """Whether the file is listed, or is the one that `--trust` names."""
    if named is not None and named == sha256:
        return True
    with suppress(OSError):
        return f"{kind} {sha256}" in _list_path().read_text(encoding="utf-8").split("\n")
    return False


def require_digest(text: str | None, *, option: str = "--trust") -> None:
    """Require that the value of an option is a SHA-256.

    Raises:
        ConfigError: It is not.
    """
    if text is not None and not re.fullmatch("[0-9a-f]{64}", text):
        raise ConfigError(
            f"{option} {text!r}: expected a SHA-256, 64 digits of 0-9 and a-f, as `sha256sum "
            f"FILE` prints it"
        )


def _list_path() -> Path:
    return find_state_folder() / "trusted.txt"
