"""Project: a dataset that is labelled, with its store in the folder `studio`.

| in DATA/studio | what it is |
|---|---|
| studio.sqlite | class maps, edits, states; the truth |
| studio-store.txt | in its place the name of a database of PostgreSQL |
| masks | class maps of the accepted images, as PNG of class indices |
| images | those images, as links to the user's files |
| dataset.yaml | the classes: `check` and `train` take DATA/studio |
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.atomic import explain_write_errors, new_file
from ..core.errors import ConfigError, LockedError
from ..core.labels import IGNORE, LabelMap, LabelSpec
from ..core.lock import hold_lock
from ..core.progress import Progress, silent
from ..core.results import STUDIO_FILE, STUDIO_PLACE
from ..store import items as stored
from ..store.chain import add_event
from ..store.database import Connection, Database, read_meta, write_meta
from ..store.items import ERASED, Item, TileIndex
from .errors import StudioError
from .opening import LabelledData, open_data
from .people import LOCAL
from .tiles import cut_map, describe_tiles, join_tiles

FOLDER = "studio"
_CLASSES, _IMAGES_ALONE = "classes", "images_alone"


@dataclass(frozen=True)
class Project:
    """The data and its store; `folder` is DATA/studio.

    One that `is_shared` is open in another process too, which looks after the folder.
    """

    data: LabelledData
    store: Database
    folder: Path
    is_shared: bool = False

    @property
    def spec(self) -> LabelSpec:
        """The classes."""
        return self.data.dataset.spec

    @property
    def name(self) -> str:
        """The name of the folder of data."""
        return self.folder.resolve().parent.name

    def find_item(self, connection: Connection, item_id: int) -> Item:
        """One image of the store.

        Raises:
            StudioError: 404, there is no such image.
        """
        item = stored.find_item(connection, item_id)
        if item is None or item.state == ERASED:
            raise StudioError(404, f"no image has the number {item_id}")
        return item

    def list_items(self, connection: Connection) -> list[Item]:
        """The images that the data has now, and their copies, without those that are erased."""
        known = self.data.index_by_key
        items = stored.list_items(connection)
        return [item for item in items if item.key in known and item.state != ERASED]

    def open_item(self, item_id: int) -> tuple[Item, TileIndex]:
        """One image with its tiles; those of its labels are made when it is opened first.

        Raises:
            StudioError: 404, there is no such image.
            DataError: The image or its labels cannot be read.
        """
        with self.store.read() as connection:
            item = self.find_item(connection, item_id)
            tiles = stored.list_tiles(connection, item_id)
        if item.size_HW is None:
            labels_HW = self.read_labels(item)
            index, blobs = cut_map(labels_HW)
            with self.store.write() as connection:
                if self.find_item(connection, item_id).size_HW is None:
                    _add_map(connection, item, labels_HW.shape[:2], index, blobs)
            return self.open_item(item_id)
        return item, tiles

    def read_map(self, connection: Connection, item: Item) -> LabelMap:
        """The present class map of an image that was opened."""
        tiles = stored.list_tiles(connection, item.id)
        blobs = stored.read_blobs(connection, sorted(set(tiles.values())))
        return join_tiles(tiles, blobs, item.size_HW or (0, 0))

    def read_labels(self, item: Item) -> LabelMap:
        """The labels that the image has in the dataset, all IGNORE where it has none.

        Practice begins without labels: those of the dataset may be the ones it is judged by.

        Raises:
            DataError: The image or its labels cannot be read.
        """
        dataset, index = self.data.dataset, self.data.find(item.key)
        if dataset.has_labels(index) and item.kind != "practice":
            return dataset.labels(index)
        height, width = dataset.size_HW(index)
        return np.full((height, width), IGNORE, np.uint8)


@contextmanager
def open_project(
    path: Path,
    *,
    form: str | None = None,
    classes: Sequence[str] = (),
    store_url: str | None = None,
    allow_outside: bool = False,
    may_share: bool = False,
    progress: Progress = silent,
) -> Iterator[Project]:
    """Open the data at `path` with its store, which is made where there is none.

    `classes` are those of a folder of images without labels; the store keeps them. With
    `store_url`, the store is a database of PostgreSQL. What only reads, or writes one
    transaction, `may_share` the project with the process that has it open.

    Raises:
        DataError: Not a folder with images.
        ConfigError: The classes are not those of the store, or this is the store of another
            folder, or not that of this one.
        OutputError: The folder cannot be written, or another process has it open.
    """
    folder = path / FOLDER
    _require_own_store(folder, store_url)
    is_new = store_url is None and not (folder / STUDIO_FILE).is_file()
    if is_new:  # refuse what cannot be labelled before a folder is made
        data = open_data(
            path, form=form, classes=classes, allow_outside=allow_outside, progress=progress
        )
    with explain_write_errors(folder):
        folder.mkdir(exist_ok=True)
    with _lock_or_share(folder, may_share=may_share and not is_new) as is_shared:
        store = Database.open(store_url or folder / STUDIO_FILE, is_shared=is_shared)
        try:
            if not is_new:
                data = open_data(
                    path,
                    form=form,
                    classes=_read_own_classes(store, classes),
                    allow_outside=allow_outside,
                    progress=progress,
                )
            if not is_shared:
                _add_new_images(store, data, images_alone=bool(classes))
                if store_url is not None:
                    with new_file(folder / STUDIO_PLACE) as file:
                        file.write(f"{store.name}\n".encode())
            yield Project(data, store, folder, is_shared)
        finally:
            store.close()


@contextmanager
def _lock_or_share(folder: Path, *, may_share: bool) -> Iterator[bool]:
    """Lock a project in the block, or share it with the process that has the lock."""
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(folder))
        except LockedError:
            if not may_share:
                raise
            yield True
        else:
            yield False


def _require_own_store(folder: Path, store_url: str | None) -> None:
    """Refuse another store than the one in which the labels of a folder are."""
    elsewhere = folder / STUDIO_PLACE
    if store_url is None and elsewhere.is_file():
        raise ConfigError(
            f"{folder}: its labels are in {elsewhere.read_text().strip()}; give this --store"
        )
    if store_url is not None and (folder / STUDIO_FILE).is_file():
        raise ConfigError(
            f"{folder}: its labels are in {STUDIO_FILE}; leave out --store, or move them with "
            f"`maskwright store backup` and `restore`, and rename that file"
        )


def _read_own_classes(store: Database, classes: Sequence[str]) -> Sequence[str]:
    """The classes that were given when images without labels were opened first."""
    with store.read() as connection:
        if read_meta(connection, _CLASSES) is None:
            return classes
        text = read_meta(connection, _IMAGES_ALONE)
    kept: list[str] = json.loads(text) if text else []
    if classes and list(classes) != kept:
        known = f"has the classes {','.join(kept)}" if kept else "has labels of its own"
        raise ConfigError(
            f"--classes {','.join(classes)}: this folder {known} since it was first opened; "
            f"leave out --classes"
        )
    return kept


def _add_new_images(store: Database, data: LabelledData, *, images_alone: bool) -> None:
    spec, dataset = data.dataset.spec, data.dataset
    with store.write() as connection:
        text = read_meta(connection, _CLASSES)
        known = None if text is None else LabelSpec.from_json(json.loads(text))
        if known is not None and known.names != spec.names:
            raise ConfigError(
                f"{store.name}: made for the classes {', '.join(known.names)}; now the data "
                f"has {', '.join(spec.names)}: restore the classes, or rename the folder "
                f"{Path(store.name).parent.name} to begin again"
            )
        write_meta(connection, _CLASSES, json.dumps(spec.to_json()))
        if images_alone and known is None:
            write_meta(connection, _IMAGES_ALONE, json.dumps(spec.names))
        items = list(stored.list_items(connection))
        there = {item.key for item in items}
        if there and there.isdisjoint(dataset.keys):
            raise ConfigError(
                f"{store.name}: has the labels of other images, as {items[0].key!r}; each "
                f"folder needs a store of its own"
            )
        added = [
            (key, dataset.split_of(index), dataset.groups[index])
            for index, key in enumerate(dataset.keys)
            if key not in there
        ]
        if added:
            kinds = {item.kind for item in items}
            stored.add_items(
                connection, added, kind=stored.POOL if stored.POOL in kinds else None
            )
            keys = [key for key, _, _ in added]
            add_event(connection, "add", {"keys": keys}, actor=LOCAL)


def _add_map(
    connection: Connection,
    item: Item,
    size_HW: tuple[int, ...],
    index: TileIndex,
    blobs: dict[str, bytes],
) -> None:
    """Store the class map that an image begins with."""
    height, width = size_HW
    stored.add_blobs(connection, blobs)
    stored.set_tiles(connection, item.id, index)
    stored.change_item(connection, item.id, height=height, width=width)
    document = {"size_HW": [height, width], "tiles": describe_tiles(index)}
    add_event(connection, "open", document, actor=LOCAL, item_id=item.id)
