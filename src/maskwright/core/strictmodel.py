"""StrictModel: the base of what people write in YAML or on the command line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from .errors import shorten, suggest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_FOUND = {bool: "true or false", str: "a text"}


class StrictModel(BaseModel):
    """A part of a document: frozen, an unknown key is an error, and a number is a number.

    pydantic alone takes true for 1, "8" for 8 and "inf" for a float; here they are errors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _require_plain_values(cls, value: object, info: ValidationInfo) -> object:
        _require_plain(value, cls.model_fields[str(info.field_name)].annotation)
        return value


def _require_plain(value: object, expected: Any) -> None:
    """Require a number where one is expected, in a tuple too; ValueError where it is not."""
    if get_origin(expected) is Annotated:
        expected = get_args(expected)[0]
    if get_origin(expected) is tuple and isinstance(value, list | tuple):
        kinds = [kind for kind in get_args(expected) if kind is not Ellipsis]
        for position, item in enumerate(value):
            _require_plain(item, kinds[min(position, len(kinds) - 1)])
    if expected in (int, float) and isinstance(value, bool | str):
        raise ValueError(f"expected a number, not {_FOUND[type(value)]}")
    if expected is bool and not isinstance(value, bool):
        raise ValueError("expected true or false")


def explain_problem(problem: "ErrorDetails", model: type[BaseModel]) -> str:
    """Say what is wrong with one key of a document of `model`; a known key near it is named."""
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        *parents, key = problem["loc"]
        return f"unknown key {place!r}{suggest(str(key), list_keys(model, parents))}."
    if problem["type"] == "missing":
        return f"the key {place!r} is missing"
    found = shorten(repr(problem["input"]))
    if problem["type"] == "string_type" and not isinstance(problem["input"], dict | list):
        return f"{place}: expected a text, got {found}; put it in quotes, '{found}'"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place or 'the document'}: {message}, got {found}"


def list_keys(model: type[BaseModel], place: Sequence[int | str]) -> tuple[str, ...]:
    """List the keys, as a document has them, of the part of `model` at a place in it."""
    for part in place:
        if isinstance(part, str):
            fields = {f.alias or name: f for name, f in model.model_fields.items()}
            inner = _find_model(fields[part].annotation) if part in fields else None
            model = model if inner is None else inner
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _find_model(hint: Any) -> type[BaseModel] | None:
    """The model that a type is or holds, as a list, a tuple or a union does."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint
    return next(filter(None, map(_find_model, get_args(hint))), None)
