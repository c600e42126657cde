"""Models of what clients send: strict, frozen, and refused with the value that is wrong."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.errors import DataError

M = TypeVar("M", bound=BaseModel)


class Body(BaseModel):
    """A JSON object of a client, or a part of one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def parse_model(model: type[M], content: bytes) -> M:
    """Read the JSON of a model; no content is an empty object.

    Raises:
        DataError: It is not one; the message names the first value that is wrong.
    """
    try:
        return model.model_validate_json(content or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the JSON"
        raise DataError(f"{where}: {first['msg']}") from error
