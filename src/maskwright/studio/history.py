"""History: the class map of an image at any of its revisions, read from the log."""

from ..core.labels import LabelMap
from ..store import items as stored
from ..store.chain import list_events
from ..store.database import Connection
from ..store.items import Item, TileIndex
from .editing import read_changes
from .errors import StudioError
from .tiles import join_tiles, parse_tiles


def find_tiles(connection: Connection, item: Item, rev: int) -> TileIndex:
    """The tiles of an image after its edit `rev`; 0 is what it began with.

    Raises:
        StudioError: 404, it has no such revision, or was not opened.
    """
    if not 0 <= rev <= item.rev or item.size_HW is None:
        raise StudioError(404, f"{item.key}: has the revisions 0 to {item.rev}, not {rev}")
    tiles: TileIndex = {}
    for event in list_events(connection, item_id=item.id):
        if event.verb == "open":
            tiles = parse_tiles(event.document["tiles"])
        elif event.verb == "edit" and (event.seq or 0) <= rev:
            tiles |= read_changes(event)[1]
    return tiles


def read_map_at(connection: Connection, item: Item, rev: int) -> LabelMap:
    """The class map of an image after its edit `rev`.

    Raises:
        StudioError: 404, as `find_tiles`.
    """
    tiles = find_tiles(connection, item, rev)
    blobs = stored.read_blobs(connection, sorted(set(tiles.values())))
    return join_tiles(tiles, blobs, item.size_HW or (0, 0))
