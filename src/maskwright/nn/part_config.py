"""Settings of an architecture or a loss, as pydantic models."""

from pydantic import BaseModel, ConfigDict


class PartConfig(BaseModel):
    """Settings of one part: immutable; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoChoices(PartConfig):
    """Settings of a part that has none."""
