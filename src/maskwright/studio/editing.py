"""Edit class maps: who may, in which state, and on which revision; exactly or not at all.

An image has one writer at a time, by a lease of its client. An edit names the revision that it
was made on, and for each tile the hashes before and after; where one does not fit, nothing is
changed. So a stale page can never overwrite, and both sides can never drift apart unseen.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError
from ..core.labels import LabelMap
from ..store import items as stored
from ..store.chain import Event, add_event, find_edit, find_request
from ..store.database import Connection
from ..store.items import Item, TileIndex
from .edit import Edit, TileChange
from .errors import StudioError
from .people import LOCAL, Person
from .project import Project
from .raster import draw_edit
from .tiles import (
    apply_patch,
    compress_tile,
    cut_map,
    describe_tiles,
    find_foreign_values,
    hash_tile,
    read_tile,
)
from .visibility import find_visible

LEASE_S = 120.0
EDITABLE = ("new", "in_progress", "returned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One open page: its own name, and who uses it."""

    name: str
    person: Person

    @property
    def session(self) -> str:
        """The hash of the secret of its browser."""
        return self.person.session


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An edit with its patches, as a client sends it.

    `key` names the request: one that comes again changes nothing. `rev` is the revision that
    the edit was made on.
    """

    item_id: int
    key: str
    rev: int
    edit: Edit
    patches: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The image and its revision after an edit, and the tiles that the edit changed."""

    item: Item
    rev: int
    tiles: TileIndex
    px_changed: int


@dataclass(frozen=True, slots=True)
class Change:
    """The tiles that an edit changes, and the compressed new ones by hash."""

    before: TileIndex
    after: TileIndex
    blobs: Mapping[str, bytes]
    px_changed: int


def take_lease(project: Project, item_id: int, client: Client, *, take_over: bool) -> Item:
    """Let a client paint an image, or prolong its lease.

    With `take_over`, it also gets the lease of another page of the same browser, and one whose
    time is over.

    Raises:
        StudioError: 404, the person does not see it; 423, another page paints it.
        DataError: The image or its labels cannot be read.
    """
    project.open_item(item_id)
    now_s = time.time()
    with project.store.write() as connection:
        item = find_visible(project, connection, item_id, client.person)
        if item.lease_client is not None and not _holds(item, client):
            # One that ends later than any given now was given before the clock was set back.
            is_over = not 0 <= item.lease_until - now_s <= LEASE_S
            if not (take_over and (item.lease_session == client.session or is_over)):
                raise _held_error(item, now_s)
        _renew(connection, item, client, now_s)
        return project.find_item(connection, item_id)


def end_lease(project: Project, item_id: int, client: Client) -> None:
    """Give back the lease of a client, if it has it."""
    with project.store.write() as connection:
        if _holds(project.find_item(connection, item_id), client):
            stored.change_item(connection, item_id, lease_client=None, lease_until=0.0)


Draw = Callable[[Item, LabelMap, Edit], LabelMap]
"""Draws an edit into the class map of an image."""


def apply_edit(
    project: Project, request: Request, client: Client, draw: Draw | None = None
) -> Result:
    """Apply an edit; it is durable when this returns. `draw` draws one that has no tiles.

    Raises:
        StudioError: 409, the state of the image or its revision is another; 423, another
            client paints it; 422, pixels are not those that the edit names.
        DataError: The edit is damaged.
    """
    with project.store.write() as connection:
        item = find_visible(project, connection, request.item_id, client.person)
        done = find_request(connection, request.key)
        if done is not None:
            return _read_result(done, request, item)
        require_editable(item, client.person)
        require_lease(item, client)
        if request.rev != item.rev:
            raise _stale_error(connection, item)
        change = _find_change(project, connection, item, request, draw)
        if item.annotator is None and client.person.name != LOCAL:
            stored.change_item(connection, item.id, annotator=client.person.name)
        _renew(connection, item, client, time.time())
        document = _describe(request, client)
        store_change(
            connection, item, change, document, actor=client.person.name, key=request.key
        )
        item = project.find_item(connection, item.id)
        return Result(item=item, rev=item.rev, tiles=change.after, px_changed=change.px_changed)


