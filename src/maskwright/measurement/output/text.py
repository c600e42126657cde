"""Measurements in words, for the command line."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..figures.coverage import plain
from .measurements import Measurements

_MOST_FAILED = 20
_MOST_ROIS = 12
_NONE = "–"


def to_text(found: Measurements) -> str:
    """The figures of the series, a line each."""
    document = found.to_json()
    lines = [
        f"{images(document['num_images'])}; {document['settings']['scale']}",
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
        value = (
            f" {_amount(verdict.value)} {verdict.rule.unit}".rstrip()
            if verdict.value is not None
            else ""
        )
        note = f" ({verdict.note})" if verdict.note else ""
        lines.append(
            f"{verdict.key}: {verdict.rule.name}:{value}{note}, fails if {verdict.rule.text}"
        )
    if len(failed) > _MOST_FAILED:
        lines.append(f"and {len(failed) - _MOST_FAILED} more; rules.csv has all")
    return "\n".join(lines)


def images(count: int) -> str:
    """So many images."""
    return f"{count:,} images" if count != 1 else "1 image"


def _cover(document: Mapping[str, Any]) -> Iterator[str]:
    cover, unit = document["coverage"], document["area_unit"]
    width = max(map(len, cover["classes"]))
    for name, entry in cover["classes"].items():
        yield f"{_percent(entry['percent'])}  {name:{width}}  {_amount(entry['area'])} {unit}"
    ignored = cover["ignored"]
    if ignored["pixels"]:
        yield f"{_percent(ignored['percent_of_all'])}  of all pixels is ignored"
    for roi, part in list(document["rois"].items())[:_MOST_ROIS]:
        shares = ", ".join(
            f"{name} {_percent(entry['percent']).strip()}"
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
    yield f"{_percent(change['changed_percent']).strip()} of what both dates label has changed"
    for name, entry in change["classes"].items():
        if entry["gained"] or entry["lost"]:
            yield (
                f"  {name}: gained {_amount(entry['gained'])}, lost {_amount(entry['lost'])}, "
                f"net {_signed(entry['net'])} {unit}"
            )


def _shapes(document: Mapping[str, Any]) -> Iterator[str]:
    unit, area_unit = document["unit"], document["area_unit"]
    for name, total in document["regions"].items():
        yield (
            f"{name}: {total['count']} regions, {_amount(total['area'])} {area_unit}, the "
            f"largest {_amount(total['largest'])} {area_unit}"
        )
    for gap in document["gaps"]:
        between = " and ".join(gap["between"])
        if gap["smallest"] is None:
            yield f"{between}: no gap, never both in one image"
            continue
        touch = f"they touch in {gap['num_touching']} of {gap['num_images']} images"
        smallest = f"{_amount(gap['smallest'])} {unit}, in {gap['smallest_in']}"
        yield f"{between}: smallest gap {smallest}; {touch}"
    for name, total in document["thin"].items():
        yield (
            f"{name}: {_amount(total['length'])} {unit} long, {_amount(total['mean_width'])} "
            f"{unit} wide in the mean, {_amount(total['max_width'])} {unit} at most"
        )


def _rules(document: Mapping[str, Any]) -> Iterator[str]:
    for rule in document.get("rules", ()):
        says = f"{rule['num_failed']} of {rule['num_judged']} images fail"
        yield f"{rule['rule']}: {says if rule['num_failed'] else 'passes'}"


def _amount(value: float | None) -> str:
    return _NONE if value is None else plain(value)


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + plain(value)


def _percent(value: float | None) -> str:
    return f"{_NONE:>8}" if value is None else f"{value:6.2f} %"
