"""Accepted class maps as a native dataset in DATA/studio, which `check` and `train` take.

The store is the truth: when a project is opened, masks that are missing are written again, and
those of images that are not accepted are removed.
"""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from ..core.atomic import explain_write_errors, new_file
from ..core.codec import LabelCodec
from ..core.labels import LabelMap
from ..data.classes.codec import write_dataset_file
from ..data.classes.dataset_yaml import FILE_NAME, DatasetFile
from ..data.conversion.groups import find_group_rule
from ..data.entries.picture import Picture, copy_image
from ..data.entries.scan import UNSPLIT, Entry
from ..pages.pictures import encode_indexed_png
from ..store.chain import find_end
from ..store.database import Connection
from ..store.items import Item
from .project import Project

_IMAGES, _MASKS = "images", "masks"


def write_accepted(project: Project, item: Item, labels_HW: LabelMap) -> None:
    """Write the class map of an accepted image, and a link to the image.

    Raises:
        OutputError: The folder cannot be written.
    """
    picture = _make_picture(project, item, labels_HW)
    image = _image_path(project, picture)
    with explain_write_errors(image):
        image.parent.mkdir(parents=True, exist_ok=True)
        if not image.exists():
            _link_image(picture, image)
    mask = _mask_path(project, picture.entry)
    with new_file(mask) as file:
        file.write(encode_indexed_png(labels_HW, project.spec.palette))


def remove_accepted(project: Project, item: Item) -> None:
    """Remove the files of an image that is not accepted any more."""
    entry = project.data.dataset.entries[project.data.find(item.key)]
    _mask_path(project, entry).unlink(missing_ok=True)
    folder = project.folder / _IMAGES / _choose_split(project, entry)
    for image in folder.glob(f"{glob.escape(entry.name_in_split)}.*"):
        image.unlink()


def restore_accepted(project: Project) -> None:
    """Make the files those of the accepted images, and write dataset.yaml.

    Others accept before it or after it: what they accept meanwhile would be removed again.
    """
    entries = project.data.dataset.entries
    known = project.data.index_by_key
    with project.store.write() as connection:
        note_state(project, connection)
        kept = set()
        for item in project.list_items(connection):
            if item.state == "accepted" and item.source_id is None:
                path = _mask_path(project, entries[known[item.key]])
                kept.add(path)
                if not path.is_file():
                    write_accepted(project, item, project.read_map(connection, item))
        for path in _list_masks(project):
            if path not in kept:
                path.unlink()


def note_state(project: Project, connection: Connection) -> None:
    """Write dataset.yaml with the end of the log: a training on the folder keeps it.

    `versions.find_state` gives the revisions of that state.
    """
    write_classes(project, state=find_end(connection)[1])


def write_classes(project: Project, *, state: str | None = None) -> None:
    """Write dataset.yaml."""
    entries = project.data.dataset.entries
    rule = find_group_rule(list(entries))
    write_dataset_file(
        project.folder / FILE_NAME,
        DatasetFile(format="mask_folder", group=rule, state=state),
        LabelCodec.identity(project.spec),
    )


def _list_masks(project: Project) -> Iterable[Path]:
    return sorted((project.folder / _MASKS).rglob("*.png"))


def _make_picture(project: Project, item: Item, labels_HW: LabelMap) -> Picture:
    entry = project.data.dataset.entries[project.data.find(item.key)]
    codec = LabelCodec.identity(project.spec)
    return Picture(
        entry=entry, codec=codec, before_HW=labels_HW, labels_HW=labels_HW, background=None
    )


def _link_image(picture: Picture, path: Path) -> None:
    """Link the user's file, or copy it where the disk has no links; a page becomes a file."""
    image = picture.entry.image
    if image.page is None and not image.bands and not picture.is_medical:
        try:
            os.link(image.file, path)
        except OSError:
            copy_image(picture, path)
    else:
        copy_image(picture, path)


def _image_path(project: Project, picture: Picture) -> Path:
    entry = picture.entry
    folder = project.folder / _IMAGES / _choose_split(project, entry)
    return folder / f"{entry.name_in_split}{picture.suffix}"


def _mask_path(project: Project, entry: Entry) -> Path:
    folder = project.folder / _MASKS / _choose_split(project, entry)
    return folder / f"{entry.name_in_split}.png"


def _choose_split(project: Project, entry: Entry) -> str:
    """The split as a folder, where all images have one of the usual splits."""
    return entry.split if project.data.has_usual_splits else UNSPLIT
