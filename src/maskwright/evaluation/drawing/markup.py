"""Scores and their intervals as HTML; percentages have one decimal, a dash stands for NaN."""

from ...core.report import Estimate
from ...pages.markup import render_number
from ...pages.text import DASH, format_number, format_share

_LENGTHS = {"px", "mm"}
_DECIMALS = {"%": 1, "px": 2, "mm": 2, "n": 0, "": 3}


def render_score(value: float, unit: str = "%") -> str:
    """A score with its unit, as in `wording.Wording`: shares in [0, 1] become percent."""
    if unit == "%":
        return render_number(format_share(value))
    text = render_number(format_number(value, _DECIMALS[unit]))
    return f"{text}&nbsp;{unit}" if unit in _LENGTHS and text != DASH else text


def render_interval(estimate: Estimate, unit: str = "%") -> str:
    """The interval of a score in small type, without its unit; "" where there is none."""
    if estimate.interval is None:
        return ""
    scale = 100 if unit == "%" else 1
    low, high = (format_number(scale * end, _DECIMALS[unit]) for end in estimate.interval)
    return f'<span class="spread">{low} to {high}</span>'


def render_estimate(estimate: Estimate, unit: str = "%") -> str:
    """A score with its unit, then its interval."""
    return render_score(estimate.value, unit) + render_interval(estimate, unit)
