"""Export accepted images, today's or those of before, in any format that `convert` writes."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..core.card import STATE_KEY, ModelCard
from ..core.errors import DataError
from ..core.progress import Progress
from ..core.results import WriteMode
from ..data.conversion.account import Account
from ..data.conversion.convert import convert
from ..store import items as stored
from ..store.database import Connection
from .accepted import restore_accepted, write_accepted, write_classes
from .history import read_map_at
from .project import Project
from .versions import find_state, find_tag


def export_accepted(
    project: Project, to: str, out: Path, mode: WriteMode, progress: Progress
) -> Account:
    """Write the accepted images to the folder `out`.

    Raises:
        DataError: No image is accepted.
        ConfigError: There is no such format, or it cannot be written.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    if not project.is_shared:
        restore_accepted(project)
    with project.store.read() as connection:
        items = stored.list_items(connection)
        accepted = [i for i in items if i.state == "accepted" and i.source_id is None]
        if not accepted:
            raise DataError(
                f"{project.folder.parent}: no image is accepted yet; submit and accept some "
                f"in the studio"
            )
        if project.is_shared:  # its files change meanwhile
            revisions = {item.id: item.rev for item in accepted}
            with _lay_out(project, connection, revisions, progress) as folder:
                return convert(folder, out, to=to, mode=mode, progress=progress)
    return convert(project.folder, out, to=to, mode=mode, progress=progress)


def export_tag(
    project: Project, tag: str, to: str, out: Path, mode: WriteMode, progress: Progress
) -> Account:
    """Write the images of a tag, as they were when it was given, to the folder `out`.

    Images that were erased since are left out.

    Raises:
        ConfigError: There is no such tag or format, or the format cannot be written.
        DataError: All images of the tag were erased.
        OutputError: As `export_accepted`.
    """
    with project.store.read() as connection:
        revisions = find_tag(connection, tag)
        with _lay_out(project, connection, revisions, progress) as folder:
            return convert(folder, out, to=to, mode=mode, progress=progress)


def export_trained(
    project: Project, card: ModelCard, to: str, out: Path, mode: WriteMode, progress: Progress
) -> Account:
    """Write the images that a model was trained on, as they were then, to the folder `out`.

    These are the images of all splits that were accepted. Those erased since are left out.

    Raises:
        DataError: It was not trained on this project, or all images were erased.
        ConfigError: As `export_tag`.
        OutputError: As `export_accepted`.
    """
    state = card.provenance.get(STATE_KEY)
    if state is None:
        raise DataError(
            f"the model was not trained on {project.folder}, where the accepted images are, or "
            f"by an earlier version; --tag NAME writes the images of a tag"
        )
    with project.store.read() as connection:
        revisions = find_state(connection, state)
        with _lay_out(project, connection, revisions, progress) as folder:
            return convert(folder, out, to=to, mode=mode, progress=progress)


@contextmanager
def _lay_out(
    project: Project, connection: Connection, revisions: Mapping[int, int], progress: Progress
) -> Iterator[Path]:
    """A folder with the dataset of these revisions, by number of image, in the block."""
    items = [
        item
        for item in project.list_items(connection)
        if item.id in revisions and item.source_id is None
    ]
    if not items:
        raise DataError(f"{project.folder.parent}: all images of that time are gone")
    with tempfile.TemporaryDirectory(prefix="tag-", dir=project.folder) as folder:
        then = replace(project, folder=Path(folder))
        write_classes(then)
        for item in progress(items, total=len(items), what="reading revisions"):
            labels_HW = read_map_at(connection, item, revisions[item.id])
            write_accepted(then, item, labels_HW)
        yield then.folder
