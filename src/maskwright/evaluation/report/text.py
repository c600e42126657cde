"""A report as text for the console: a table of classes, then the scores of the set."""

import math

from ...core.report import MIN_GROUPS, Estimate, Ghost, Report
from ...core.scores import ABSENT_RULE
from ...pages.text import format_amount, format_points, format_share, format_subject, text_table
from ..confusable import describe_pair
from ..drawing.wording import wording

FAR_RATIO = 0.1
"""Difference of the mean over images from the mIoU that is remarked on."""

_MOST_NAMED = 4
_OF_SURFACES = ("mean_patient_dice", "mean_hd95_", "mean_assd_", "mean_nsd")
_HEADS = ("class", "IoU", "95 % interval", "precision", "recall", "Dice", "groups")


def summarize(report: Report) -> str:
    """The scores of each class and of the set, and which classes are left out of means."""
    rows = [
        (
            name,
            format_share(scores["iou"].value),
            _format_interval(scores["iou"]) or report.explain_no_interval(index),
            *(format_share(scores[key].value) for key in ("precision", "recall", "dice")),
            _count_groups(report, index),
        )
        for index, (name, scores) in enumerate(
            zip(report.labels.names, report.classes, strict=True)
        )
    ]
    lines = [*text_table(_HEADS, rows), _set_scores(report), *_list_surface_scores(report)]
    lines += list_failures(report)
    if report.absent_classes:
        lines.append(f"{ABSENT_RULE} Absent here: {', '.join(report.absent_classes)}.")
    lines += [f"{describe_ghost(ghost)}." for ghost in report.ghosts]
    lines += report.notes
    made = report.uncertainty
    if made is not None and not made.enough_groups:
        counted = format_subject(made.groups, "group of images is", "groups of images are")
        lines.append(f"No intervals: {counted} too few.")
    return "\n".join(lines)


def list_failures(report: Report) -> list[str]:
    """What makes a model useless and a score look good: first on the console and on the page.

    Classes of which no pixel or no object is found, classes that are not told apart, and a mean
    over images that is far above the mIoU.
    """
    failures = [
        _describe_miss(report, index, name)
        for index, name in enumerate(report.labels.names)
        if name in report.missed_classes
    ]
    failures += [
        f"{name}: no object is found (object recall 0 %)."
        for name, scores in zip(report.labels.names, report.classes, strict=True)
        if scores["iou"].value > 0
        and "object_recall" in scores
        and scores["object_recall"].value == 0
    ]
    failures += [describe_pair(pair) for pair in report.confusable]
    of_set, of_images = (report.scores.get(key) for key in ("miou", "image_mean_miou"))
    if of_set and of_images and of_images.value - of_set.value > FAR_RATIO:
        failures.append(
            f"Believe mIoU {format_share(of_set.value)}, which counts every pixel of the set. "
            f"The mean over images of their mIoU is {format_share(of_images.value)}, because "
            f"images without a class leave that class out of their mean."
        )
    return failures


def _describe_miss(report: Report, index: int, name: str) -> str:
    """A class of which no pixel is found."""
    counts_CC = report.confusion.counts_CC
    predicted = int(counts_CC[:, index].sum())
    instead = report.labels.names[int(counts_CC[index].argmax())]
    ending = f"{predicted:,} px are predicted as it, all of them wrong" if predicted else ""
    ending = ending or f"the model never predicts it, most of it becomes {instead}"
    return f"{name}: none of its {report.truth_px[index]:,} px is found; {ending}."


def describe_ghost(ghost: Ghost) -> str:
    """What a predicted but absent class costs."""
    points = format_points(ghost.cost).removeprefix("+")
    return (
        f"{ghost.name}: {ghost.predicted_px:,} px predicted, not in the truth: costs mIoU "
        f"{points} points"
    )


def describe_interval_of(score: Estimate, report: Report) -> str:
    """Which mean the interval of `score` belongs to; "" where it is that of all classes."""
    if math.isnan(score.interval_of):
        return ""
    names = left_out(report)
    listed = ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} classes"
    return f"without {listed} (in too few groups) {format_share(score.interval_of)}"


def left_out(report: Report) -> tuple[str, ...]:
    """The scored classes that the intervals of means leave out."""
    return tuple(
        name
        for name, groups, scores in zip(
            report.labels.names, report.truth_groups, report.classes, strict=True
        )
        if groups < MIN_GROUPS and not math.isnan(scores["iou"].value)
    )


def _count_groups(report: Report, index: int) -> str:
    return str(report.truth_groups[index]) if report.truth_groups else ""


def _set_scores(report: Report) -> str:
    shares = {name: format_share(score.value) for name, score in report.scores.items()}
    miou = report.scores["miou"]
    interval = _format_interval(miou)
    belongs = describe_interval_of(miou, report) if interval else ""
    interval = f"{f', {belongs}' if belongs else ''} ({interval})" if interval else ""
    return (
        f"mIoU {shares['miou']}{interval}, pixel accuracy "
        f"{shares['pixel_accuracy']}, frequency-weighted IoU "
        f"{shares['frequency_weighted_iou']}"
    )


def _list_surface_scores(report: Report) -> list[str]:
    """Scores of patients and of surfaces in one line; none where neither are scored."""
    words = {key: wording(key) for key in report.scores if key.startswith(_OF_SURFACES)}
    scores = [
        f"{word.name[0].lower()}{word.name[1:]} "
        + (
            format_share(report.scores[key].value)
            if word.unit == "%"
            else format_amount(report.scores[key].value, word.unit)
        )
        for key, word in words.items()
    ]
    return [", ".join(scores)] if scores else []


def _format_interval(score: Estimate) -> str:
    """The ends in percent, as `70.1 to 75.3`; "" where there is no interval."""
    if score.interval is None:
        return ""
    low, high = (f"{100 * end:.1f}" for end in score.interval)
    return f"{low} to {high}"
