"""Erase an image because a person asks for it: its pixels go, and the log says so.

Tiles that no other image has are removed, and the values of the events of the image are
emptied. The chain of hashes stays whole: one more event lists the numbers and hashes of the
emptied events, so that `--verify` tells them from events that somebody else changed.
"""

from ..store import items as stored
from ..store.chain import add_event, empty_events, list_events
from ..store.comments import remove_comments
from ..store.database import Connection
from ..store.items import Item
from ..store.judgements import remove_judgements
from .accepted import remove_accepted
from .editing import read_changes
from .project import Project

ERASED = "erased"


def erase(project: Project, item_id: int, reason: str, actor: str) -> int:
    """Erase an image and its copies from the store; the number of removed tiles.

    The file of the image is not the studio's and stays.

    Raises:
        StudioError: 404, there is no such image.
    """
    with project.store.write() as connection:
        item = project.find_item(connection, item_id)
        every = [i for i in stored.list_items(connection) if item_id in (i.id, i.source_id)]
        own = {sha for one in every for sha in _list_shas(connection, one)}
        kept: set[str] = set()
        for other in stored.list_items(connection):
            if other.id not in {one.id for one in every}:
                kept |= _list_shas(connection, other)
        emptied: list[list[object]] = []
        for one in every:
            stored.remove_tiles(connection, one.id)
            remove_comments(connection, one.id)
            remove_judgements(connection, one.id)
            stored.change_item(connection, one.id, state=ERASED, lease_client=None)
            emptied += empty_events(connection, one.id)
        stored.remove_blobs(connection, sorted(own - kept))
        document = {"reason": reason, "emptied": emptied, "tiles": len(own - kept)}
        add_event(connection, "erase", document, actor=actor, item_id=item_id)
    remove_accepted(project, item)
    return len(own - kept)


def _list_shas(connection: Connection, item: Item) -> set[str]:
    """The hashes of all tiles that an image has or had."""
    shas = set(stored.list_tiles(connection, item.id).values())
    for event in list_events(connection, item_id=item.id):
        if event.verb == "open":
            shas |= {sha for _, _, sha in event.document.get("tiles", ())}
        elif event.verb == "edit" and "tiles" in event.document:
            before, after = read_changes(event)
            shas |= {*before.values(), *after.values()}
    return shas
