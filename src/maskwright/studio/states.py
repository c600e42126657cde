"""States of an image: new, in progress, submitted, in review, returned, accepted.

    new -> in_progress -> submitted -> in_review -> accepted
               ^   returned <-'------------'           |
               '---- an edit                           '-> in_progress, by reopening

A reviewer may return and accept what is submitted at once, without beginning a review; in
review, the reviewer may also paint. What is accepted is written to DATA/studio/masks, and
stays as it is until it is reopened.
"""

from dataclasses import dataclass

from ..store import items as stored
from ..store.chain import add_event
from ..store.comments import count_open
from ..store.database import Connection
from ..store.items import Item
from .accepted import note_state, remove_accepted, write_accepted
from .errors import StudioError
from .people import LOCAL, Person
from .project import Project
from .visibility import find_visible


@dataclass(frozen=True, slots=True)
class _Step:
    sources: tuple[str, ...]
    target: str
    role: str


STEPS: dict[str, _Step] = {
    "submit": _Step(("new", "in_progress", "returned"), "submitted", "annotator"),
    "review": _Step(("submitted",), "in_review", "reviewer"),
    "return": _Step(("submitted", "in_review"), "returned", "reviewer"),
    "accept": _Step(("submitted", "in_review"), "accepted", "reviewer"),
    "reopen": _Step(("accepted",), "in_progress", "manager"),
}


def change_state(
    project: Project, item_id: int, verb: str, rev: int, person: Person, *, waiver: str = ""
) -> Item:
    """Take one step; `rev` is the revision that the person saw.

    What is returned stays the work of its annotator, who may not accept it. A `waiver` says
    why an image is accepted whose comments are still open.

    Raises:
        StudioError: 403, the own work; 409, it does not start in the present state, the image
            was changed since, or comments are open.
    """
    step, actor = STEPS[verb], person.name
    project.open_item(item_id)
    with project.store.write() as connection:
        item = find_visible(project, connection, item_id, person)
        if item.state not in step.sources:
            raise StudioError(
                409,
                f"{item.key}: is {item.state}; {verb} is a step from "
                f"{' or '.join(step.sources)}",
                {"why": "state"},
            )
        if item.source_id is not None and verb not in ("submit", "return"):
            raise StudioError(
                409, f"{item.key}: a copy has no {verb}; its image has", {"why": "state"}
            )
        if item.rev != rev:
            raise StudioError(
                409,
                f"{item.key}: is at revision {item.rev}, not {rev}; look at it again",
                {"why": "stale", "rev": item.rev},
            )
        if verb == "accept":
            _require_acceptable(connection, item, actor, waiver)
            write_accepted(project, item, project.read_map(connection, item))
        reviewer = actor if verb in ("review", "return", "accept") else item.reviewer
        stored.change_item(connection, item_id, state=step.target, reviewer=reviewer)
        document: dict[str, object] = {"before": item.state, "after": step.target, "rev": rev}
        if waiver:
            document["waiver"] = waiver
        add_event(connection, verb, document, actor=actor, item_id=item_id)
        if verb in ("accept", "reopen"):
            note_state(project, connection)
    if verb == "reopen":
        remove_accepted(project, item)
    with project.store.read() as connection:
        return project.find_item(connection, item_id)


def _require_acceptable(connection: Connection, item: Item, actor: str, waiver: str) -> None:
    if actor != LOCAL and actor == item.annotator:
        raise StudioError(
            403, f"{item.key}: is your own work; another person accepts it", {"why": "role"}
        )
    num_open = count_open(connection).get(item.id, 0)
    if num_open and not waiver:
        are_open = "1 comment is open" if num_open == 1 else f"{num_open} comments are open"
        raise StudioError(
            409,
            f"{item.key}: {are_open}; resolve what is open, or accept with a reason",
            {"why": "comments", "open": num_open},
        )
