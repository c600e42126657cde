"""Put labels that come alone beside the images of a project, so that they are a dataset.

| the labels are | they become |
|---|---|
| PNG or TIFF alone | `masks`, beside `images` of the same names, and the project's classes |
| a file for each image, as of LabelMe or VOC | the same files, each with its image beside it |
| files for many images, as of COCO or CVAT | the same files, and `images` with all images |
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..core.errors import DataError
from ..data.classes.dataset_yaml import FILE_NAME
from ..data.dataset import FolderDataset, open_dataset
from ..data.entries.scan import IMAGE_FOLDERS
from ..data.entries.walk import is_system_name
from ..data.reading.archive import name_archive, open_as_folder
from .accepted import write_classes
from .project import Project

_MASKS = frozenset({".png", ".tif", ".tiff"})


@contextmanager
def open_labels(project: Project, path: Path) -> Iterator[FolderDataset]:
    """Open a dataset, or labels alone: a folder or an archive.

    Raises:
        DataError: Neither a dataset, nor labels of images of the project.
    """
    with open_as_folder(path) as folder:
        try:
            dataset = open_dataset(folder)
        except DataError as error:
            with _pair(project, folder, error) as paired, name_archive(paired, path):
                yield open_dataset(paired)
            return
        yield dataset


@contextmanager
def _pair(project: Project, folder: Path, error: DataError) -> Iterator[Path]:
    if not folder.is_dir():
        raise error
    images = _list_images(project)
    files = [f for f in folder.rglob("*") if f.is_file() and not is_system_name(f.name)]
    masks = [f for f in files if f.suffix.lower() in _MASKS]
    own = [f for f in files if f.stem in images]
    has_images = any(part.lower() in IMAGE_FOLDERS for f in masks for part in f.parts)
    is_mixed = {f.name for f in files} - {f.name for f in masks} - {FILE_NAME}
    if not files or (masks and (has_images or is_mixed or not own)):
        raise error
    with tempfile.TemporaryDirectory(prefix="import-", dir=project.folder) as name:
        paired = Path(name)
        if masks:
            _place_masks(project, folder, paired, own, images)
        else:
            for file in files:
                _link(file, paired / file.relative_to(folder))
            for file in own:
                image = images[file.stem]
                _link(image, (paired / file.relative_to(folder)).with_suffix(image.suffix))
            for image in [] if own else images.values():
                _link(image, paired / "images" / image.name)
        yield paired


def _place_masks(
    project: Project, folder: Path, paired: Path, own: list[Path], images: Mapping[str, Path]
) -> None:
    for file in own:
        image = images[file.stem]
        _link(file, paired / "masks" / file.name)
        _link(image, paired / "images" / image.name)
    if (folder / FILE_NAME).is_file():
        _link(folder / FILE_NAME, paired / FILE_NAME)
    else:
        write_classes(replace(project, folder=paired))


def _list_images(project: Project) -> dict[str, Path]:
    """The files of images by their names without suffix; those of volumes are left out."""
    entries = project.data.dataset.entries
    alone = [e.image for e in entries if e.image.page is None and not e.image.others]
    return {image.file.stem: image.file for image in alone}


def _link(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, to)
    except OSError:
        shutil.copyfile(file, to)
