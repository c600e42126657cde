"""Figures that do not exist, as JSON has them."""

import math


def finite_or_none(value: float) -> float | None:
    """The value as a Python float; None, which JSON knows, for NaN and infinity."""
    return float(value) if math.isfinite(value) else None
