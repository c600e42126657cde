"""Read and write YAML strictly: a value that YAML 1.1 and 1.2 read differently is refused.

`010` is 8 or 10, `1:30` is 90 or a text, `no` is false or a text: a document with one of them
is refused with the line and the fix. There are no anchors, aliases, merge keys and tags, so
that a small file cannot become a large document and cannot run code. `3e-4` is a number, a date
is a text, `.inf` and `.nan` are refused, and so is a key that occurs twice.
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .errors import ConfigError, DataError, shorten
from .files import open_file
from .strictmodel import explain_problem
from .textfile import decode_text

Model = TypeVar("Model", bound=BaseModel)

MAX_BYTES = 1 << 20
"""Largest YAML file; 255 classes with all their raw values take a hundredth."""

SCHEMA_LINE = "# yaml-language-server: $schema={}.schema.json"
"""The line by which an editor finds the schema that lies beside a file."""

_MAX_DEPTH = 40
_MAX_DIGITS = 18
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)
_AMBIGUOUS_NUMBER = re.compile(
    r"[-+]?(0[0-9_]+|0[ob][0-9_]+|[0-9][0-9_]*_[0-9_.]*|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)"
)
_AMBIGUOUS_TRUTH = frozenset({"yes", "no", "on", "off"})
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_yaml(path: Path) -> Any:
    """Read the document; an empty file is an empty mapping.

    Raises:
        ConfigError: Not YAML, or with a value that can be read in two ways.
        DataError: The file cannot be read, or is larger than `MAX_BYTES`.
    """
    with open_file(path, most_bytes=MAX_BYTES) as file:
        content = file.read()
    text = decode_text(content, where=f"{path}: not valid YAML", error=ConfigError)
    document = parse_yaml(text, where=str(path))
    return {} if document is None else document


def validate_yaml(document: object, model: type[Model], *, path: Path) -> Model:
    """Make a `model` of the document that was read from `path`.

    Raises:
        ConfigError: An unknown key or a wrong value, unknown keys first: file, line, key, and
            the nearest known key.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = sorted(error.errors(), key=lambda p: p["type"] != "extra_forbidden")
        first, more = problems[0], len(problems) - 1
        line, others = find_line(path, first["loc"]), f" ({more} more like it)" if more else ""
        raise ConfigError(
            f"{path}: line {line}: {explain_problem(first, model)}{others}"
        ) from error


@contextmanager
def name_line(path: Path | None, place: Sequence[int | str]) -> Iterator[None]:
    """Put the file and the line of a place in it before a ConfigError; nothing without a path.

    Raises:
        ConfigError: As the block, with file and line.
    """
    try:
        yield
    except ConfigError as error:
        if path is None:
            raise
        raise ConfigError(f"{path}: line {find_line(path, place)}: {error}") from error


def find_line(path: Path, place: Sequence[int | str]) -> int:
    """Find the line, from 1, of the key or item at a place; of what holds it where it is not.

    1 for a file that can no longer be read.
    """
    line = 1
    with suppress(DataError, ConfigError, yaml.YAMLError):
        with open_file(path, most_bytes=MAX_BYTES) as file:
            text = decode_text(file.read(), where=str(path))
        node: Any = yaml.compose(text, Loader=_Loader)
        for part in place:
            if isinstance(node, yaml.MappingNode):
                held = {key.value: (key, value) for key, value in node.value}
                key, node = held.get(str(part), (None, None))
            elif isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
                key = node = node.value[part]
            else:
                break
            line = line if key is None else _line(key)
    return line


def parse_yaml(text: str, *, where: str) -> Any:
    """Parse the one document of a text; None where there is none.

    Raises:
        ConfigError: Not YAML, or with a value that can be read in two ways.
    """
    try:
        events = yaml.parse(text, Loader=_Loader)
        return _Builder(events, where).build_document()
    except yaml.YAMLError as error:
        reason = shorten(" ".join(str(error).split()), 300)
        raise ConfigError(f"{where}: not valid YAML: {reason}") from error


def dump_yaml(value: object, *, flow: bool = False, readable: bool = True) -> str:
    """Write YAML that `parse_yaml` reads back unchanged, in the order of the keys.

    With `readable` false all characters outside ASCII are escaped.
    """
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=readable,
        width=1 << 30,
    )
    return str(text).strip().removesuffix("...").strip()


class _Dumper(yaml.SafeDumper):
    """Also quotes the texts that `_Builder` would read as a number, or refuse."""


for _pattern in (_FLOAT, _NOT_FINITE, _AMBIGUOUS_NUMBER, _HEXADECIMAL, _INTEGER):
    _Dumper.add_implicit_resolver("!number", re.compile(f"({_pattern.pattern})$", re.I), None)


class _Builder:
    """Builds a document from the events of a parser."""

    def __init__(self, events: Iterator[Any], where: str) -> None:
        self._events = events
        self._where = where

    def build_document(self) -> Any:
        """Build the only document; None where the text holds none."""
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        document = self._build(next(self._events), 0)
        next(self._events)  # the end of the document
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refuse_form(event, "the start of a second document; keep one")
        return document

    def _build(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            name = shorten(str(event.anchor))
            raise self._refuse_form(
                event, f"a reference (&{name} or *{name}); write the values out"
            )
        if event.tag is not None and event.tag != "!":
            raise self._refuse_form(event, f"the tag {shorten(event.tag)}; remove it")
        if depth > _MAX_DEPTH:
            raise self._refuse_form(
                event, f"values nested over {_MAX_DEPTH} deep; write fewer levels"
            )
        if isinstance(event, yaml.ScalarEvent):
            return self._resolve(event) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._build(item, depth + 1) for item in self._iterate()]
        return self._build_mapping(depth)

    def _iterate(self) -> Iterator[Any]:
        """Iterate over the events that begin the members of a collection."""
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield event

    def _build_mapping(self, depth: int) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for event in self._iterate():
            if isinstance(event, yaml.CollectionStartEvent):
                raise self._refuse_form(event, "a key that is a collection; write a plain key")
            key = self._build(event, depth + 1)
            if key == "<<":
                raise self._refuse_form(event, "a merge key, <<; write the keys out")
            if key in mapping:
                shown = shorten(repr(key))
                raise self._refuse_form(event, f"the key {shown} a second time; keep one")
            mapping[key] = self._build(next(self._events), depth + 1)
        return mapping

    def _resolve(self, event: Any) -> Any:
        """Resolve the value of a plain scalar."""
        text: str = event.value
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                raise self._refuse(event, f"a number of {len(text)} digits; correct it")
            return int(text)
        if _HEXADECIMAL.fullmatch(text[: _MAX_DIGITS + 1]):
            return int(text, 16)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        if problem := _find_problem(text):
            shown = shorten(text)
            raise self._refuse(event, f"{shown}, {problem}, or '{shown}' in quotes for a text")
        return text

    def _refuse_form(self, event: Any, found: str) -> ConfigError:
        return ConfigError(f"{self._where}: not valid YAML: line {_line(event)} has {found}")

    def _refuse(self, event: Any, found: str) -> ConfigError:
        return ConfigError(f"{self._where}: line {_line(event)} has {found}")


def _find_problem(text: str) -> str:
    """Say why a plain scalar is refused, and what to write; "" where it is a text."""
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return "which is not a finite number; write a number"
    if text.lower() in _AMBIGUOUS_TRUTH:
        return "which YAML also reads as true or false; write true or false"
    if _AMBIGUOUS_NUMBER.fullmatch(text):
        return "which YAML reads as one number or another; write a plain number"
    return ""


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
