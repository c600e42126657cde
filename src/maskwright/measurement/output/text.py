"""Measurements as plain text, for the command line."""

from collections.abc import Iterator

from ...pages.text import format_amount, format_count, format_percent, text_table
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from .measurements import Measurements
from .totals import GapTotals, SeriesTotals

_MOST_FAILED = 20
_MOST_ROIS = 12


def to_text(measurements: Measurements) -> str:
    """Write the figures of the series, one per line."""
    unit, area_unit = measurements.unit, measurements.area_unit
    num_images = format_count(len(measurements.images), "image")
    lines = [
        f"{num_images}; {measurements.settings.scale}",
        *_describe_coverage(measurements),
        *_describe_change(measurements.change, measurements.labels.names, area_unit),
        *_describe_totals(measurements.totals, unit, area_unit),
        *_describe_rules(measurements),
    ]
    return "\n".join(lines)


def list_failures(measurements: Measurements) -> str:
    """List the images that fail a rule, with value and limit; at most twenty."""
    failed = [verdict for verdict in measurements.verdicts if not verdict.passed]
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


def count_failures(num_failed: int, num_images: int) -> str:
    """Write how many images fail: `1 of 14 images fails`."""
    verb = "fails" if num_failed == 1 else "fail"
    return f"{num_failed} of {format_count(num_images, 'image')} {verb}"


def _describe_coverage(measurements: Measurements) -> Iterator[str]:
    names, whole = measurements.labels.names, measurements.coverage[WHOLE]
    rows = [
        (format_percent(percent), name, format_amount(area, measurements.area_unit))
        for name, percent, area in zip(names, whole.percent, whole.area_C, strict=True)
    ]
    yield from text_table(("share", "class", "area"), rows, words=(1,))
    if whole.ignored_px:
        yield f"{format_percent(whole.ignored_percent)} of all pixels are ignored"
    rois = measurements.rois
    for roi, coverage in list(rois.items())[:_MOST_ROIS]:
        yield f"in {roi}: {_list_shares(coverage, names)}"
    if len(rois) > _MOST_ROIS:
        yield f"and {len(rois) - _MOST_ROIS} more regions; coverage.csv has all"


def _list_shares(coverage: Coverage, names: tuple[str, ...]) -> str:
    shares = zip(names, coverage.pixels_C, coverage.percent, strict=True)
    present = (
        f"{name} {format_percent(percent)}" for name, num_px, percent in shares if num_px
    )
    return ", ".join(present) or "no labelled pixel"


def _describe_change(
    change: ClassChange | None, names: tuple[str, ...], area_unit: str
) -> Iterator[str]:
    if change is None:
        return
    changed = format_percent(change.changed_percent)
    yield f"{changed} of the pixels that both dates label changed class"
    for name, gained, lost, net in zip(
        names, change.gained, change.lost, change.net, strict=True
    ):
        if gained or lost:
            sign = "+" if net > 0 else ""
            yield (
                f"  {name}: gained {format_amount(gained)}, lost {format_amount(lost)}, "
                f"net {sign}{format_amount(net, area_unit)}"
            )


def _describe_totals(totals: SeriesTotals, unit: str, area_unit: str) -> Iterator[str]:
    for name, regions in totals.regions.items():
        count = format_count(regions.count, "region")
        yield (
            f"{name}: {count}, {format_amount(regions.area, area_unit)}, the "
            f"largest {format_amount(regions.largest, area_unit)}"
        )
    for gap in totals.gaps:
        yield f"{' and '.join(gap.between)}: {_describe_gap(gap, unit)}"
    for name, thin in totals.thin.items():
        yield (
            f"{name}: {format_amount(thin.length, unit)} long, mean width "
            f"{format_amount(thin.mean_width, unit)}, largest "
            f"{format_amount(thin.max_width, unit)}"
        )


def _describe_gap(gap: GapTotals, unit: str) -> str:
    if gap.smallest is None:
        first, second = gap.between
        return f"no gap, no image has {'two regions' if first == second else 'both'}"
    smallest = f"{format_amount(gap.smallest, unit)}, in {gap.smallest_in}"
    touching = f"{gap.num_touching} of {format_count(gap.num_images, 'image')}"
    return f"smallest gap {smallest}; they touch in {touching}"


def _describe_rules(measurements: Measurements) -> Iterator[str]:
    for result in measurements.rule_results:
        counted = count_failures(len(result.failed), result.num_judged)
        yield f"{result.rule.name}: {counted if result.failed else 'passes'}"
