"""Settings of an architecture or a loss, as pydantic models."""

from maskwright.core.strictmodel import StrictModel


class PartConfig(StrictModel):
    """Settings of one part: immutable; an unknown key is an error, numbers are strict."""


class NoChoices(PartConfig):
    """Settings of a part that has none."""
