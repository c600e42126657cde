"""Check the types of what a JSON document was made into.

A dataclass states the types of its fields; Python does not hold it to them. A forged document
would pass its constructor and end in a traceback far from the file.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MALFORMED = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What code that takes a document apart raises where the document has another form."""

_MAX_SHOWN = 40


def require_types(value: object) -> None:
    """Require that a dataclass, and each dataclass inside it, holds what its fields state.

    Checked are numbers (finite or NaN), texts, `Literal`, `None`, tuples, mappings and their
    unions; arrays and bytes check themselves. An integer is a float, true is not an integer.

    Raises:
        TypeError: With the path of the field: `classes.0.name is 5, expected str`.
    """
    _require(value, type(value), "")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def _require(value: Any, hint: Any, path: str) -> None:
    if not _fits(value, hint):
        shown = repr(value)[:_MAX_SHOWN]
        name = getattr(hint, "__name__", None) if isinstance(hint, type) else str(hint)
        raise TypeError(f"{path or 'the document'} is {shown}, expected {name}")
    if is_dataclass(value) and not isinstance(value, type):
        for name, inner in _hints(type(value)).items():
            _require(getattr(value, name), inner, _join(path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            _require(item, _item_hint(hint, index, len(value)), _join(path, str(index)))
    elif isinstance(value, Mapping):
        key_hint, item_hint = get_args(_member(hint, Mapping)) or (Any, Any)
        for key, item in value.items():
            _require(key, key_hint, path)
            _require(item, item_hint, _join(path, str(key)[:_MAX_SHOWN]))


def _fits(value: Any, hint: Any) -> bool:
    """Whether the value itself, not what it holds, is of the type."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, member) for member in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if hint is Any or hint is object:
        return True
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is float:
        return isinstance(value, int) or (isinstance(value, float) and not math.isinf(value))
    return isinstance(value, origin or hint)


def _item_hint(hint: Any, index: int, length: int) -> Any:
    arguments = get_args(_member(hint, tuple))
    if not arguments:
        return Any
    if arguments[-1] is Ellipsis:
        return arguments[0]
    if len(arguments) != length:
        raise TypeError(f"{length} values, expected {len(arguments)}")
    return arguments[index]


def _member(hint: Any, kind: type) -> Any:
    """The hint itself, or the member of a union that is of this kind."""
    for member in (hint, *get_args(hint)):
        origin = get_origin(member)
        if isinstance(origin, type) and issubclass(origin, kind):
            return member
    return kind


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
