"""Edit class maps: who may, in which state, and on which revision; exactly or not at all.

An image has one writer at a time, by a lease of its client. An edit names the revision that it
was made on, and for each tile the hashes before and after; where one does not fit, nothing is
changed. So a stale page can never overwrite, and both sides can never drift apart unseen.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import DataError
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
    find_foreign_values,
    hash_tile,
    read_tile,
)

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
    """The revision after an edit, and the tiles that it changed."""

    rev: int
    tiles: TileIndex
    px_changed: int


@dataclass(frozen=True, slots=True)
class _Change:
    before: TileIndex
    after: TileIndex
    blobs: Mapping[str, bytes]
    px_changed: int


def take_lease(project: Project, item_id: int, client: Client, *, take_over: bool) -> Item:
    """Let a client paint an image, or prolong its lease.

    With `take_over`, it also gets the lease of another page of the same browser, and one whose
    time is over.

    Raises:
        StudioError: 403, it is the work of another annotator; 423, another one paints it.
        DataError: The image or its labels cannot be read.
    """
    project.open_item(item_id)
    now_s = time.time()
    with project.store.write() as connection:
        item = project.find_item(connection, item_id)
        _require_own(item, client.person)
        if item.lease_client is not None and not _holds(item, client):
            free = item.lease_session == client.session or item.lease_until < now_s
            if not (take_over and free):
                raise _held_error(item, now_s)
        _renew(connection, item, client, now_s)
        return project.find_item(connection, item_id)


def end_lease(project: Project, item_id: int, client: Client) -> None:
    """Give back the lease of a client, if it has it."""
    with project.store.write() as connection:
        if _holds(project.find_item(connection, item_id), client):
            stored.change_item(connection, item_id, lease_client=None, lease_until=0.0)


def apply_edit(project: Project, request: Request, client: Client) -> Result:
    """Apply an edit; it is durable when this returns.

    Raises:
        StudioError: 409, the state of the image or its revision is another; 423, another
            client paints it; 422, pixels are not those that the edit names.
        DataError: The edit is damaged.
    """
    with project.store.write() as connection:
        done = find_request(connection, request.key)
        if done is not None:
            return _read_result(done, request)
        item = project.find_item(connection, request.item_id)
        require_editable(item)
        _require_own(item, client.person)
        _require_lease(item, client)
        if request.rev != item.rev:
            raise _stale_error(connection, item)
        change = _find_change(project, connection, item, request)
        stored.add_blobs(connection, change.blobs)
        stored.set_tiles(connection, item.id, change.after)
        stored.change_item(connection, item.id, rev=item.rev + 1, state="in_progress")
        if item.annotator is None and client.person.name != LOCAL:
            stored.change_item(connection, item.id, annotator=client.person.name)
        _renew(connection, item, client, time.time())
        add_event(
            connection,
            "edit",
            _describe(request, client, change),
            actor=client.person.name,
            item_id=item.id,
            seq=item.rev + 1,
            request_key=request.key,
        )
        return Result(rev=item.rev + 1, tiles=change.after, px_changed=change.px_changed)


def require_editable(item: Item) -> None:
    """Require a state in which an image is painted.

    Raises:
        StudioError: 409, with what to do.
    """
    if item.state not in EDITABLE:
        fix = "reopen it" if item.state == "accepted" else "return it"
        raise StudioError(
            409, f"{item.key}: is {item.state} and not changed; {fix} first", {"why": "state"}
        )


def _require_own(item: Item, person: Person) -> None:
    """An annotator does not paint over the work of another one."""
    if item.annotator not in (None, person.name) and not person.may("reviewer"):
        raise StudioError(
            403,
            f"{item.key}: is the work of {item.annotator}; a manager can assign it to you",
            {"why": "role"},
        )


def read_changes(event: Event) -> tuple[TileIndex, TileIndex]:
    """The tiles before and after the edit of an event."""
    before: TileIndex = {}
    after: TileIndex = {}
    for column, row, old, new in event.document["tiles"]:
        before[column, row], after[column, row] = old, new
    return before, after


def _find_change(
    project: Project, connection: Connection, item: Item, request: Request
) -> _Change:
    tiles = stored.list_tiles(connection, item.id)
    if request.edit.undoes is not None:
        return _undo(connection, item, request.edit.undoes, tiles)
    if request.edit.tiles is None:
        before_HW = project.read_map(connection, item)
        after_HW = draw_edit(before_HW, request.edit)
        index, blobs = cut_map(after_HW)
        after = {at: sha for at, sha in index.items() if tiles[at] != sha}
        before = {at: tiles[at] for at in after}
        return _Change(before, after, blobs, int((before_HW != after_HW).sum()))
    return _patch(connection, item, request, tiles, len(project.spec))


def _patch(
    connection: Connection, item: Item, request: Request, tiles: TileIndex, num_classes: int
) -> _Change:
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
    return _Change(before, after, blobs, px_changed)


def _require_pixels(pixels: bytes, change: TileChange, item: Item, num_classes: int) -> None:
    wrong = find_foreign_values(pixels, change.at, item.size_HW or (0, 0), num_classes)
    if not wrong and hash_tile(pixels) != change.after:
        wrong = f"tile {change.at}: its pixels are not those of the hash after the edit"
    if wrong:
        raise StudioError(422, f"{item.key}: {wrong}; nothing was changed, load the page again")


def _undo(connection: Connection, item: Item, seq: int, tiles: TileIndex) -> _Change:
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
    return _Change(after, before, {}, int(event.document["px_changed"]))


def _describe(request: Request, client: Client, change: _Change) -> dict[str, object]:
    edit = request.edit.model_dump(mode="json", exclude_none=True, exclude={"tiles"})
    tiles = [[*at, change.before[at], sha] for at, sha in change.after.items()]
    return {
        **edit,
        "client": client.name,
        "tiles": tiles,
        "px_changed": change.px_changed,
    }


def _read_result(done: Event, request: Request) -> Result:
    if done.item_id != request.item_id or done.seq is None:
        raise StudioError(422, f"the key {request.key!r} is that of another request")
    _, after = read_changes(done)
    return Result(rev=done.seq, tiles=after, px_changed=int(done.document["px_changed"]))


def _require_lease(item: Item, client: Client) -> None:
    """A client keeps a lease that ran out until another one takes it."""
    if not _holds(item, client):
        raise _held_error(item, time.time())


def _holds(item: Item, client: Client) -> bool:
    return (item.lease_client, item.lease_session) == (client.name, client.session)


def _renew(connection: Connection, item: Item, client: Client, now_s: float) -> None:
    stored.change_item(
        connection,
        item.id,
        lease_client=client.name,
        lease_session=client.session,
        lease_until=now_s + LEASE_S,
    )


def _held_error(item: Item, now_s: float) -> StudioError:
    if item.lease_client is None:
        text = f"{item.key}: nobody has it open for painting; open it again"
    else:
        text = f"{item.key}: another page paints it; take it over there, or read along"
    details = {"why": "lease", "free_in_s": max(0.0, round(item.lease_until - now_s, 1))}
    return StudioError(423, text, details)


def _stale_error(connection: Connection, item: Item) -> StudioError:
    tiles = stored.list_tiles(connection, item.id)
    return StudioError(
        409,
        f"{item.key}: was changed elsewhere and is at revision {item.rev}; load it again",
        {"why": "stale", "rev": item.rev, "tiles": [[*at, sha] for at, sha in tiles.items()]},
    )