def replace_map(
    connection: Connection,
    item: Item,
    labels_HW: LabelMap,
    document: Mapping[str, object],
    actor: str,
) -> None:
    """Make a class map the one of an image, as one edit that can be undone.

    `document` has the tool, and where the map comes from. An image that already has this map
    stays as it is.
    """
    index, blobs = cut_map(labels_HW)
    replace_tiles(connection, item, index, blobs, document, actor)


def replace_tiles(
    connection: Connection,
    item: Item,
    index: TileIndex,
    blobs: Mapping[str, bytes],
    document: Mapping[str, object],
    actor: str,
) -> None:
    """As `replace_map`, of tiles; `blobs` has those that the store may lack."""
    tiles = stored.list_tiles(connection, item.id)
    after = {at: sha for at, sha in index.items() if tiles[at] != sha}
    if after:
        before = {at: tiles[at] for at in after}
        px_changed = _count_changes(connection, before, after, blobs)
        change = Change(before, after, blobs, px_changed)
        store_change(connection, item, change, document, actor=actor)


def store_change(
    connection: Connection,
    item: Item,
    change: Change,
    document: Mapping[str, object],
    *,
    actor: str,
    key: str | None = None,
) -> None:
    """Store the tiles of an edit and its event."""
    stored.add_blobs(connection, change.blobs)
    stored.set_tiles(connection, item.id, change.after)
    state = item.state if item.state == "in_review" else "in_progress"
    stored.change_item(connection, item.id, rev=item.rev + 1, state=state)
    tiles = [[*at, change.before[at], sha] for at, sha in change.after.items()]
    add_event(
        connection,
        "edit",
        {**document, "tiles": tiles, "px_changed": change.px_changed},
        actor=actor,
        item_id=item.id,
        seq=item.rev + 1,
        request_key=key,
    )


def require_editable(item: Item, person: Person) -> None:
    """Require a state in which a person paints an image.

    In review, that is the reviewer; a copy is painted by its annotator alone.

    Raises:
        StudioError: 403 or 409, with what to do.
    """
    if item.state == "in_review" and item.reviewer == person.name:
        return
    if item.state not in EDITABLE:
        fix = "reopen it" if item.state == "accepted" else "return it"
        raise StudioError(
            409, f"{item.key}: is {item.state} and not changed; {fix} first", {"why": "state"}
        )
    if item.source_id is not None and item.annotator != person.name:
        raise StudioError(
            403,
            f"{item.key}: this copy is the work of {item.annotator} alone",
            {"why": "role"},
        )


def _count_changes(
    connection: Connection, before: TileIndex, after: TileIndex, blobs: Mapping[str, bytes]
) -> int:
    there = stored.read_blobs(connection, sorted({*before.values(), *after.values()}))
    there |= blobs
    changed = 0
    for at, sha in after.items():
        one, other = (np.frombuffer(read_tile(there, s), np.uint8) for s in (before[at], sha))
        changed += int(np.count_nonzero(one != other))
    return changed


def read_changes(event: Event) -> tuple[TileIndex, TileIndex]:
    """The tiles before and after the edit of an event."""
    before: TileIndex = {}
    after: TileIndex = {}
    for column, row, old, new in event.document.get("tiles", ()):
        before[column, row], after[column, row] = old, new
    return before, after


def _find_change(
    project: Project, connection: Connection, item: Item, request: Request, draw: Draw | None
) -> Change:
    tiles = stored.list_tiles(connection, item.id)
    if request.edit.undoes is not None:
        return _undo(connection, item, request.edit.undoes, tiles)
    if request.edit.tiles is None:
        before_HW = project.read_map(connection, item)
        edit = request.edit
        after_HW = draw(item, before_HW, edit) if draw else draw_edit(before_HW, edit)
        index, blobs = cut_map(after_HW)
        after = {at: sha for at, sha in index.items() if tiles[at] != sha}
        before = {at: tiles[at] for at in after}
        return Change(before, after, blobs, int((before_HW != after_HW).sum()))
    return _patch(connection, item, request, tiles, len(project.spec))


