"""Measurements -> one HTML page that needs nothing else: no script, no network, no font."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ...core.labels import IGNORE
from ...pages.markup import (
    frame_table,
    render_class,
    render_code,
    render_legend,
    render_table,
)
from ...pages.page import Section, render_page
from ...pages.text import DASH, format_count, format_number, format_percent
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from ..rules.verdicts import Verdict
from .changemap import COLORS, OTHER, UNLABELLED, ChangeLegend
from .chart import ChartLine, draw_chart
from .markup import (
    render_amount,
    render_bar,
    render_change,
    render_percent,
    render_picture,
    symbol,
)
from .measurements import Measurements
from .summary import series_summary

_MOST_FAILED = 20
_MOST_ROIS = 100
_MOST_CHARTS = 6
_MOST_ROWS = 12
_MOST_IN_MATRIX = 14


def render_measurements(found: Measurements) -> str:
    """The page; all text from outside is escaped."""
    subtitle = f"{format_count(len(found.images), 'image')} · {found.settings['scale']}"
    return render_page("Measurements", subtitle, _sections(found))


def _sections(found: Measurements) -> Iterator[Section]:
    totals = series_summary(found.images)
    if found.rules:
        yield _rules(found)
    yield _coverage(found)
    if len(found.images) > 1:
        yield _series(found)
    rois = {name: c for name, c in found.coverage.items() if name != WHOLE}
    if rois:
        yield _rois(found, rois)
    if found.change is not None:
        yield Section("Change", _changed(found.change), _change(found, found.change))
    yield Section("Regions", _kept(found), _regions(found, totals["regions"]))
    yield Section("Gaps", _kept(found), _gaps(found, totals["gaps"]))
    yield Section("Thin structures", _kept(found), _thin(found, totals["thin"]))
    if found.pictures:
        yield _pictures(found)


def _rules(found: Measurements) -> Section:
    failed = [v for v in found.verdicts if not v.passed]
    rows = []
    for rule in found.rules:
        judged = [v for v in found.verdicts if v.rule == rule]
        num_failed = sum(not v.passed for v in judged)
        verdict = (
            f'<span class="failed">✗ {num_failed} fail</span>'
            if num_failed
            else '<span class="passed">✓ pass</span>'
        )
        limit = escape(f"fails if {rule.text}").replace(rule.unit, symbol(rule.unit))
        rows.append((escape(rule.name), verdict, limit, format_number(len(judged))))
    body = render_table("Rules", ("Rule", "Result", "Limit", "Images judged"), rows)
    if not failed:
        return Section("Passes: no image fails a rule", "", body, "verdict")
    title = f"Fails: {len(found.failed_keys)} of {len(found.images)} images fail a rule"
    note = f"The first {_MOST_FAILED} of {len(failed)} are shown; rules.csv has all."
    return Section(
        title,
        note if len(failed) > _MOST_FAILED else "",
        f"{body}<h3>What failed</h3>{_failed(failed[:_MOST_FAILED])}",
        "verdict fails",
    )


def _failed(verdicts: Sequence[Verdict]) -> str:
    rows = [
        (
            render_code(v.key),
            escape(v.rule.name),
            render_amount(v.value, v.rule.unit),
            escape(v.note),
        )
        for v in verdicts
    ]
    heads = ("Image", "Rule", "Value", "Note")
    return render_table("What failed", heads, rows, wrapped=(1, 3))


def _coverage(found: Measurements) -> Section:
    whole, unit = found.coverage[WHOLE], found.area_unit
    several = len(found.images) > 1
    heads = ["Class", "Share", "Area", *(("Least", "Most") if several else ())]
    rows = []
    shares = zip(found.labels, whole.percent.tolist(), whole.area_C.tolist(), strict=True)
    for entry, share, area in shares:
        cells = [
            render_class(entry.color, entry.name),
            f"{render_bar(share / 100)}<b>{render_percent(share)}</b>",
            render_amount(area, unit),
        ]
        if several:
            values = [i["percent"][entry.name] for i in found.images]
            known = [v for v in values if v is not None]
            cells += [render_percent(most(known, default=None)) for most in (min, max)]
        rows.append(cells)
    ignored = render_percent(whole.ignored_percent), render_amount(whole.ignored_area, unit)
    rows.append(["ignored, of all pixels", *ignored, *(("", "") if several else ())])
    note = "Share of the labelled pixels of all images together"
    note += "; least and most are those of single images." if several else "."
    return Section("Coverage", note, render_table("Coverage", heads, rows))


def _series(found: Measurements) -> Section:
    note = "Percent of the labelled pixels, images in the order of their names."
    if len(found.labels) > 8:
        note += " The eight classes that cover most; coverage.csv has all."
    body = _chart(found, [image["percent"] for image in found.images])
    return Section("Over the images", note, body)


def _chart(found: Measurements, percents: Sequence[Mapping[str, float | None]]) -> str:
    """The series of one place; `percents` by class for every image."""
    lines = [
        ChartLine(
            entry.name,
            entry.color,
            np.array([_nan(p.get(entry.name)) for p in percents], np.float64),
        )
        for entry in found.labels
    ]
    return draw_chart([image["key"] for image in found.images], lines)


def _rois(found: Measurements, rois: Mapping[str, Coverage]) -> Section:
    pixels_C = np.sum([c.pixels_C for c in rois.values()], axis=0)
    present = np.flatnonzero(pixels_C).tolist()
    classes = [found.labels.classes[i] for i in present]
    heads = ["Region of interest", "Area", *(c.name for c in classes), "Ignored"]
    rows = [(escape(name), *_roi_cells(c, present, found)) for name, c in rois.items()]
    note = "Share of the labelled pixels in each region, over all images that show it."
    if len(rois) > _MOST_ROIS:
        note += f" The first {_MOST_ROIS} of {len(rois)}; coverage.csv has all."
    charts = ""
    if len(found.images) > 1:
        shares = {n: [i["rois"][n] for i in found.images] for n in list(rois)[:_MOST_CHARTS]}
        charts = "".join(f"<h3>{escape(n)}</h3>{_chart(found, s)}" for n, s in shares.items())
    shown = render_table("Regions of interest", heads, rows[:_MOST_ROIS])
    return Section("Regions of interest", note, shown + charts)


def _roi_cells(
    coverage: Coverage, present: Sequence[int], found: Measurements
) -> Iterator[str]:
    area = float(coverage.area_C.sum()) + coverage.ignored_area
    yield render_amount(area, found.area_unit)
    for percent in (*coverage.percent[present].tolist(), coverage.ignored_percent):
        yield render_percent(percent)


def _changed(change: ClassChange) -> str:
    return (
        f"{format_percent(change.changed_percent)} of the pixels that both dates label changed "
        f"class; {change.only_before_px:,} px are labelled before only, "
        f"{change.only_after_px:,} px after only."
    )


def _change(found: Measurements, change: ClassChange) -> str:
    unit, names = found.area_unit, found.labels.names
    moved = zip(found.labels, change.gained, change.lost, change.net, strict=True)
    rows = [
        (
            render_class(entry.color, entry.name),
            render_amount(gained, unit),
            render_amount(lost, unit),
            render_change(net, unit),
        )
        for entry, gained, lost, net in moved
        if gained or lost
    ]
    if not rows:
        return "<p>No pixel changed its class.</p>"
    body = render_table("Change", ("Class", "Gained", "Lost", "Net"), rows)
    if found.change_pictures:
        colors = zip(COLORS, ChangeLegend.of(change).pairs, strict=False)
        entries: list[tuple[Any, str]] = [
            (c, f"{names[a]} to {names[b]}") for c, (a, b) in colors
        ]
        entries += [(OTHER, "other changes"), (UNLABELLED, "not labelled at both dates")]
        body += f"<h3>Where</h3>{render_legend(entries)}{_grid(found.change_pictures)}"
    return body + _largest_changes(found, change) + _matrix(found, change)


def _largest_changes(found: Measurements, change: ClassChange) -> str:
    rows = [
        (
            _class_name(found, a),
            _class_name(found, b),
            render_amount(change.area_CC[a, b], found.area_unit),
            render_percent(100 * change.area_CC[a, b] / change.total),
        )
        for a, b in change.largest(_MOST_ROWS)
    ]
    heads = ("Before", "After", "Area", "Of all")
    return "<h3>Largest changes</h3>" + render_table(
        "Largest changes", heads, rows, wrapped=(1,)
    )


def _matrix(found: Measurements, change: ClassChange) -> str:
    """Area from (rows) to (columns) for the classes that either date has."""
    present = np.flatnonzero(change.area_CC.sum(axis=0) + change.area_CC.sum(axis=1)).tolist()
    if len(present) > _MOST_IN_MATRIX:
        return "<p>from_to.csv has all kinds of change.</p>"
    most = max(float(change.gained.max()), float(change.lost.max()))
    rows = []
    for a in present:
        cells = []
        for b in present:
            depth = 0.0 if a == b else 0.6 * (change.area_CC[a, b] / most) ** 0.5
            shade = f' style="background:rgba(213,94,0,{depth:.2f})"' if depth else ""
            kind = "number same" if a == b else "number"
            area = change.area_CC[a, b]
            cells.append(
                f'<td class="{kind}"{shade}>{render_amount(area) if area else "·"}</td>'
            )
        rows.append(f'<tr><th scope="row">{_class_name(found, a)}</th>{"".join(cells)}</tr>')
    heads = [f"from / to, {symbol(found.area_unit)}", *(found.labels.names[b] for b in present)]
    table = frame_table("From and to", heads, "".join(rows))
    return f'<h3>From and to</h3><div class="from-to">{table}</div>'


def _regions(found: Measurements, totals: Mapping[str, Any]) -> str:
    unit = found.area_unit
    rows = [
        (
            _class_name(found, found.labels.index(name)),
            format_number(total["count"]),
            render_amount(total["area"], unit),
            render_amount(total["area"] / total["count"] if total["count"] else None, unit),
            render_amount(total["largest"] or None, unit),
            render_code(total["largest_in"] or DASH),
        )
        for name, total in totals.items()
    ]
    heads = ("Class", "Regions", "Area", "Mean area", "Largest", "In image")
    return render_table("Regions", heads, rows)


def _gaps(found: Measurements, totals: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            escape(" and ".join(total["between"])),
            render_amount(total["smallest"], found.unit),
            render_code(total["smallest_in"] or DASH),
            format_number(total["num_touching"]),
            f"{total['num_images']} of {len(found.images)}",
        )
        for total in totals
    ]
    heads = ("Between", "Smallest gap", "In image", "Images where they touch", "Both there")
    return render_table("Gaps", heads, rows)


def _thin(found: Measurements, totals: Mapping[str, Any]) -> str:
    unit = found.unit
    rows = [
        (
            _class_name(found, found.labels.index(name)),
            render_amount(total["length"], unit),
            render_amount(total["mean_width"], unit),
            render_amount(total["max_width"], unit),
            render_code(total["max_width_in"] or DASH),
            format_number(total["num_branch_points"]),
        )
        for name, total in totals.items()
    ]
    heads = ("Class", "Length", "Mean width", "Largest width", "In image", "Branch points")
    return render_table("Thin structures", heads, rows)


def _pictures(found: Measurements) -> Section:
    total = len(found.images)
    note = "" if len(found.pictures) == total else f"{len(found.pictures)} of {total} images"
    note += ", those that fail a rule first." if note and found.failed_keys else ""
    entries: list[tuple[Any, str]] = [(entry.color, entry.name) for entry in found.labels]
    if found.coverage[WHOLE].ignored_px:
        entries.append((found.labels.palette[IGNORE], "ignored"))
    return Section("Pictures", note, render_legend(entries) + _grid(found.pictures))


def _grid(pictures: Mapping[str, bytes]) -> str:
    shown = "".join(render_picture(key, content) for key, content in pictures.items())
    return f'<div class="pictures">{shown}</div>'


def _kept(found: Measurements) -> str:
    least = found.settings["min_area"]
    return f"Regions of at least {least:g} {symbol(found.area_unit)} count." if least else ""


def _class_name(found: Measurements, index: int) -> str:
    entry = found.labels.classes[index]
    return render_class(entry.color, entry.name)


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
