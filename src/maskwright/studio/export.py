"""Export the accepted images of a project in any format that `convert` writes."""

from pathlib import Path

from ..core.errors import DataError
from ..core.progress import Progress
from ..core.results import WriteMode
from ..data.conversion.account import Account
from ..data.conversion.convert import convert
from ..store import items as stored
from .accepted import restore_accepted
from .project import Project


def export_accepted(
    project: Project, to: str, out: Path, mode: WriteMode, progress: Progress
) -> Account:
    """Write the accepted images to the folder `out`.

    Raises:
        DataError: No image is accepted.
        ConfigError: There is no such format, or it cannot be written.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    restore_accepted(project)
    with project.store.read() as connection:
        items = stored.list_items(connection)
        accepted = [i for i in items if i.state == "accepted" and i.source_id is None]
    if not accepted:
        raise DataError(
            f"{project.folder.parent}: no image is accepted yet; submit and accept some in "
            f"the studio"
        )
    return convert(project.folder, out, to=to, mode=mode, progress=progress)
