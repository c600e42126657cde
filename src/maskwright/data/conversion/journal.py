"""Journal: which images of a conversion are done, so that it resumes after an interruption."""

import json
import shutil
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

from ..entries.picture import Record

NAME = ".journal.jsonl"


class JournalLine(TypedDict):
    """One image that is done: what `finish` needs, what was lost, and pixels by class."""

    key: str
    record: Record
    lost: Mapping[str, int]
    before: Mapping[str, int]
    after: Mapping[str, int]


class Journal:
    """One JSON object per line, in the folder that the conversion fills.

    An incomplete last line is dropped. The first line, `head`, identifies the conversion: a
    folder with another first line is emptied.
    """

    def __init__(self, folder: Path, head: Mapping[str, object]) -> None:
        self.folder, self._path = folder, folder / NAME
        self.done: set[str] = set()
        if self._path.exists() and next(self._read_lines(), None) == json.loads(
            json.dumps(head)
        ):
            self._cut_broken_line()
            self.done = {line["key"] for line in self.lines()}
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._append(head)

    def lines(self) -> Iterator[JournalLine]:
        """The lines that were added, in their order."""
        yield from islice(self._read_lines(), 1, None)

    def add(self, line: JournalLine) -> None:
        """Note one image as done."""
        self._append(line)
        self.done.add(line["key"])

    def end(self) -> None:
        """Remove the journal: the conversion is complete."""
        self._path.unlink()

    def _append(self, line: Mapping[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def _read_lines(self) -> Iterator[Any]:
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
