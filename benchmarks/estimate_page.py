"""The page of benchmarks/estimate.py: tables of errors, in points of mIoU."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from maskwright.corruption.corrupt import IMAGENET_C, SEVERITIES
from maskwright.monitoring.estimate import COVERAGE

MIXED, HALVES = "images like those of the fit", "the other half of the clip"
NOTES = "\n## Notes\n"
"""What stands below is written by hand, and stays."""

ERRORS_HEAD = (
    "| judged on | method | plain | severity 1 to 3: mean error | 4 and 5 | all | bias | "
    "interval holds the truth | its width | silent | order of severities (Spearman) |"
)
Cases = Sequence[Mapping[str, Any]]


def page(results: Mapping[str, Any]) -> str:
    """All tables."""
    cases: Mapping[str, Cases] = results["cases"]
    methods = list(cases[MIXED][0]["says"])
    num_divided = sum(not one["severity"] for one in cases[MIXED])
    lines = [
        "# Accuracy without labels",
        "",
        f"`benchmarks/estimate.py`: mIoU of {results['frames'] // 2} frames of CamVid's",
        "validation clip, in 15 corruptions at 5 severities, as estimated without their",
        f"labels. Fitted on {results['frames'] // 2} other frames, each kind of corruption by",
        "the 14 others: in blocks of neighbouring frames, four of eight in",
        f"{num_divided} of the {results['divisions']} ways to choose them, and in the other",
        "half of the clip.",
        "Errors are in points of mIoU; the intervals are meant to hold the truth in",
        f"{COVERAGE:.0%} of the cases.",
        "",
        ERRORS_HEAD,
        "|---" * 11 + "|",
        *(_row(title, method, each) for title, each in cases.items() for method in methods),
        "",
        "Silent are conditions whose mean confidence lies outside of what was seen in fitting:",
        "no estimate is given, and they count in no error. `few pixels` is what a server",
        "measures and `maskwright estimate` fits: those of a grid of 48 along the longer side.",
        "",
        f"Mean errors of each corruption, {MIXED}:",
        "",
        f"| corruption | true mIoU at severity 1 to 5 | {' | '.join(methods)} |",
        "|---|---|" + "---|" * len(methods),
        *(_kind_row(kind, cases[MIXED], methods) for kind in IMAGENET_C),
        "",
        "## Without corruption, by the number of frames",
        "",
        "Mean errors in all frames of the clip, over all",
        f"{results['divisions']} ways to choose four blocks of eight, and over both halves.",
        "The line of each method is fitted on the corrupted frames in the half to fit.",
        "The last column is the error of a guess that looks at no image: that nothing changed.",
        "",
        *_list_plain(results),
        "",
        "## Other methods",
        "",
        f"Mean errors of the same {results['divisions']} ways; everything is fitted on the",
        "other half and on the other kinds of corruption.",
        "",
        *_list_tries(results["tries"]),
    ]
    return "\n".join(lines) + "\n"


def _row(title: str, method: str, cases: Cases) -> str:
    said = [one for one in cases if one["says"][method]["miou"] is not None]
    errors = _list_errors(method, cases)
    bounds = [(one["miou"], *one["says"][method]["interval"]) for one in said]
    cells = [
        _mean_abs(errors, (0,)),
        _mean_abs(errors, (1, 2, 3)),
        _mean_abs(errors, (4, 5)),
        _mean_abs(errors, (0, 1, 2, 3, 4, 5)),
        f"{np.mean([error for _, error in errors]):+.1f}",
        f"{np.mean([low <= miou <= high for miou, low, high in bounds]):.0%}",
        f"{100 * np.mean([high - low for _, low, high in bounds]):.0f}",
        f"{len(cases) - len(said)} of {len(cases)}",
        f"{_rank(method, cases):.2f}",
    ]
    return f"| {title} | {method} | {' | '.join(cells)} |"


def _list_errors(method: str, cases: Cases) -> list[tuple[int, float]]:
    """The severity of each case that has an estimate, and its error in points."""
    return [
        (one["severity"], 100 * (one["says"][method]["miou"] - one["miou"]))
        for one in cases
        if one["says"][method]["miou"] is not None
    ]


def _mean_abs(errors: Sequence[tuple[int, float]], severities: Sequence[int]) -> str:
    chosen = [abs(error) for severity, error in errors if severity in severities]
    return f"{np.mean(chosen):.1f}" if chosen else "–"


def _rank(method: str, cases: Cases) -> float:
    """The mean over kinds of the rank correlation of estimate and truth over severities."""
    found = []
    for kind in IMAGENET_C:
        pairs = [
            (one["miou"], one["says"][method]["bare"]) for one in cases if one["kind"] == kind
        ]
        found.append(spearmanr(*zip(*pairs, strict=True)).statistic)
    return float(np.nanmean(found))


def _kind_row(kind: str, cases: Cases, methods: Sequence[str]) -> str:
    """True mIoU, and the mean absolute error of each method where it says something."""
    rows = [one for one in cases if one["kind"] == kind]
    true = [
        np.mean([one["miou"] for one in rows if one["severity"] == level])
        for level in SEVERITIES
    ]
    cells = [_mean_abs(_list_errors(method, rows), SEVERITIES) for method in methods]
    shown = " ".join(f"{100 * each:.0f}" for each in true)
    return f"| {kind} | {shown} | {' | '.join(cells)} |"


def _list_plain(results: Mapping[str, Any]) -> list[str]:
    plain = results["plain"]
    names = list(plain[MIXED][0]["errors"])
    lines = [
        f"| judged on | frames to fit, and to judge | {' | '.join(names)} |",
        "|---" * (2 + len(names)) + "|",
    ]
    for title, rows in plain.items():
        for one in rows:
            cells = [f"{one['errors'][name]:.1f}" for name in names]
            lines.append(f"| {title} | {one['frames']} | {' | '.join(cells)} |")
    return lines


def _list_tries(tries: Mapping[str, Mapping[str, float]]) -> list[str]:
    columns = list(next(iter(tries.values())))
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name, means in tries.items():
        cells = [
            f"{means[column]:+.1f}" if column == "bias" else f"{means[column]:.1f}"
            for column in columns
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
