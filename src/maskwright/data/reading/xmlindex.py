"""Large XML: where its upper elements lie, found in one pass, and one of them read on demand.

A file of a gigabyte with a hundred thousand images is read once for its index; the shapes of an
image are then a seek and a few kilobytes. Nothing is kept but what the caller keeps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError
from xml.parsers.expat import ExpatError, ParserCreate

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ...core.errors import DataError

_CHUNK = 1 << 20
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class ElementSpan:
    """One element: its place in the tree (the root has depth 1) and in the file, in bytes."""

    depth: int
    tag: str
    attributes: Mapping[str, str]
    start: int
    end: int


def iterate_elements(path: Path, depth: int) -> Iterator[ElementSpan]:
    """The elements below the root down to `depth`, each after all that are inside it.

    Raises:
        DataError: Unreadable, no XML in UTF-8, nested too deeply, or it declares entities.
    """
    index = _Index(path, depth)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                index.parser.Parse(chunk, False)
                yield from index.taken()
            index.parser.Parse(b"", True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ExpatError as error:
        raise DataError(f"{path}: not valid XML: {error}; export it again") from error
    yield from index.taken()


def read_element(path: Path, start: int, end: int, *, where: str) -> Element:
    """The element that lies there.

    Raises:
        DataError: Unreadable, or another file than when it was indexed.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            found: Element = fromstring(file.read(end - start), forbid_dtd=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise DataError(f"{where}: not valid XML: {error}; was the file changed?") from error
    return found


@dataclass(slots=True)
class _Open:
    """An element whose end is the start of what follows it."""

    tag: str
    attributes: Mapping[str, str]
    start: int


class _Index:
    """Handlers of the parser; `done` are the pieces whose end is known."""

    def __init__(self, path: Path, depth: int) -> None:
        self.path, self.depth, self.level = path, depth, 0
        self.open: dict[int, _Open] = {}
        self.done: list[ElementSpan] = []
        self.parser = ParserCreate("utf-8")
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._finish
        self.parser.StartDoctypeDeclHandler = self._refuse_entities
        self.parser.XmlDeclHandler = self._refuse_encoding

    def taken(self) -> list[ElementSpan]:
        """Those found since the last call."""
        taken, self.done = self.done, []
        return taken

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self.level += 1
        if self.level > _MAX_DEPTH:
            raise DataError(f"{self.path}: its XML is nested more than {_MAX_DEPTH} deep")
        if 1 < self.level <= self.depth:
            self._close(self.level)
            self.open[self.level] = _Open(tag, attributes, self.parser.CurrentByteIndex)

    def _finish(self, tag: str) -> None:  # noqa: ARG002 - expat's
        self.level -= 1
        if self.level < self.depth:
            self._close(self.level + 2)
        if not self.level:
            self._close(2)

    def _close(self, level: int) -> None:
        """What is open at `level` ended before this place in the file."""
        found = self.open.pop(level, None)
        if found is not None:
            end = self.parser.CurrentByteIndex
            self.done.append(ElementSpan(level, found.tag, found.attributes, found.start, end))

    def _refuse_entities(self, *_: object) -> NoReturn:
        raise DataError(
            f"{self.path}: declares a document type or entities, which no annotation file "
            f"needs; export it again"
        )

    def _refuse_encoding(self, _: str, encoding: str | None, __: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise DataError(f"{self.path}: is {encoding} text; save it as UTF-8")
