"""StrictModel: the base of what people write in YAML or on the command line."""

from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

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
