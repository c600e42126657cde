"""Whether a version may take the place of another: the verdict of `maskwright compare`.

A run has a report beside its Bundle. Where both versions come from runs whose reports score the
same images, the new one is judged as `compare` judges it; elsewhere nothing is known of it.
"""

from pathlib import Path

from ..core.errors import DataError
from ..core.versioned import Document
from .errors import ServingError

_BUNDLE, _REPORT = "bundle", "report"


def require_not_worse(now: Path, new: Path) -> Document:
    """What the reports of two Bundles say: the change of the mean IoU, or why there is none.

    Raises:
        ServingError: 409, the new one is worse beyond chance in the mean IoU or of a class.
    """
    folders = [path.resolve() for path in (now, new)]
    reports = [folder.parent / _REPORT for folder in folders]
    if not all(f.name == _BUNDLE for f in folders) or not all(r.is_dir() for r in reports):
        return {"compared": False, "reason": "a version is not of a run with a report"}
    from ..evaluation.compare.changes import measure_changes
    from ..evaluation.compare.read import read_report_pair

    try:
        pair = read_report_pair(*reports)
    except DataError as error:
        reason = str(error)
        for report, side in zip(reports, ("in use", "new"), strict=True):
            reason = reason.replace(str(report), f"report {side}")
        return {"compared": False, "reason": reason}
    changes = measure_changes(pair)
    miou = changes.overall["miou"]
    names = "mIoU", *pair.a.labels.names
    judged = zip(names, (miou, *changes.classes["iou"]), strict=True)
    worse = [name for name, change in judged if change.fell]
    if worse:
        raise ServingError(
            409,
            f"the new version is worse beyond chance in {', '.join(worse)}: mIoU "
            f"{miou.b:.3f}, in use {miou.a:.3f}; see `maskwright compare`, or send the "
            f"parameter force: true",
        )
    return {"compared": True, "miou": miou.to_json()}
