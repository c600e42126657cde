"""Chosen thresholds -> one HTML page, and a few lines of text."""

import math
from collections.abc import Iterator
from html import escape

from ...core.report import CurveReport, Estimate
from ...pages.markup import render_class, render_number, render_table
from ...pages.page import Section, render_opening, render_page, render_tile
from ...pages.text import format_count, format_number, format_share, text_table
from ..drawing.charts import draw_against
from .choice import Choice, SplitRates
from .choose import ClassCurve
from .rates import METHOD, Rate

ANY = "any class"


def render_choice(choice: Choice) -> str:
    """The page; all text from outside is escaped."""
    sections = list(_sections(choice))
    judged = choice.tested_on or choice.chosen_on
    tiles = [
        render_tile(
            _describe(rate).capitalize(),
            render_number(format_share(rate.value)),
            f"{rate.events:,} of {rate.total:,} parts of {escape(judged.split)}",
        )
        for rate in judged.rates
        if rate.unit == "part" and rate.name is None
    ]
    return render_page(
        f"Verdicts of model {choice.model_id}",
        f"{choice.data}: thresholds for missing at most {100 * choice.rule.miss:g} % of the "
        f"parts, chosen on {choice.chosen_on.split}",
        sections,
        opening=render_opening(sections, tiles),
    )


def summarize_choice(choice: Choice) -> str:
    """Thresholds, rates and notes as text."""
    rules = choice.rule.classes.items()
    rows = [(n, f"{r.threshold:g}", f"{r.smallest_area_px:,} px") for n, r in rules]
    lines = text_table(("class", "threshold", "smallest area"), rows)
    for found in (choice.chosen_on, choice.tested_on):
        if found is not None:
            lines += ["", _title(choice, found)]
            lines += text_table(("", "", "rate"), _rate_rows(found), words=(0, 1, 2))
    return "\n".join([*lines, *(f"note: {note}" for note in choice.notes)])


def _sections(choice: Choice) -> Iterator[Section]:
    notes = "".join(f"<li>{escape(note)}</li>" for note in choice.notes)
    yield Section(
        "Read this first",
        "",
        f'<ul class="facts">{notes}</ul>' if notes else "",
        "verdict fails",
    )
    yield Section(
        "Thresholds",
        "A class is reported where its share reaches the threshold in a region of at least the "
        "smallest area.",
        _rule_table(choice),
    )
    if choice.tested_on is not None:
        method = f"Interval: {METHOD}."
        yield Section("Rates on other images", method, _rate_table(choice, choice.tested_on))
    note = "The thresholds were fitted to these images, so these rates are too good."
    yield Section("Rates where they were chosen", note, _rate_table(choice, choice.chosen_on))
    charts = "".join(_charts(name, curve) for name, curve in choice.curves.items())
    yield Section(
        "Every threshold",
        f"Parts of {choice.chosen_on.split}, at the smallest area of each class.",
        f'<div class="charts">{charts}</div>',
    )


def _title(choice: Choice, found: SplitRates) -> str:
    what = "thresholds chosen on" if found is choice.chosen_on else "tested on"
    parts = format_count(found.num_parts, "part")
    return f"{what} {found.split}: {parts}, {found.num_shown:,} with a class that is reported"


def _rule_table(choice: Choice) -> str:
    rows = [
        (
            _render_name(choice, name),
            f"{rule.threshold:g}",
            render_number(f"{rule.smallest_area_px:,} px"),
            format_number(choice.curves[name].auroc, 3),
        )
        for name, rule in choice.rule.classes.items()
    ]
    return render_table("Thresholds", ("Class", "Threshold", "Smallest area", "AUROC"), rows)


def _rate_table(choice: Choice, found: SplitRates) -> str:
    rows = [
        (_render_name(choice, name), escape(what), escape(rate))
        for name, what, rate in _rate_rows(found)
    ]
    table = render_table(
        "Rates", ("Class", "What", "Rate, interval of 95 %"), rows, words=(0, 1), wrapped=(2,)
    )
    title = _title(choice, found)
    return f"<p>{escape(title[0].upper() + title[1:])}</p>{table}"


def _render_name(choice: Choice, name: str) -> str:
    if name not in choice.labels.names:
        return escape(name)
    return render_class(choice.labels.classes[choice.labels.index(name)].color, name)


def _rate_rows(found: SplitRates) -> list[tuple[str, str, str]]:
    return [(rate.name or ANY, _describe(rate), str(rate)) for rate in found.rates]


def _describe(rate: Rate) -> str:
    if rate.unit == "part":
        return "parts missed" if rate.kind == "miss" else "parts falsely reported"
    return "defects missed" if rate.kind == "miss" else "regions falsely reported"


def _charts(name: str, curve: ClassCurve) -> str:
    roc = _curve("parts falsely reported, %", curve.false_alarms, curve.found)
    pr = _curve("parts found, %", curve.found, curve.precision)
    return _figure(name, "parts found over false alarms", roc) + _figure(
        name, "reported parts that show it, over parts found", pr
    )


def _figure(name: str, what: str, curve: CurveReport) -> str:
    caption = f"<figcaption><b>{escape(name)}</b>{what}</figcaption>"
    return f"<figure>{caption}{draw_against(f'{name}: {what}', curve)}</figure>"


def _curve(axis: str, at: tuple[float, ...], values: tuple[float, ...]) -> CurveReport:
    known = [(a, v) for a, v in zip(at, values, strict=True) if not math.isnan(a + v)]
    known = list(dict.fromkeys(known))
    return CurveReport(
        axis=axis,
        at=tuple(a for a, _ in known),
        points=tuple(Estimate(v) for _, v in known),
    )