def _patch(
    connection: Connection, item: Item, request: Request, tiles: TileIndex, num_classes: int
) -> Change:
    changes = request.edit.tiles or []
    old = stored.read_blobs(connection, [change.before for change in changes])
    before: TileIndex = {}
    after: TileIndex = {}
    blobs: dict[str, bytes] = {}
    px_changed = 0
    for change, patch in zip(changes, request.patches, strict=True):
        if tiles.get(change.at) != change.before:
            raise _stale_error(connection, item)
        pixels, num_px = apply_patch(read_tile(old, change.before), patch)
        _require_pixels(pixels, change, item, num_classes)
        before[change.at], after[change.at] = change.before, change.after
        blobs[change.after] = compress_tile(pixels)
        px_changed += num_px
    return Change(before, after, blobs, px_changed)


def _require_pixels(pixels: bytes, change: TileChange, item: Item, num_classes: int) -> None:
    wrong = find_foreign_values(pixels, change.at, item.size_HW or (0, 0), num_classes)
    if not wrong and hash_tile(pixels) != change.after:
        wrong = f"tile {change.at}: its pixels are not those of the hash after the edit"
    if wrong:
        raise StudioError(422, f"{item.key}: {wrong}; nothing was changed, load the page again")


def _undo(connection: Connection, item: Item, seq: int, tiles: TileIndex) -> Change:
    """The tiles as they were before an edit, where nothing has changed them since."""
    event = find_edit(connection, item.id, seq)
    if event is None:
        raise DataError(f"{item.key}: has no edit {seq}")
    before, after = read_changes(event)
    changed = [at for at, sha in after.items() if tiles[at] != sha]
    if changed:
        raise StudioError(
            409,
            f"{item.key}: edit {seq} cannot be undone, later ones changed {len(changed)} of "
            f"its tiles; undo those first",
            {"why": "undo"},
        )
    return Change(after, before, {}, int(event.document["px_changed"]))


def _describe(request: Request, client: Client) -> dict[str, object]:
    edit = request.edit.model_dump(mode="json", exclude_none=True, exclude={"tiles"})
    return {**edit, "client": client.name}


def _read_result(done: Event, request: Request, item: Item) -> Result:
    if done.item_id != request.item_id or done.seq is None:
        raise StudioError(422, f"the key {request.key!r} is that of another request")
    _, after = read_changes(done)
    changed = int(done.document["px_changed"])
    return Result(item=item, rev=done.seq, tiles=after, px_changed=changed)


def require_lease(item: Item, client: Client) -> None:
    """A client keeps a lease that ran out until another one takes it.

    Raises:
        StudioError: 423, another one has it.
    """
    if not _holds(item, client):
        raise _held_error(item, time.time())


def _holds(item: Item, client: Client) -> bool:
    """Whether a page has the lease, also after its person has logged in again."""
    is_person = client.person.name != LOCAL and item.lease_person == client.person.name
    return item.lease_client == client.name and (
        item.lease_session == client.session or is_person
    )


def _renew(connection: Connection, item: Item, client: Client, now_s: float) -> None:
    stored.change_item(
        connection,
        item.id,
        lease_client=client.name,
        lease_session=client.session,
        lease_person=client.person.name,
        lease_until=now_s + LEASE_S,
    )


def _held_error(item: Item, now_s: float) -> StudioError:
    if item.lease_client is None:
        text = f"{item.key}: nobody has it open for painting; open it again"
    else:
        holder = item.lease_person if item.lease_person != LOCAL else None
        text = (
            f"{item.key}: {holder or 'another page'} paints it; it can be taken over once that "
            f"page is closed, or silent for {LEASE_S:.0f} s"
        )
    free_in_s = max(0.0, round(min(LEASE_S, item.lease_until - now_s), 1))
    details = {"why": "lease", "free_in_s": free_in_s}
    return StudioError(423, text, details)


def _stale_error(connection: Connection, item: Item) -> StudioError:
    tiles = stored.list_tiles(connection, item.id)
    return StudioError(
        409,
        f"{item.key}: was changed elsewhere and is at revision {item.rev}; load it again",
        {"why": "stale", "rev": item.rev, "tiles": describe_tiles(tiles)},
    )
