"""What follows from a step of an image or a copy: consensus, scores, returns."""

from ..store import items as stored
from ..store.chain import add_event
from ..store.database import Connection
from ..store.items import Item
from ..store.judgements import list_scores, set_reference, set_score
from .consensus import DONE, merge
from .errors import StudioError
from .history import read_map_at
from .judging import count_errors
from .people import LOCAL
from .project import Project
from .recheck import review_first
from .settings import read_settings


def follow_step(project: Project, item: Item, verb: str) -> list[Item]:
    """Do what a step brings with it; the other images that it changed."""
    if item.kind in ("gold", "practice") and verb == "submit":
        return judge_copy(project, item)
    if item.kind == "copy" and item.source_id is not None:
        if verb == "submit":
            return _merge_complete(project, item.source_id)
        if verb == "return":
            with project.store.write() as connection:
                stored.change_item(connection, item.source_id, state="in_progress")
                return [project.find_item(connection, item.source_id)]
    if item.source_id is None and verb in ("return", "accept", "reopen"):
        target = {"return": "returned", "accept": "accepted", "reopen": "submitted"}[verb]
        with project.store.write() as connection:
            return _move_copies(connection, item, target)
    return []


def follow_submitted(project: Project) -> None:
    """Judge and merge the copies that were submitted just before a studio ended."""
    with project.store.read() as connection:
        items = project.list_items(connection)
        judged = {score.item_id for score in list_scores(connection)}
    for item in items:
        is_judged = item.kind not in ("gold", "practice") or item.id in judged
        if item.state == "submitted" and not is_judged:
            judge_copy(project, item)
        if item.kind == stored.POOL and item.rev == 0:
            _merge_complete(project, item.id)


def _merge_complete(project: Project, source_id: int) -> list[Item]:
    """Merge the copies of an image once all that are wanted are submitted."""
    with project.store.read() as connection:
        settings = read_settings(connection)
        copies = stored.list_copies(connection, source_id, "copy")
        source = project.find_item(connection, source_id)
    is_complete = len(copies) >= settings.copies and all(c.state in DONE for c in copies)
    if not is_complete or source.state == "accepted":
        return []
    return [merge(project, source_id, settings, LOCAL)]


def _move_copies(connection: Connection, source: Item, target: str) -> list[Item]:
    moved = []
    for copy in stored.list_copies(connection, source.id, "copy"):
        if copy.state in DONE and copy.state != target:
            stored.change_item(connection, copy.id, state=target)
            document = {"before": copy.state, "after": target, "rev": copy.rev}
            add_event(connection, "follow", document, actor=LOCAL, item_id=copy.id)
            found = stored.find_item(connection, copy.id)
            moved += [] if found is None else [found]
    return moved


def judge_copy(project: Project, copy: Item) -> list[Item]:
    """Score a copy against the sealed map of its reference; images to be reviewed first."""
    if copy.source_id is None or copy.source_rev is None or copy.kind is None:
        return []
    with project.store.read() as connection:
        settings = read_settings(connection)
        source = project.find_item(connection, copy.source_id)
        truth_HW = read_map_at(connection, source, copy.source_rev)
        labels_HW = project.read_map(connection, copy)
    # Counting takes a while, in which others write: nobody can tell gold by waiting for it.
    counts = count_errors(truth_HW, labels_HW, len(project.spec), settings.tolerance_px)
    person = copy.annotator or ""
    with project.store.write() as connection:
        set_score(connection, copy.id, copy.kind, person, counts)
        if copy.kind != "gold":
            return []
        return review_first(connection, person, settings.gold_iou)


def make_reference(project: Project, item_id: int, kind: str, actor: str) -> Item:
    """Seal an accepted image as gold or for practice; an empty kind ends that.

    Raises:
        StudioError: 409, the image is not accepted.
    """
    with project.store.write() as connection:
        item = project.find_item(connection, item_id)
        if kind and (item.state != "accepted" or item.source_id is not None):
            raise StudioError(
                409,
                f"{item.key}: is {item.state}; what judges others is accepted",
                {"why": "state"},
            )
        set_reference(connection, item_id, kind, item.rev)
        document = {"kind": kind, "rev": item.rev}
        add_event(connection, "reference", document, actor=actor, item_id=item_id)
        return item
