"""Find the rule by which the groups of images can be read from their keys again."""

from collections.abc import Sequence

from ..classes.dataset_yaml import GroupEntry
from ..entries.scan import Entry

_ENDS = ("__", "_", "-", ".", " ")


def find_group_rule(entries: Sequence[Entry]) -> GroupEntry | None:
    """Find the rule that gives each entry its group.

    None where every image is a group of its own, which needs no rule, or where none is found.
    """
    if all(entry.group == entry.key for entry in entries):
        return None
    rules = (GroupEntry(before=end, last=last) for end in _ENDS for last in (False, True))
    fit = (r for r in rules if all(r.find_group(e.key) == e.group for e in entries))
    return next(fit, None)
