"""Index the upper elements of a large XML file in one pass; read single elements on demand.

A file of a gigabyte with a hundred thousand images is read once for its index; the shapes of
one image then cost a seek and a few kilobytes. Elements are yielded and not kept.
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
from ...core.files import open_file
from .documents import MAX_INDEXED_BYTES

_CHUNK = 1 << 20
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class ElementSpan:
    """One element: its depth in the tree (the root has 1) and its first and last byte + 1."""

    depth: int
    tag: str
    attributes: Mapping[str, str]
    start: int
    end: int


def iterate_elements(path: Path, depth: int) -> Iterator[ElementSpan]:
    """Iterate the elements below the root down to `depth`; an element follows those inside it.

    Raises:
        DataError: The file cannot be read, is not XML in UTF-8, is nested too deeply or
            declares entities.
    """
    index = _Index(path, depth)
    try:
        with open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
            while chunk := file.read(_CHUNK):
                index.parser.Parse(chunk, False)
                yield from index.take_done()
            index.parser.Parse(b"", True)
    except ExpatError as error:
        raise DataError(f"{path}: not valid XML: {error}; export it again") from error
    yield from index.take_done()


def read_element(path: Path, start: int, end: int, *, where: str) -> Element:
    """Read the element between two bytes of a file.

    Raises:
        DataError: The file cannot be read, or has changed since it was indexed.
    """
    try:
        with open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
            file.seek(start)
            element: Element = fromstring(file.read(end - start), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise DataError(f"{where}: not valid XML: {error}; was the file changed?") from error
    return element


@dataclass(slots=True)
class _Open:
    """An element that is open, or closed without its end being known yet.

    expat tells where an element starts, not where it ends: that is the start of what follows.
    """

    tag: str
    attributes: Mapping[str, str]
    start: int


class _Index:
    """The handlers of the parser; `done` holds the elements whose end is known."""

    def __init__(self, path: Path, depth: int) -> None:
        self.path, self.depth, self.level = path, depth, 0
        self.open: dict[int, _Open] = {}
        self.done: list[ElementSpan] = []
        self.parser = ParserCreate("utf-8")
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._finish
        self.parser.StartDoctypeDeclHandler = self._raise_on_entities
        self.parser.XmlDeclHandler = self._require_utf8

    def take_done(self) -> list[ElementSpan]:
        """Return the elements that were closed since the last call."""
        done, self.done = self.done, []
        return done

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self.level += 1
        if self.level > _MAX_DEPTH:
            raise DataError(
                f"{self.path}: its XML is nested more than {_MAX_DEPTH} deep; export it again"
            )
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
        """Close the element that is open at `level`: it ended before the current byte."""
        element = self.open.pop(level, None)
        if element is not None:
            end = self.parser.CurrentByteIndex
            span = ElementSpan(level, element.tag, element.attributes, element.start, end)
            self.done.append(span)

    def _raise_on_entities(self, *_: object) -> NoReturn:
        raise DataError(
            f"{self.path}: declares a document type or entities, expected elements alone; "
            f"export it again"
        )

    def _require_utf8(self, _: str, encoding: str | None, __: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise DataError(
                f"{self.path}: is {encoding} text, expected UTF-8; save it as UTF-8"
            )
