"""Import labels of any format into a project, as edits that can be undone."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import ConfigError, DataError
from ..core.labels import IGNORE, LabelMap
from ..core.progress import Progress, silent
from ..data.classes.kinds import BACKGROUND_NAMES
from ..data.dataset import FolderDataset
from .editing import EDITABLE, replace_map
from .jobs import JobCancelledError
from .pairing import open_labels
from .people import LOCAL
from .project import Project


@dataclass(frozen=True, slots=True)
class Imported:
    """Numbers of the images that got labels, and for each one that did not, the reason."""

    item_ids: tuple[int, ...]
    left_out: tuple[str, ...]

    @property
    def num_images(self) -> int:
        """How many images got labels."""
        return len(self.item_ids)

    def to_json(self) -> dict[str, object]:
        """The document of `--json`."""
        return {"images": self.num_images, "left_out": list(self.left_out)}

    def to_text(self) -> str:
        """One line, and one for each image that was left out."""
        return "\n".join([f"{self.num_images} images have the imported labels", *self.left_out])


def import_labels(
    project: Project, path: Path, progress: Progress = silent, *, actor: str = LOCAL
) -> Imported:
    """Replace the labels of images by those of another dataset with the same keys.

    `path` is a folder or an archive; its labels may come without images. Images that are
    submitted or accepted stay as they are. Where it is cancelled, the images so far have their
    labels. A background that the format implies is unlabelled
    where the project has no such class.

    Raises:
        DataError: Not a dataset.
        ConfigError: It has a class that the project has not.
    """
    with open_labels(project, path) as dataset:
        return _import(project, dataset, path, progress, actor)


def _import(
    project: Project, dataset: FolderDataset, path: Path, progress: Progress, actor: str
) -> Imported:
    table = _match_classes(project, dataset, path)
    index_by_key = {key: index for index, key in enumerate(dataset.keys)}
    with project.store.read() as connection:
        items = [i for i in project.list_items(connection) if i.source_id is None]
    wanted = [
        i for i in items if i.key in index_by_key and dataset.has_labels(index_by_key[i.key])
    ]
    done: list[int] = []
    left_out: list[str] = []
    with suppress(
        JobCancelledError
    ):  # each image is an edit of its own: those so far are there
        for item in progress(wanted, total=len(wanted), what="importing"):
            try:
                labels_HW = table[dataset.labels(index_by_key[item.key])]
                _replace(project, item.id, labels_HW, path.name, actor)
            except DataError as error:
                left_out.append(str(error))
            else:
                done.append(item.id)
    return Imported(tuple(done), tuple(left_out))


def _match_classes(project: Project, dataset: FolderDataset, path: Path) -> LabelMap:
    """The class of the project for each one of the dataset."""
    names, known = dataset.spec.names, project.spec.names
    unknown = [
        name for name in names if name not in known and name.lower() not in BACKGROUND_NAMES
    ]
    if unknown:
        raise ConfigError(
            f"{path}: has the classes {', '.join(unknown)}, which {project.name} has not; "
            f"merge them with maskwright convert --mapping"
        )
    table = np.full(256, IGNORE, np.uint8)
    for index, name in enumerate(names):
        table[index] = known.index(name) if name in known else IGNORE
    return table


def _replace(
    project: Project, item_id: int, labels_HW: LabelMap, where: str, actor: str
) -> None:
    project.open_item(item_id)
    with project.store.write() as connection:
        item = project.find_item(connection, item_id)
        if item.state not in EDITABLE:
            raise DataError(
                f"{item.key}: is {item.state} and not changed; return or reopen it first"
            )
        if item.size_HW != labels_HW.shape:
            raise DataError(
                f"{item.key}: is {item.size_HW} (H, W), the labels are {labels_HW.shape}; "
                f"give labels of the size of the image"
            )
        replace_map(connection, item, labels_HW, {"tool": "import", "from": where}, actor)
