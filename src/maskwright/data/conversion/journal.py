"""Journal: which images of a long work are done, so that it goes on where it was broken off."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NAME = ".journal.jsonl"


class Journal:
    """A JSON object a line, in the folder that the work fills; a line broken off is forgotten.

    The first line, `head`, says what the work is; a folder with another one is emptied.
    """

    def __init__(self, folder: Path, head: Mapping[str, Any]) -> None:
        self.folder, self._path = folder, folder / NAME
        self.done: set[str] = set()
        if self._path.exists() and next(self._all(), None) == json.loads(json.dumps(head)):
            self._cut_broken_line()
            self.done = {line["key"] for line in self.lines()}
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._append(head)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What was added, in its order."""
        lines = self._all()
        next(lines)
        yield from lines

    def add(self, key: str, **line: Any) -> None:
        """Note one image as done."""
        self._append({"key": key, **line})
        self.done.add(key)

    def end(self) -> None:
        """The work is whole: the folder is no longer one to go on with."""
        self._path.unlink()

    def _append(self, line: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def _all(self) -> Iterator[dict[str, Any]]:
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield json.loads(line)

    def _cut_broken_line(self) -> None:
        with self._path.open("rb+") as file:
            size = file.seek(0, 2)
            tail = b""
            while size and b"\n" not in tail:
                step = min(size, 1 << 16)
                size = file.seek(size - step)
                tail = file.read(step)
            file.truncate(size + tail.rfind(b"\n") + 1)
