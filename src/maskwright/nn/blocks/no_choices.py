"""The settings of a part that has none."""

from pydantic import BaseModel, ConfigDict


class NoChoices(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)
