"""The page of `interval_coverage.py`: its results as Markdown."""

from typing import Any

_INTRODUCTION = """# Coverage of the 95 % intervals, errors and power of compare

From `benchmarks/interval_coverage.py`, {num:,} sets per cell, in percent. Six classes have 45
to 0.2 % of the pixels; class 6 is in the truth of 40 % of the clips. A dash: fewer than 200
intervals. The standard error of a cell of 2,000 is 0.5, of one of 200 it is 1.5.

## Intervals that hold the true score

Of the printed ones; in brackets the share of sets with an interval, where not in all. A class
whose truth is in fewer than five groups has none, and is in no mean. The expanded percentiles
of a bootstrap over groups (Hesterberg 2015), on {percentile_sets} of the sets, are the method
that was not chosen."""

_ERRORS = """## Errors and power of compare

Error: comparisons in which any class that is equal in A and B, or mIoU if none falls, counts
as worse or better. Found: those in which the fallen class counts as worse. Step-down max-|d|
over the classes and mIoU, in points and in standard units: `compare` takes points for up to
12 groups and standard units from 13 on. Holm's method over the classes, with mIoU apart, was
the one before."""


def write_tables(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    coverage = {(g, score, what): (p, h) for g, score, what, p, h in results["intervals"]}
    lines = [
        *_INTRODUCTION.format(
            num=results["sets"], percentile_sets=results["percentile_sets"]
        ).splitlines(),
        "",
    ]
    whats = [*(f"class {i}" for i in range(1, 7)), "mean"]
    scores = list(dict.fromkeys(score for _, score, _ in coverage))
    groups = list(dict.fromkeys(num_groups for num_groups, _, _ in coverage))
    for score in scores:
        num_sets = results["percentile_sets" if "percentiles" in score else "sets"]
        lines += [f"### {score}", "", "| groups | " + " | ".join(whats) + " |"]
        lines += ["|---" * (len(whats) + 1) + "|"]
        for num_groups in groups:
            row = [_cell(coverage[num_groups, score, w], num_sets) for w in whats]
            lines.append(f"| {num_groups} | " + " | ".join(row) + " |")
        lines.append("")
    return "\n".join([*lines, *_verdict_lines(results["verdicts"])]) + "\n"


def _cell(found: tuple[float, float], num_sets: int) -> str:
    if found[0] * num_sets < 200:
        return "-"
    printed, held = found
    return f"{100 * held:.1f}" + (f" ({100 * printed:.0f})" if printed < 0.995 else "")


def _verdict_lines(verdicts: list[Any]) -> list[str]:
    """Family errors, then the power, by correction."""
    lines = [*_ERRORS.splitlines(), ""]
    for what in dict.fromkeys(row[0] for row in verdicts):
        rows = [row for row in verdicts if row[0] == what]
        ways = list(rows[0][3])
        keys = ["error"] if "power" not in rows[0][3][ways[0]] else ["error", "power"]
        heads = [f"{'found' if key == 'power' else key}, {way}" for key in keys for way in ways]
        lines += [f"### {what} ({rows[0][2]:,} comparisons)", ""]
        lines += ["| groups | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
        for _, num_groups, _, found in rows:
            cells = [f"{100 * found[way].get(key, 0):.1f}" for key in keys for way in ways]
            lines.append(f"| {num_groups} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines[:-1]
