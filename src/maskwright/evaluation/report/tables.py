"""The tables of a report page: all scores, classes by family, slices, largest confusions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ...core.confusion import Confusion
from ...core.labels import LabelSpec
from ...core.report import CurveReport, Estimate, Report, Slice
from ...pages.markup import render_class, render_number, render_table
from ...pages.text import DASH, format_number, format_points, format_share
from ..drawing.charts import draw_bar, format_position
from ..drawing.markup import render_estimate, render_interval, render_score
from ..drawing.wording import IMAGE_PREFIX, main_scores, sections, wording

_NUM_CONFUSIONS = 10
_NUM_FALLEN = 3
_BY_SIZE = ", by size"
_ABSENT = Estimate(math.nan)
_LEAST_SHARE = 0.001
"""A confusion of less than a thousandth of its row is left out."""


def render_scores(report: Report) -> str:
    """Every score of the set with its interval, beside the same averaged over images."""
    names = list(dict.fromkeys(_name_of_set(key, report) for key in report.scores))
    rows: list[list[str]] = []
    for family in sections():
        listed = [name for name in names if wording(name).family == family]
        if listed:
            rows.append([family])
        for name in listed:
            words = wording(name)
            text = words.explanation
            note = f"<small>{escape(text)}</small>" if text else ""
            cells = (
                render_estimate(report.scores[key], words.unit) if key in report.scores else ""
                for key in (name, _name_of_images(name, report))
            )
            rows.append([escape(words.name) + note, *cells])
    heads = ["Score", "Over the set", "Per image, then averaged"]
    if not any(_is_of_images(key) for key in report.scores):
        heads, rows = heads[:2], [row[:2] for row in rows]
    return render_table("All scores", heads, rows)


def _name_of_set(key: str, report: Report) -> str:
    """The score over the set: `mean_dice` for `image_mean_dice`, which averages it."""
    bare = key.removeprefix(IMAGE_PREFIX)
    return f"mean_{bare}" if _is_of_images(key) and f"mean_{bare}" in report.scores else bare


def _name_of_images(name: str, report: Report) -> str:
    own = IMAGE_PREFIX + name
    return own if own in report.scores else IMAGE_PREFIX + name.removeprefix("mean_")


def render_family(report: Report, family: str) -> str:
    """The scores of one family over the set that exist, in one line."""
    items = [
        f"<li>{escape(wording(key).name)} <b>{render_score(score.value, wording(key).unit)}</b>"
        f"{render_interval(score, wording(key).unit)}</li>"
        for key, score in report.scores.items()
        if not _is_of_images(key) and wording(key).family == family and _is_known(score)
    ]
    return f'<ul class="figures">{"".join(items)}</ul>' if items else ""


def render_classes(report: Report, family: str, *, of_images: bool = False) -> str:
    """One row per class that occurs, with its scores of one family; "" without scores."""
    keys = [key for key in _class_keys(report, family) if _is_of_images(key) == of_images]
    if not keys:
        return ""
    total_px = max(1, sum(report.truth_px))
    shares = family == "Regions" and not of_images
    barred = wording(keys[0]).unit == "%" and wording(keys[0]).has_bar
    heads = ["Class", *(wording(key).name for key in keys)]
    heads += ["Groups with it"] if shares and report.truth_groups else []
    heads += ["Share of truth"] if shares else []
    rows = []
    for index, scores in enumerate(report.classes):
        if report.labels.names[index] in report.absent_classes:
            continue
        estimates = [scores.get(key, _ABSENT) for key in keys]
        cells = [
            render_estimate(e, wording(k).unit) for e, k in zip(estimates, keys, strict=True)
        ]
        if barred:
            reason = report.explain_no_interval(index) if keys[0] == "iou" else ""
            cells[0] = render_bar(estimates[0], instead=reason)
        if shares and report.truth_groups:
            cells.append(format_number(report.truth_groups[index]))
        if shares:
            cells.append(render_number(format_share(report.truth_px[index] / total_px, 2)))
        rows.append([_class_name(report.labels, index), *cells])
    caption = f"{family}, by class" + (", per image and then averaged" if of_images else "")
    return render_table(caption, heads, rows, words=range(1 + barred))


def render_slices(slices: Sequence[Slice], report: Report) -> str:
    """Slices of a report, with the classes furthest below the whole set."""
    whole = dict(
        zip(report.labels.names, (s["iou"].value for s in report.classes), strict=True)
    )
    rows = [
        (
            f"{escape(part.by)}: {escape(part.value)}",
            render_bar(part.miou),
            render_number(format_points(part.difference)),
            format_number(part.num_images),
            _list_falls(part.classes, whole),
        )
        for part in slices
    ]
    heads = (
        "Slice",
        "mIoU over the slice",
        "Against the whole set",
        "Images",
        "IoU furthest below the whole set",
    )
    return render_table("Slices, worst first", heads, rows, words=(0, 1), wrapped=(4,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Confused:
    """Pixels of one class predicted as another: `share` of the true class, and their number."""

    truth: int
    predicted: int
    share: float
    num_px: int


def largest_confusions(confusion: Confusion) -> list[Confused]:
    """At most ten, by share of the pixels of the true class, the largest first."""
    counts_CC = confusion.counts_CC
    share_CC = counts_CC / np.maximum(1, counts_CC.sum(axis=1, keepdims=True))
    np.fill_diagonal(share_CC, 0)
    order = np.argsort(-share_CC, axis=None, kind="stable")[:_NUM_CONFUSIONS]
    pairs = [divmod(int(index), len(counts_CC)) for index in order]
    return [
        Confused(
            truth=truth,
            predicted=predicted,
            share=float(share_CC[truth, predicted]),
            num_px=int(counts_CC[truth, predicted]),
        )
        for truth, predicted in pairs
        if share_CC[truth, predicted] >= _LEAST_SHARE
    ]


def render_confusions(confusion: Confusion, labels: LabelSpec) -> str:
    """The largest confusions; "" where there is none."""
    rows = [
        (
            _class_name(labels, confused.truth),
            _class_name(labels, confused.predicted),
            render_score(confused.share),
            format_number(confused.num_px),
        )
        for confused in largest_confusions(confusion)
    ]
    heads = ("Class in truth", "Predicted instead", "Share of its pixels", "Pixels")
    return render_table("Largest confusions", heads, rows, words=(0, 1))


def render_class_curves(key: str, curves: Sequence[CurveReport], labels: LabelSpec) -> str:
    """One curve per class: a row per class, a column per position on the axis."""
    unit = wording(key).unit
    rows = [
        [_class_name(labels, index), *(render_estimate(p, unit) for p in curve.points)]
        for index, curve in enumerate(curves)
    ]
    heads = ["Class", *map(format_position, curves[0].at)]
    return render_table(f"{wording(key).name}, by {curves[0].axis}", heads, rows)


def render_counts(curves: Mapping[str, CurveReport]) -> str:
    """Curves that are not shares, as columns beside each other; all have the same axis."""
    curves = {key: curve for key, curve in curves.items() if any(map(_is_known, curve.points))}
    if not curves:
        return ""
    first = next(iter(curves.values()))
    columns = [
        [render_estimate(p, wording(k).unit) for p in c.points] for k, c in curves.items()
    ]
    rows = [
        (escape(format_position(at)), *cells)
        for at, cells in zip(first.at, zip(*columns, strict=True), strict=True)
    ]
    names = (wording(key).name.removesuffix(_BY_SIZE) for key in curves)
    return render_table(f"Numbers by {first.axis}", (first.axis.capitalize(), *names), rows)


def render_bar(share: Estimate, *, instead: str = "") -> str:
    """A bar with its number beside it, and with its interval or what is said `instead`."""
    spread = f'<span class="spread">{escape(instead)}</span>' if instead else ""
    bar = "<span></span>" if math.isnan(share.value) else draw_bar(share)
    return (
        f'<div class="barred">{bar}<div><b>{render_score(share.value)}</b>'
        f"{render_interval(share) or spread}</div></div>"
    )


def _class_keys(report: Report, family: str) -> list[str]:
    keys = dict.fromkeys(key for scores in report.classes for key in scores)
    words = {key: wording(key) for key in keys}
    of_family = [k for k, text in words.items() if text.family == family and text.has_column]
    known = [key for key in of_family if any(_is_known(c.get(key)) for c in report.classes)]
    return sorted(known, key=lambda key: key.removeprefix(IMAGE_PREFIX) not in main_scores())


def _is_known(score: Estimate | None) -> bool:
    return score is not None and not math.isnan(score.value)


def _is_of_images(key: str) -> bool:
    return key.startswith(IMAGE_PREFIX)


def _class_name(labels: LabelSpec, index: int) -> str:
    entry = labels.classes[index]
    return render_class(entry.color, entry.name)


def _list_falls(part: Mapping[str, float], whole: Mapping[str, float]) -> str:
    """The classes furthest below their IoU over the whole set, each with its fall in points."""
    falls = sorted(
        (iou - whole[name], name, iou) for name, iou in part.items() if iou < whole[name]
    )
    texts = [
        f"{escape(name)} {render_score(iou)} ({render_number(format_points(fall))})"
        for fall, name, iou in falls[:_NUM_FALLEN]
    ]
    return ", ".join(texts) or DASH
