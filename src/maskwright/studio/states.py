"""States of an image: new, in progress, submitted, returned, accepted.

    new -> in_progress -> submitted -> accepted
               ^   returned <-'  '       |
               '---- an edit             '-> in_progress, by reopening

What is accepted is written to DATA/studio/masks, and stays as it is until it is reopened.
"""

from dataclasses import dataclass
from typing import Literal

from ..store import items as stored
from ..store.chain import add_event
from ..store.items import Item
from .accepted import remove_accepted, write_accepted
from .errors import StudioError
from .project import LOCAL, Project

Verb = Literal["submit", "return", "accept", "reopen"]


@dataclass(frozen=True, slots=True)
class _Step:
    sources: tuple[str, ...]
    target: str


STEPS: dict[str, _Step] = {
    "submit": _Step(("new", "in_progress", "returned"), "submitted"),
    "return": _Step(("submitted",), "returned"),
    "accept": _Step(("submitted",), "accepted"),
    "reopen": _Step(("accepted",), "in_progress"),
}


def change_state(project: Project, item_id: int, verb: str, rev: int) -> Item:
    """Take one step; `rev` is the revision that the person saw.

    Raises:
        StudioError: 404, no such step; 409, it does not start in the present state, or the
            image was changed since.
    """
    if verb not in STEPS:
        raise StudioError(404, f"no step {verb!r}; there are {', '.join(STEPS)}")
    step = STEPS[verb]
    project.open_item(item_id)
    with project.store.write() as connection:
        item = project.find_item(connection, item_id)
        if item.state not in step.sources:
            raise StudioError(
                409,
                f"{item.key}: is {item.state}; {verb} is a step from "
                f"{' or '.join(step.sources)}",
                {"why": "state"},
            )
        if item.rev != rev:
            raise StudioError(
                409,
                f"{item.key}: is at revision {item.rev}, not {rev}; look at it again",
                {"why": "stale", "rev": item.rev},
            )
        if verb == "accept":
            write_accepted(project, item, project.read_map(connection, item))
        stored.change_item(connection, item_id, state=step.target)
        document = {"before": item.state, "after": step.target, "rev": rev}
        add_event(connection, verb, document, actor=LOCAL, item_id=item_id)
    if verb == "reopen":
        remove_accepted(project, item)
    with project.store.read() as connection:
        return project.find_item(connection, item_id)
