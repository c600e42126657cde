"""Measurements in words, for the command line."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...pages.text import format_amount, format_count, format_percent, text_table
from .measurements import Measurements

_MOST_FAILED = 20
_MOST_ROIS = 12


def to_text(found: Measurements) -> str:
    """The figures of the series, a line each."""
    document = found.to_json()
    lines = [
        f"{format_count(document['num_images'], 'image')}; {document['settings']['scale']}",
        *_cover(document),
        *_change(document),
        *_shapes(document),
        *_rules(document),
    ]
    return "\n".join(lines)


def failures(found: Measurements) -> str:
    """The images that fail a rule, with value and limit; the first twenty."""
    failed = [verdict for verdict in found.verdicts if not verdict.passed]
    lines = []
    for verdict in failed[:_MOST_FAILED]:
        value = verdict.value
        amount = "" if value is None else f" {format_amount(value, verdict.rule.unit)}"
        note = f" ({verdict.note})" if verdict.note else ""
        lines.append(
            f"{verdict.key}: {verdict.rule.name}:{amount}{note}, fails if {verdict.rule.text}"
        )
    if len(failed) > _MOST_FAILED:
        lines.append(f"and {len(failed) - _MOST_FAILED} more; rules.csv has all")
    return "\n".join(lines)


def _cover(document: Mapping[str, Any]) -> Iterator[str]:
    cover, unit = document["coverage"], document["area_unit"]
    rows = [
        (format_percent(entry["percent"]), name, format_amount(entry["area"], unit))
        for name, entry in cover["classes"].items()
    ]
    yield from text_table(("share", "class", "area"), rows, words=(1,))
    ignored = cover["ignored"]
    if ignored["pixels"]:
        yield f"{format_percent(ignored['percent_of_all'])} of all pixels are ignored"
    for roi, part in list(document["rois"].items())[:_MOST_ROIS]:
        shares = ", ".join(
            f"{name} {format_percent(entry['percent'])}"
            for name, entry in part["classes"].items()
            if entry["pixels"]
        )
        yield f"in {roi}: {shares or 'nothing is labelled'}"
    if len(document["rois"]) > _MOST_ROIS:
        yield f"and {len(document['rois']) - _MOST_ROIS} more regions; coverage.csv has all"


def _change(document: Mapping[str, Any]) -> Iterator[str]:
    if document["change"] is None:
        return
    change, unit = document["change"], document["area_unit"]
    changed = format_percent(change["changed_percent"])
    yield f"{changed} of the pixels that both dates label changed class"
    for name, entry in change["classes"].items():
        if entry["gained"] or entry["lost"]:
            sign = "+" if entry["net"] > 0 else ""
            gained, lost = format_amount(entry["gained"]), format_amount(entry["lost"])
            net = sign + format_amount(entry["net"], unit)
            yield f"  {name}: gained {gained}, lost {lost}, net {net}"


def _shapes(document: Mapping[str, Any]) -> Iterator[str]:
    unit, area_unit = document["unit"], document["area_unit"]
    for name, total in document["regions"].items():
        yield (
            f"{name}: {total['count']} regions, {format_amount(total['area'], area_unit)}, the "
            f"largest {format_amount(total['largest'], area_unit)}"
        )
    for gap in document["gaps"]:
        between = " and ".join(gap["between"])
        if gap["smallest"] is None:
            yield f"{between}: no gap, never both in one image"
            continue
        touch = f"they touch in {gap['num_touching']} of {gap['num_images']} images"
        smallest = f"{format_amount(gap['smallest'], unit)}, in {gap['smallest_in']}"
        yield f"{between}: smallest gap {smallest}; {touch}"
    for name, total in document["thin"].items():
        yield (
            f"{name}: {format_amount(total['length'], unit)} long, mean width "
            f"{format_amount(total['mean_width'], unit)}, largest "
            f"{format_amount(total['max_width'], unit)}"
        )


def _rules(document: Mapping[str, Any]) -> Iterator[str]:
    for rule in document.get("rules", ()):
        failed = f"{rule['num_failed']} of {rule['num_judged']} images fail"
        yield f"{rule['rule']}: {failed if rule['num_failed'] else 'passes'}"
