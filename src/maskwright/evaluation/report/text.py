"""A report as text for the console: a table of classes, then the scores of the set."""

from ...core.report import Estimate, Report
from ...core.scores import ABSENT_RULE
from ...pages.text import format_share, text_table

_HEADS = ("class", "IoU", "95 % interval", "precision", "recall", "Dice")


def summarize(report: Report) -> str:
    """The scores of each class and of the set, and which classes are left out of means."""
    rows = [
        (
            name,
            format_share(scores["iou"].value),
            _format_interval(scores["iou"]),
            *(format_share(scores[key].value) for key in ("precision", "recall", "dice")),
        )
        for name, scores in zip(report.labels.names, report.classes, strict=True)
    ]
    lines = [*text_table(_HEADS, rows), _set_scores(report)]
    if report.absent_classes:
        lines.append(f"{ABSENT_RULE} Absent here: {', '.join(report.absent_classes)}.")
    made = report.uncertainty
    if made is not None and not made.enough_groups:
        lines.append(f"No intervals: {made.groups} groups of images are too few.")
    return "\n".join(lines)


def _set_scores(report: Report) -> str:
    shares = {name: format_share(score.value) for name, score in report.scores.items()}
    interval = _format_interval(report.scores["miou"])
    return (
        f"mIoU {shares['miou']}{f' ({interval})' if interval else ''}, pixel accuracy "
        f"{shares['pixel_accuracy']}, frequency-weighted IoU "
        f"{shares['frequency_weighted_iou']}; mean over images of their mIoU "
        f"{shares['image_mean_miou']}"
    )


def _format_interval(score: Estimate) -> str:
    """The ends in percent, as `70.1 to 75.3`; "" where there is no interval."""
    if score.interval is None:
        return ""
    low, high = (f"{100 * end:.1f}" for end in score.interval)
    return f"{low} to {high}"
