"""Verify a store: its log, the pixels of its tiles, and that the log leads to them."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.errors import DataError
from ..core.progress import Progress, silent
from ..store import items as stored
from ..store.chain import find_broken_links, list_events
from ..store.database import Connection
from ..store.items import ERASED, Item, TileIndex
from .editing import read_changes
from .project import Project
from .tiles import parse_tiles, read_tile


@dataclass(frozen=True, slots=True)
class Verification:
    """What was counted, and one sentence for each fault."""

    num_events: int
    num_tiles: int
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The document of `--json`."""
        counts = {"events": self.num_events, "tiles": self.num_tiles}
        return {**counts, "faults": list(self.faults)}

    def to_text(self) -> str:
        """The faults, or that there are none."""
        counted = f"{self.num_events:,} events and {self.num_tiles:,} tiles"
        if not self.faults:
            return f"{counted} verified: the log is whole and leads to the class maps"
        return "\n".join([*self.faults, f"{counted} read, {len(self.faults)} faults"])


def verify(project: Project, progress: Progress = silent) -> Verification:
    """Verify the store of a project; reads everything and changes nothing."""
    faults: list[str] = []
    with project.store.read() as connection:
        faults += find_broken_links(connection)
        num_tiles, shas = 0, set()
        for sha, content in stored.list_blobs(connection):
            num_tiles += 1
            try:
                read_tile({sha: content}, sha)
            except DataError as error:
                faults.append(str(error))
            shas.add(sha)
        items = list(stored.list_items(connection))
        for item in progress(items, total=len(items), what="verifying"):
            faults += _replay(connection, item, shas)
        num_events = sum(1 for _ in list_events(connection))
    return Verification(num_events, num_tiles, tuple(faults))


def _replay(connection: Connection, item: Item, shas: set[str]) -> Iterator[str]:
    """Follow the edits of one image from its first class map to the present one."""
    if item.state == ERASED:
        return
    tiles: TileIndex = {}
    rev = 0
    for event in list_events(connection, item_id=item.id):
        if event.verb == "open":
            tiles = parse_tiles(event.document["tiles"])
        elif event.verb == "edit":
            before, after = read_changes(event)
            if event.seq != rev + 1:
                yield f"{item.key}: edit {event.seq} follows edit {rev}"
            if any(tiles.get(at) != sha for at, sha in before.items()):
                yield f"{item.key}: edit {event.seq} was not made on what was there before it"
            tiles |= after
            rev = event.seq or rev
    if rev != item.rev:
        yield f"{item.key}: is at revision {item.rev}, the log ends at edit {rev}"
    present = stored.list_tiles(connection, item.id)
    if tiles != present:
        yield f"{item.key}: its class map is not the one that its edits give"
    missing = len(set(present.values()) - shas)
    if missing:
        yield f"{item.key}: the pixels of {missing} tiles are missing"
