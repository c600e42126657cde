"""Measurements as plain text, for the command line."""

from collections.abc import Iterator
from pathlib import Path

from ...data.classmaps import describe_resampled
from ...pages.text import format_amount, format_area, format_count, format_percent, text_table
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from ..volumes import ClassVolume
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
        *describe_resampled(measurements.settings.resampled, "earlier maps"),
        *_describe_totals(measurements.totals, unit, area_unit),
        *_describe_rois(measurements),
        *_describe_volumes(measurements),
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
        (format_percent(percent), name, format_area(area, measurements.area_unit))
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
            unit = area_unit if area_unit == "m2" else ""  # ha and km2 differ by their size
            yield (
                f"  {name}: gained {format_area(gained, unit)}, lost "
                f"{format_area(lost, unit)}, net {sign}{format_area(net, area_unit)}"
            )


def _describe_totals(totals: SeriesTotals, unit: str, area_unit: str) -> Iterator[str]:
    for name, regions in totals.regions.items():
        count = format_count(regions.count, "region")
        yield (
            f"{name}: {count}, {format_area(regions.area, area_unit)}, the "
            f"largest {format_area(regions.largest, area_unit)}"
        )
    for gap in totals.gaps:
        yield f"{' and '.join(gap.between)}: {_describe_gap(gap, unit)}"
    for name, thin in totals.thin.items():
        yield (
            f"{name}: {format_amount(thin.length, unit)} long, mean width "
            f"{format_amount(thin.mean_width, unit)}, largest "
            f"{format_amount(thin.max_width, unit)}"
        )


def _describe_rois(measurements: Measurements) -> Iterator[str]:
    """The figures inside each region of interest, but for its coverage."""
    unit, area_unit = measurements.unit, measurements.area_unit
    totals = measurements.roi_totals
    for roi, inside in list(totals.items())[:_MOST_ROIS]:
        change, names = measurements.roi_changes.get(roi), measurements.labels.names
        for line in (
            *_describe_change(change, names, area_unit),
            *_describe_totals(inside, unit, area_unit),
        ):
            yield f"in {roi}: {line.strip()}"


def _describe_volumes(measurements: Measurements) -> Iterator[str]:
    """One line per class of each volume."""
    lines = [
        f"{Path(file).name}: {name} {format_amount(volume.ml, 'ml')}"
        f"{_describe_lesions(volume)}{_describe_growth(volume)}"
        for file, classes in measurements.volumes.items()
        for name, volume in classes.items()
        if volume.ml or volume.ml_before
    ]
    yield from lines[:_MOST_FAILED]
    if len(lines) > _MOST_FAILED:
        yield f"and {len(lines) - _MOST_FAILED} more; volumes.csv has all"


def _describe_lesions(volume: ClassVolume) -> str:
    if volume.lesions is None:
        return ""
    largest = format_amount(volume.largest_lesion_ml, "ml")
    return f" in {format_count(volume.lesions, 'lesion')}, the largest {largest}"


def _describe_growth(volume: ClassVolume) -> str:
    if volume.ml_before is None:
        return ""
    before, apart = format_amount(volume.ml_before, "ml"), format_amount(volume.hd95_mm, "mm")
    return f"; {before} before, surfaces {apart} apart (HD95)"


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
