"""Journal: what an interrupted verb has done, so that it can be resumed.

A text file with one JSON object per line, in the folder that the verb fills. The first line,
the head, identifies the work. An incomplete last line is dropped.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from .atomic import write_text
from .errors import OutputError
from .files import explain_read_errors, open_file

NAME = ".journal.jsonl"
BEGUN = ".begun"
"""Folder beside the journal with the state of inputs of which a part is done."""


class Journal:
    """The journal in `folder`; begins a new one unless there is one."""

    def __init__(self, folder: Path, head: Mapping[str, object]) -> None:
        self.folder, self._path = folder, folder / NAME
        if self._path.exists():
            self._cut_broken_line()
        else:
            self.add(head)

    def lines(self) -> Iterator[Any]:
        """Yield the lines that were added, in their order, without the head."""
        yield from islice(_read_lines(self._path), 1, None)

    def add(self, line: Mapping[str, object]) -> None:
        """Add one line; NaN raises ValueError."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def find_done(self, files_of: Callable[[str], Sequence[Path] | None]) -> set[str]:
        """Keys of the lines whose inputs have not changed since; other lines are dropped.

        Each line has a `key`, and as `read` what `describe_content` gave for its files.

        Args:
            files_of: The files of a key now, None where the key is not an input.

        Raises:
            OutputError: A line has a key that is not an input now.
        """
        done: set[str] = set()

        def is_unchanged(line: Any) -> bool:
            files = files_of(line["key"])
            if files is None:
                raise OutputError(
                    f"{self.folder}: has results of {line['key']!r}, which is not an input "
                    f"now; give the same inputs, or start again with --overwrite"
                )
            unchanged = bool(line["read"] == describe_content(files))
            if unchanged:
                done.add(line["key"])
            return unchanged

        head, *lines = _read_lines(self._path)
        kept = [head, *filter(is_unchanged, lines)]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        return done

    def replace_lines(self, lines: Iterable[Mapping[str, object]]) -> None:
        """Keep the head, and these lines in place of all others."""
        head = next(_read_lines(self._path))
        write_text(self._path, "".join(json.dumps(one) + "\n" for one in (head, *lines)))

    def end(self) -> None:
        """Remove the file: the work is complete."""
        self._path.unlink()

    def _cut_broken_line(self) -> None:
        with self._path.open("rb+") as file:
            size = file.seek(0, 2)
            tail = b""
            while size and b"\n" not in tail:
                step = min(size, 1 << 16)
                size = file.seek(size - step)
                tail = file.read(step)
            file.truncate(size + tail.rfind(b"\n") + 1)


def read_head(folder: Path) -> Any:
    """The first line of the journal in `folder`; None where there is none."""
    path = folder / NAME
    return next(_read_lines(path), None) if path.is_file() else None


def count_lines(folder: Path) -> int:
    """Number of complete lines after the head."""
    path = folder / NAME
    return max(0, sum(1 for _ in _read_lines(path)) - 1) if path.is_file() else 0


def describe_done(folder: Path) -> str:
    """How many inputs are done, and of how many more a part; "" where none is."""
    num_done = count_lines(folder)
    num_begun = sum(1 for _ in (folder / BEGUN).rglob("*.npz"))
    if not num_begun:
        return f"{num_done} images" if num_done else ""
    return f"{num_done} images and a part of {num_begun} more"


def matches_head(found: object, head: Mapping[str, object]) -> bool:
    """Whether `found`, as JSON gave it back, is the head `head`."""
    return bool(found == json.loads(json.dumps(head)))


def describe_content(files: Iterable[Path]) -> list[list[object]]:
    """Size in bytes and SHA-256 of each file: how a line notes what was read.

    Raises:
        DataError: A file cannot be read.
    """
    content: list[list[object]] = []
    for path in files:
        with explain_read_errors(path):
            status = path.stat()
            content.append([status.st_size, _hash(path, status.st_mtime_ns)])
    return content


_MAX_BYTES = 64 << 30
"""Largest file whose content is noted."""


@lru_cache(maxsize=64)
def _hash(path: Path, _changed_ns: int) -> str:
    """One file may hold the labels of every image, so the last digests are kept."""
    with open_file(path, most_bytes=_MAX_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield _parse(path, line)


def _parse(path: Path, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise OutputError(
            f"{path}: the journal is damaged ({error}); remove {path.parent} and begin again"
        ) from error
