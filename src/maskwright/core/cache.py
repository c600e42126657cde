"""Files that are kept on this machine to save time; whoever needs the space may remove them.

They lie in `maskwright` in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`).
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .atomic import write_bytes
from .errors import OutputError


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """A folder of at most `most_kept` files; those that were used least recently are removed.

    Where it cannot be written, nothing is kept.
    """

    name: str
    most_kept: int

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none that can be read."""
        path = self._path / name
        with suppress(OSError):
            content = path.read_bytes()
            path.touch()
            return content
        return None

    def has(self, name: str) -> bool:
        """Whether there is such a file now."""
        return (self._path / name).is_file()

    def keep(self, name: str, content: bytes) -> None:
        """Write a file, and remove the oldest ones beyond `most_kept`."""
        with suppress(OSError, OutputError):
            write_bytes(self._path / name, content)
            kept = sorted(self._path.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in kept[: -self.most_kept]:
                path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        home = os.environ.get("XDG_CACHE_HOME")
        return (
            (Path(home) if home else Path("~/.cache").expanduser()) / "maskwright" / self.name
        )
