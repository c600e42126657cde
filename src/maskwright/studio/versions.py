"""Versions: revisions of an image, what changed between two, going back, and tags.

A revision is the class map after an edit. A tag is a name for the revisions that all accepted
images have at one time: "the state that a run was trained on".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError, UnknownNameError
from ..core.labels import IGNORE, LabelMap
from ..store import items as stored
from ..store.chain import add_event, list_events
from ..store.database import Connection
from ..store.items import Item
from .editing import Client, replace_map, require_editable, require_lease
from .errors import StudioError
from .history import read_map_at
from .project import Project
from .visibility import find_visible

UNLABELLED = "unlabelled"


@dataclass(frozen=True, slots=True)
class Change:
    """The pixels that became another class between two revisions."""

    before: str
    after: str
    num_px: int

    def to_json(self) -> dict[str, object]:
        """As JSON."""
        return {"before": self.before, "after": self.after, "px": self.num_px}


def list_revisions(connection: Connection, item: Item) -> list[dict[str, object]]:
    """The edits of an image with who did what when, last first."""
    tags: dict[int, list[str]] = {}
    for event in list_events(connection, verb="tag"):
        rev = event.document["revisions"].get(str(item.id))
        if rev is not None:
            tags.setdefault(rev, []).append(event.document["name"])
    rows: list[dict[str, object]] = [
        {
            "rev": event.seq,
            "at": event.at,
            "person": event.actor,
            "tool": event.document["tool"],
            "px_changed": event.document["px_changed"],
            "tags": tags.get(event.seq or 0, []),
        }
        for event in list_events(connection, item_id=item.id, verb="edit")
    ]
    return rows[::-1]


def read_two(
    connection: Connection, item: Item, before: int, after: int
) -> tuple[LabelMap, LabelMap]:
    """The class maps of two revisions.

    Raises:
        StudioError: 404, there is no such revision.
    """
    return read_map_at(connection, item, before), read_map_at(connection, item, after)


def count_changes(
    before_HW: LabelMap, after_HW: LabelMap, names: tuple[str, ...]
) -> list[Change]:
    """The changed pixels by pair of classes, most first."""
    pairs = before_HW.astype(np.int64) * 256 + after_HW
    counts = np.bincount(pairs.ravel(), minlength=256 * 256).reshape(256, 256)
    np.fill_diagonal(counts, 0)
    label: dict[int, str] = {**dict(enumerate(names)), IGNORE: UNLABELLED}
    found = [
        Change(label[int(b)], label[int(a)], int(counts[b, a])) for b, a in np.argwhere(counts)
    ]
    return sorted(found, key=lambda change: -change.num_px)


def restore(project: Project, item_id: int, rev: int, client: Client) -> Item:
    """Go back to a revision, as an edit that can be undone.

    Raises:
        StudioError: 404, no such revision; 403, 409 or 423, the client may not paint it now.
    """

    def read(connection: Connection, item: Item, _labels_HW: LabelMap) -> LabelMap:
        return read_map_at(connection, item, rev)

    return _replace(project, item_id, client, read, {"tool": "restore", "restored": rev})


def copy_labels(project: Project, item_id: int, source_id: int, client: Client) -> Item:
    """Copy the labels of another image, as that of the frame before, to unlabelled pixels.

    Raises:
        StudioError: 404, no such image; 422, it has another size; 403, 409 or 423, the client
            may not paint it now.
    """
    project.open_item(source_id)

    def read(connection: Connection, item: Item, labels_HW: LabelMap) -> LabelMap:
        source = find_visible(project, connection, source_id, client.person)
        if source.size_HW != item.size_HW:
            raise StudioError(
                422, f"{source.key} is {source.size_HW} (H, W), {item.key} is {item.size_HW}"
            )
        return np.where(labels_HW == IGNORE, project.read_map(connection, source), labels_HW)

    return _replace(project, item_id, client, read, {"tool": "copy", "source": source_id})


def _replace(
    project: Project,
    item_id: int,
    client: Client,
    read: Callable[[Connection, Item, LabelMap], LabelMap],
    document: Mapping[str, object],
) -> Item:
    project.open_item(item_id)
    with project.store.write() as connection:
        item = find_visible(project, connection, item_id, client.person)
        require_editable(item, client.person)
        require_lease(item, client)
        labels_HW = read(connection, item, project.read_map(connection, item))
        details = {**document, "client": client.name}
        replace_map(connection, item, labels_HW, details, client.person.name)
        return project.find_item(connection, item_id)


def add_tag(
    project: Project, name: str, actor: str, *, items: Sequence[int] | None = None
) -> dict[str, int]:
    """Name the revisions that the accepted images have now; revisions by number of image.

    With `items`, those of them alone.

    Raises:
        StudioError: 409, the name is taken, or no image is accepted.
    """
    wanted = None if items is None else {*items}
    with project.store.write() as connection:
        if name in {event.document["name"] for event in list_events(connection, verb="tag")}:
            raise StudioError(409, f"the tag {name!r} is there already", {"why": "name"})
        revisions = {
            str(item.id): item.rev
            for item in stored.list_items(connection)
            if item.state == "accepted"
            and item.source_id is None
            and (wanted is None or item.id in wanted)
        }
        if not revisions:
            which = "no image" if wanted is None else f"none of {len(wanted)} images"
            raise StudioError(409, f"{which} is accepted yet", {"why": "state"})
        add_event(connection, "tag", {"name": name, "revisions": revisions}, actor=actor)
        return revisions


def find_tag(connection: Connection, name: str) -> dict[int, int]:
    """The revisions of a tag by number of image.

    Raises:
        UnknownNameError: There is no such tag.
    """
    tags = {
        e.document["name"]: e.document["revisions"] for e in list_events(connection, verb="tag")
    }
    if name not in tags:
        raise UnknownNameError("tag", name, sorted(tags))
    return {int(number): rev for number, rev in tags[name].items()}


def find_state(connection: Connection, state: str) -> dict[int, int]:
    """The revisions of the accepted images at a state of the log, by number of image.

    Images that were erased since are left out.

    Args:
        connection: To the store.
        state: The hash of an event (`accepted.note_state`).

    Raises:
        DataError: The log has no such event.
    """
    accepted: dict[int, int] = {}
    for event in list_events(connection):
        if event.item_id is not None and event.verb == "accept" and "rev" in event.document:
            accepted[event.item_id] = event.document["rev"]
        elif event.item_id is not None and event.verb in ("reopen", "erase"):
            accepted.pop(event.item_id, None)
        if event.sha == state:
            return accepted
    raise DataError(
        f"the log of this project has no event {state[:12]}: the model was trained on another "
        f"project"
    )


def list_tags(connection: Connection) -> list[dict[str, object]]:
    """All tags, with the number of their images."""
    return [
        {
            "name": event.document["name"],
            "at": event.at,
            "person": event.actor,
            "images": len(event.document["revisions"]),
        }
        for event in list_events(connection, verb="tag")
    ]
