"""An audit as text: head, what was inferred, tables of classes and annotators, findings."""

from collections.abc import Iterable

from ...pages.text import (
    format_count,
    format_number,
    format_share,
    format_size,
    text_table,
)
from .document import AuditDocument
from .findings import FindingDocument

_EMPTYING = frozenset({"unreadable-mask", "unclear-labels", "unlisted-values"})
"""Codes of findings that take pixels out of the table of classes."""

_SHOWN_CLASSES = 40
_SHOWN_FILES = 5
_SHOWN_PAIRS = 10


def render(document: AuditDocument) -> str:
    """Plain text of an audit's JSON; what empties the table of classes stands before it."""
    findings = document["findings"]
    return "\n".join(
        [
            *_format_head(document),
            *format_findings(f for f in findings if f["code"] in _EMPTYING),
            *_format_classes(document),
            *_format_annotators(document),
            *format_findings(f for f in findings if f["code"] not in _EMPTYING),
            _format_verdict(document),
        ]
    )


def _format_head(document: AuditDocument) -> list[str]:
    splits = ", ".join(f"{name or 'no split'} {n}" for name, n in document["splits"].items())
    sizes = document["sizes_HW"]
    lines = [f"{document['dataset']}: {format_count(document['images'], 'image')} ({splits})"]
    if sizes and sizes["min"] == sizes["max"]:
        lines.append(f"  size: {format_size(sizes['min'])} (H x W), all alike")
    elif sizes:
        shown = ", ".join(
            f"{name} {format_size(sizes[name])}" for name in ("min", "median", "max")
        )
        lines.append(f"  size: {shown} (H x W)")
    return lines + [f"  {note}" for note in document["notes"]]


def _format_classes(document: AuditDocument) -> list[str]:
    classes = document["classes"]
    if not classes:
        return []
    splits = list(classes[0]["images_by_split"])
    heads = ("class", "pixels", "images", *(f"in {split or 'all'}" for split in splits))
    rows = [
        (
            c["name"],
            format_share(c["share"], 3),
            format_number(c["images"]),
            *(format_number(c["images_by_split"][split]) for split in splits),
        )
        for c in classes[:_SHOWN_CLASSES]
    ]
    lines = text_table(heads, rows)
    if len(classes) > _SHOWN_CLASSES:
        lines.append(
            f"and {len(classes) - _SHOWN_CLASSES} more classes (--json lists them all)"
        )
    total = document["ignored_pixels"] + sum(c["pixels"] for c in classes)
    ignored = format_share(document["ignored_pixels"] / max(total, 1), 3)
    return ["", *lines, f"Ignored: {ignored} of all pixels; shares are of the rest.", ""]


def _format_annotators(document: AuditDocument) -> list[str]:
    annotators = document["annotators"]
    if annotators is None:
        return []
    masks = ", ".join(f"{name} {count}" for name, count in annotators["masks"].items())
    disputed = format_share(
        annotators["disputed_pixels"] / max(annotators["shared_pixels"], 1), 3
    )
    share = f"{disputed} of the pixels that two or more labelled are in dispute"
    rows = [
        (name, format_number(value, 3))
        for name, value in list(annotators["dice"].items())[:_SHOWN_CLASSES]
    ]
    table = text_table(("class", "Dice of two annotators"), rows)
    worst_first = sorted(
        annotators["pairs"], key=lambda p: 2 if p["kappa"] is None else p["kappa"]
    )
    pairs = [
        f"{' and '.join(pair['annotators'])}: kappa {format_number(pair['kappa'], 3)}, "
        f"{format_count(pair['images'], 'image')}"
        for pair in worst_first[:_SHOWN_PAIRS]
    ]
    if len(worst_first) > _SHOWN_PAIRS:
        pairs.append(f"and {len(worst_first) - _SHOWN_PAIRS} more pairs (--json lists all)")
    return [*table, f"Masks by annotator: {masks}. {share}.", *pairs, ""]


def format_findings(findings: Iterable[FindingDocument]) -> list[str]:
    """Lines of text: each finding with its first files, and what to do."""
    lines: list[str] = []
    for finding in findings:
        files = finding["files"][:_SHOWN_FILES]
        lines.append(f"{finding['severity']}: {finding['message']}")
        lines += [
            f"  {f['file']}: {f['detail']}" if f["detail"] else f"  {f['file']}" for f in files
        ]
        if finding["count"] > len(files):
            lines.append(f"  and {finding['count'] - len(files)} more")
        lines.append(f"  fix: {finding['fix']}")
    return lines


def _format_verdict(document: AuditDocument) -> str:
    severities = [finding["severity"] for finding in document["findings"]]
    errors, warnings = severities.count("error"), severities.count("warning")
    if errors:
        harm = "harms" if errors == 1 else "harm"
        kinds = format_count(errors, "kind")
        return f"{kinds} of error {harm} training, {warnings} of warning may."
    if warnings:
        return f"Nothing harms training; {format_count(warnings, 'kind')} of warning to check."
    return "Nothing harms training."
