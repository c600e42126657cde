"""Measurements -> one HTML page without scripts and without files beside it."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from ...core.labels import IGNORE, Rgb
from ...pages.chart import ChartLine, draw_chart
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
from .image_summary import Percents
from .markup import (
    render_amount,
    render_bar,
    render_change,
    render_percent,
    render_picture,
    unit_symbol,
)
from .measurements import Measurements
from .text import count_failures
from .totals import GapTotals, RegionTotals, ThinTotals

_MOST_FAILED = 20
_MOST_ROIS = 100
_MOST_CHARTS = 6
_MOST_ROWS = 12
_MOST_IN_MATRIX = 14


def render_measurements(measurements: Measurements) -> str:
    """Render the page; names from files are escaped."""
    num_images = format_count(len(measurements.images), "image")
    subtitle = f"{num_images} · {measurements.settings.scale}"
    return render_page("Measurements", subtitle, _sections(measurements))


def _sections(results: Measurements) -> Iterator[Section]:
    totals, change = results.totals, results.change
    note = _describe_min_area(results)
    if results.rules:
        yield _render_rules(results)
    yield _render_coverage(results)
    if len(results.images) > 1:
        yield _render_series(results)
    if results.rois:
        yield _render_rois(results)
    if change is not None:
        yield Section("Change", _describe_change(change), _render_class_change(results, change))
    yield Section("Regions", note, _render_regions(results, totals.regions))
    yield Section("Gaps", note, _render_gaps(results, totals.gaps))
    yield Section("Thin structures", note, _render_thin(results, totals.thin))
    for roi, inside in results.roi_totals.items():
        body = (
            _render_regions(results, inside.regions)
            + _render_gaps(results, inside.gaps)
            + _render_thin(results, inside.thin)
        )
        changed = results.roi_changes.get(roi)
        text = note if changed is None else _describe_change(changed)
        yield Section(f"Inside {roi}", text, body)
    if results.volumes:
        yield _render_volumes(results)
    if results.pictures:
        yield _render_pictures(results)


def _render_volumes(results: Measurements) -> Section:
    """One row per volume and class that occurs; the earlier date where there is one."""
    rows = [
        (
            render_code(Path(file).name),
            _render_name(results, results.labels.index(name)),
            render_amount(volume.ml, "ml"),
            format_number(volume.lesions),
            render_amount(volume.largest_lesion_ml, "ml"),
            render_amount(volume.ml_before, "ml"),
            render_amount(volume.hd95_mm, "mm"),
        )
        for file, classes in results.volumes.items()
        for name, volume in classes.items()
        if volume.ml or volume.ml_before
    ]
    heads = ("Volume", "Class", "Millilitres", "Lesions", "Largest", "Before", "HD95 of dates")
    note = (
        f"The first {_MOST_ROWS} rows; volumes.csv has all." if len(rows) > _MOST_ROWS else ""
    )
    table = render_table("Volumes", heads, rows[:_MOST_ROWS], words=(0, 1))
    return Section("Volumes", note, table)


def _render_rules(results: Measurements) -> Section:
    failed = [v for v in results.verdicts if not v.passed]
    rows = []
    for result in results.rule_results:
        rule, num_failed = result.rule, len(result.failed)
        outcome = (
            f'<span class="failed">✗ {num_failed} failed</span>'
            if num_failed
            else '<span class="passed">✓ passed</span>'
        )
        limit = escape(f"fails if {rule.text}").replace(rule.unit, unit_symbol(rule.unit))
        rows.append((escape(rule.name), outcome, limit, format_number(result.num_judged)))
    heads = ("Rule", "Result", "Limit", "Images judged")
    body = render_table("Rules", heads, rows, words=(0, 1, 2))
    if not failed:
        return Section("Passes: no image fails a rule", "", body, "verdict")
    counted = count_failures(len(results.failed_keys), len(results.images))
    note = f"The first {_MOST_FAILED} of {len(failed)} are shown; rules.csv has all."
    return Section(
        f"Fails: {counted} a rule",
        note if len(failed) > _MOST_FAILED else "",
        f"{body}<h3>Failures</h3>{_render_failures(failed[:_MOST_FAILED])}",
        "verdict fails",
    )


def _render_failures(verdicts: Sequence[Verdict]) -> str:
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
    return render_table("Failures", heads, rows, wrapped=(1, 3))


def _render_coverage(results: Measurements) -> Section:
    whole, unit = results.coverage[WHOLE], results.area_unit
    several = len(results.images) > 1
    heads = ["Class", "Share", "Area", *(("Least", "Most") if several else ())]
    rows = []
    shares = zip(results.labels, whole.percent.tolist(), whole.area_C.tolist(), strict=True)
    for entry, share, area in shares:
        cells = [
            render_class(entry.color, entry.name),
            f"{render_bar(share / 100)}<b>{render_percent(share)}</b>",
            render_amount(area, unit),
        ]
        if several:
            values = [image.percent[entry.name] for image in results.images]
            known = [v for v in values if v is not None]
            cells += [render_percent(most(known, default=None)) for most in (min, max)]
        rows.append(cells)
    ignored = render_percent(whole.ignored_percent), render_amount(whole.ignored_area, unit)
    rows.append(["ignored, of all pixels", *ignored, *(("", "") if several else ())])
    note = "Share of the labelled pixels of all images"
    note += "; least and most are shares of single images." if several else "."
    return Section("Coverage", note, render_table("Coverage", heads, rows, words=(0, 1)))


def _render_series(results: Measurements) -> Section:
    note = "Percent of the labelled pixels, images in the order of their names."
    if len(results.labels) > 8:
        note += " The eight classes that cover most; coverage.csv has all."
    body = _render_chart(results, [image.percent for image in results.images])
    return Section("Coverage by image", note, body)


def _render_chart(results: Measurements, percents: Sequence[Percents]) -> str:
    """Render the series of the whole images, or of one region, from `percents` per image."""
    lines = [
        ChartLine(
            entry.name,
            entry.color,
            np.array([p.get(entry.name) for p in percents], np.float64),
        )
        for entry in results.labels
    ]
    return draw_chart([image.key for image in results.images], lines)


def _render_rois(results: Measurements) -> Section:
    rois = results.rois
    pixels_C = np.sum([c.pixels_C for c in rois.values()], axis=0)
    present = np.flatnonzero(pixels_C).tolist()
    classes = [results.labels.classes[i] for i in present]
    heads = ["Region of interest", "Area", *(c.name for c in classes), "Ignored"]
    rows = [(escape(name), *_roi_cells(c, present, results)) for name, c in rois.items()]
    note = "Share of the labelled pixels in each region, over all images that it lies in."
    if len(rois) > _MOST_ROIS:
        note += f" The first {_MOST_ROIS} of {len(rois)}; coverage.csv has all."
    charts = ""
    if len(results.images) > 1:
        charts = "".join(
            f"<h3>{escape(n)}</h3>{_render_chart(results, [i.rois[n] for i in results.images])}"
            for n in list(rois)[:_MOST_CHARTS]
        )
    table = render_table("Regions of interest", heads, rows[:_MOST_ROIS])
    return Section("Regions of interest", note, table + charts)


def _roi_cells(
    coverage: Coverage, present: Sequence[int], results: Measurements
) -> Iterator[str]:
    area = float(coverage.area_C.sum()) + coverage.ignored_area
    yield render_amount(area, results.area_unit)
    for percent in (*coverage.percent[present].tolist(), coverage.ignored_percent):
        yield render_percent(percent)


def _describe_change(change: ClassChange) -> str:
    return (
        f"{format_percent(change.changed_percent)} of the pixels that both dates label changed "
        f"class; {change.only_before_px:,} px are labelled at the earlier date only, "
        f"{change.only_after_px:,} px at the later date only."
    )


def _render_class_change(results: Measurements, change: ClassChange) -> str:
    unit, names = results.area_unit, results.labels.names
    areas = zip(results.labels, change.gained, change.lost, change.net, strict=True)
    rows = [
        (
            render_class(entry.color, entry.name),
            render_amount(gained, unit),
            render_amount(lost, unit),
            render_change(net, unit),
        )
        for entry, gained, lost, net in areas
        if gained or lost
    ]
    if not rows:
        return "<p>No pixel changed its class.</p>"
    body = render_table("Change", ("Class", "Gained", "Lost", "Net"), rows)
    if results.change_pictures:
        colors = zip(COLORS, ChangeLegend.from_change(change).pairs, strict=False)
        entries: list[tuple[Rgb, str]] = [
            (c, f"{names[a]} to {names[b]}") for c, (a, b) in colors
        ]
        entries += [(OTHER, "other changes"), (UNLABELLED, "not labelled at both dates")]
        pictures = _render_grid(results.change_pictures)
        body += f"<h3>Maps of change</h3>{render_legend(entries)}{pictures}"
    return body + _render_largest_changes(results, change) + _render_matrix(results, change)


def _render_largest_changes(results: Measurements, change: ClassChange) -> str:
    rows = [
        (
            _render_name(results, a),
            _render_name(results, b),
            render_amount(change.area_CC[a, b], results.area_unit),
            render_percent(100 * change.area_CC[a, b] / change.total),
        )
        for a, b in change.largest(_MOST_ROWS)
    ]
    heads = ("Before", "After", "Area", "Share")
    return "<h3>Largest changes</h3>" + render_table(
        "Largest changes", heads, rows, wrapped=(1,)
    )


def _render_matrix(results: Measurements, change: ClassChange) -> str:
    """Render the area from each class (rows) to each other, without absent classes."""
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
        rows.append(f'<tr><th scope="row">{_render_name(results, a)}</th>{"".join(cells)}</tr>')
    heads = [
        f"from / to, {unit_symbol(results.area_unit)}",
        *(results.labels.names[b] for b in present),
    ]
    table = frame_table("From and to", heads, "".join(rows))
    return f'<h3>From and to</h3><div class="from-to">{table}</div>'


def _render_regions(results: Measurements, totals: Mapping[str, RegionTotals]) -> str:
    unit = results.area_unit
    rows = [
        (
            _render_name(results, results.labels.index(name)),
            format_number(total.count),
            render_amount(total.area, unit),
            render_amount(total.area / total.count if total.count else None, unit),
            render_amount(total.largest or None, unit),
            render_code(total.largest_in or DASH),
        )
        for name, total in totals.items()
    ]
    heads = ("Class", "Regions", "Area", "Mean area", "Largest", "In image")
    return render_table("Regions", heads, rows, words=(0, 5))


def _render_gaps(results: Measurements, totals: Sequence[GapTotals]) -> str:
    rows = [
        (
            escape(" and ".join(total.between)),
            render_amount(total.smallest, results.unit),
            render_code(total.smallest_in or DASH),
            format_number(total.num_touching),
            f"{total.num_images} of {len(results.images)}",
        )
        for total in totals
    ]
    heads = (
        "Between",
        "Smallest gap",
        "In image",
        "Images where they touch",
        "Images with both",
    )
    return render_table("Gaps", heads, rows, words=(0, 2))


def _render_thin(results: Measurements, totals: Mapping[str, ThinTotals]) -> str:
    unit = results.unit
    rows = [
        (
            _render_name(results, results.labels.index(name)),
            render_amount(total.length, unit),
            render_amount(total.mean_width, unit),
            render_amount(total.max_width, unit),
            render_code(total.max_width_in or DASH),
            format_number(total.num_branch_points),
        )
        for name, total in totals.items()
    ]
    heads = ("Class", "Length", "Mean width", "Largest width", "In image", "Branch points")
    return render_table("Thin structures", heads, rows, words=(0, 4))


def _render_pictures(results: Measurements) -> Section:
    num_images, num_shown = len(results.images), len(results.pictures)
    note = "" if num_shown == num_images else f"{num_shown} of {num_images} images"
    note += ", those that fail a rule first." if note and results.failed_keys else ""
    note = f"{note} {results.shown}".strip()
    entries: list[tuple[Rgb, str]] = [(entry.color, entry.name) for entry in results.labels]
    if results.coverage[WHOLE].ignored_px:
        entries.append((results.labels.palette[IGNORE], "ignored"))
    return Section("Pictures", note, render_legend(entries) + _render_grid(results.pictures))


def _render_grid(pictures: Mapping[str, bytes]) -> str:
    content = "".join(render_picture(key, jpeg) for key, jpeg in pictures.items())
    return f'<div class="pictures">{content}</div>'


def _describe_min_area(results: Measurements) -> str:
    least = results.settings.min_area
    if not least:
        return ""
    return f"Regions smaller than {least:g} {unit_symbol(results.area_unit)} are left out."


def _render_name(results: Measurements, index: int) -> str:
    entry = results.labels.classes[index]
    return render_class(entry.color, entry.name)
