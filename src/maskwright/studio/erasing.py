"""Erase an image because a person asks for it: its pixels go, and the log says so.

Tiles that no other image has are removed, and the values of the events of the image are
emptied. The chain of hashes stays whole: one more event lists the numbers and hashes of the
emptied events, so that `--verify` tells them from events that somebody else changed.
"""

from ..store import items as stored
from ..store.chain import add_event, empty_events, list_events
from ..store.comments import remove_comments
from ..store.database import Connection
from ..store.items import ERASED, Item
from ..store.judgements import remove_judgements
from .accepted import note_state, remove_accepted
from .editing import read_changes
from .project import Project
from .tiles import parse_tiles


def erase(project: Project, item_id: int, reason: str, actor: str) -> int:
    """Erase an image and its copies from the store; the number of removed tiles.

    The file of the image is not the studio's and stays.

    Raises:
        StudioError: 404, there is no such image.
    """
    with project.store.write() as connection:
        item = project.find_item(connection, item_id)
        removed: set[str] = set()
        kept: set[str] = set()
        erased: list[Item] = []
        for one in list(stored.list_items(connection)):
            is_erased = item_id in (one.id, one.source_id)
            (removed if is_erased else kept).update(_list_shas(connection, one))
            if is_erased:
                erased.append(one)
        removed -= kept
        emptied: list[list[object]] = []
        for one in erased:
            stored.remove_tiles(connection, one.id)
            remove_comments(connection, one.id)
            remove_judgements(connection, one.id)
            stored.change_item(connection, one.id, state=ERASED, lease_client=None)
            emptied += empty_events(connection, one.id)
        stored.remove_blobs(connection, sorted(removed))
        document = {"reason": reason, "emptied": emptied, "tiles": len(removed)}
        add_event(connection, "erase", document, actor=actor, item_id=item_id)
        note_state(project, connection)
    remove_accepted(project, item)
    return len(removed)


def _list_shas(connection: Connection, item: Item) -> set[str]:
    """The hashes of all tiles that an image has or had."""
    shas = set(stored.list_tiles(connection, item.id).values())
    for event in list_events(connection, item_id=item.id):
        if event.verb == "open":
            shas.update(parse_tiles(event.document.get("tiles", ())).values())
        elif event.verb == "edit" and "tiles" in event.document:
            before, after = read_changes(event)
            shas |= {*before.values(), *after.values()}
    return shas
