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
from ..store.people import find_user
from .accepted import remove_accepted, write_accepted
from .errors import StudioError
from .people import LOCAL
from .project import Project

Verb = Literal["submit", "return", "accept", "reopen"]


@dataclass(frozen=True, slots=True)
class _Step:
    sources: tuple[str, ...]
    target: str
    role: str


STEPS: dict[str, _Step] = {
    "submit": _Step(("new", "in_progress", "returned"), "submitted", "annotator"),
    "return": _Step(("submitted",), "returned", "reviewer"),
    "accept": _Step(("submitted",), "accepted", "reviewer"),
    "reopen": _Step(("accepted",), "in_progress", "manager"),
}


def change_state(project: Project, item_id: int, verb: str, rev: int, actor: str) -> Item:
    """Take one step; `rev` is the revision that the person saw.

    What is returned stays the work of its annotator, who may not accept it.

    Raises:
        StudioError: 403, the own work; 409, it does not start in the present state, or the
            image was changed since.
    """
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
        if verb == "accept" and actor != LOCAL and actor == item.annotator:
            raise StudioError(
                403, f"{item.key}: is your own work; another person accepts it", {"why": "role"}
            )
        if verb == "accept":
            write_accepted(project, item, project.read_map(connection, item))
        stored.change_item(connection, item_id, state=step.target)
        document = {"before": item.state, "after": step.target, "rev": rev}
        add_event(connection, verb, document, actor=actor, item_id=item_id)
    if verb == "reopen":
        remove_accepted(project, item)
    with project.store.read() as connection:
        return project.find_item(connection, item_id)


def assign(project: Project, item_id: int, annotator: str | None, actor: str) -> Item:
    """Make an image the work of a user, or of nobody.

    Raises:
        StudioError: 404, no such image; 422, no such user, or one who may not paint.
    """
    with project.store.write() as connection:
        item = project.find_item(connection, item_id)
        user = None if annotator is None else find_user(connection, annotator)
        if annotator is not None and (user is None or user.role == "viewer"):
            raise StudioError(422, f"{annotator!r} is not a user who paints")
        stored.change_item(connection, item_id, annotator=annotator)
        document = {"before": item.annotator, "after": annotator}
        add_event(connection, "assign", document, actor=actor, item_id=item_id)
        return project.find_item(connection, item_id)
