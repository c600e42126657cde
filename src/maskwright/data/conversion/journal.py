"""Lines of the journal of a conversion: which images are done, and what became of each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from ...core.journal import Journal
from ..entries.picture import Record
from ..entries.scan import Entry


class JournalLine(TypedDict):
    """One image that is done: what `finish` needs, what was lost, and pixels by class.

    `read` is the content of its files, by `core.journal.describe_content`.
    """

    key: str
    read: Sequence[object]
    record: Record
    lost: Mapping[str, int]
    before: Mapping[str, int]
    after: Mapping[str, int]


def read_lines(journal: Journal) -> Iterator[JournalLine]:
    """The lines that were added, in their order."""
    for line in journal.lines():
        yield cast("JournalLine", line)


def add_line(journal: Journal, line: JournalLine) -> None:
    """Note one image as done."""
    journal.add(cast("Mapping[str, Any]", line))


def list_files(entry: Entry) -> list[Path]:
    """The files that an image of a dataset is read from."""
    return [*entry.image.files, *(labels.file for labels in entry.masks)]
