"""Classes that the labels alone ask to merge: alike names, and classes in too few masks."""

from ..classes.proposal import Merge, propose_rare_merge
from .audit import Audit
from .defects import find_alike


def list_merges(audit: Audit) -> list[Merge]:
    """The merges to propose for a dataset that was checked; none where labels are unclear."""
    if audit.spec is None:
        return []
    alike = [
        Merge(names=names, reason="names that differ in case, spacing or signs", name=names[0])
        for names in find_alike(audit.spec.names)
    ]
    images = {entry["name"]: entry["images"] for entry in audit.classes()}
    return [*alike, *propose_rare_merge(images)]
