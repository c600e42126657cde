"""Walk through a folder: image files, the images in a file, their keys."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ...core.errors import DataError
from ..pixels.images import IMAGE_SUFFIXES, num_pages
from ..pixels.pages import page_path


def image_files(folder: Path) -> Iterator[Path]:
    """All image files under `folder`, sorted; hidden files and folders are passed over.

    Of a file that holds several images, the path of each (`pages`).
    """
    for file in files_below(folder, IMAGE_SUFFIXES):
        yield from images_in(file)


def images_in(file: Path) -> Iterator[Path]:
    """The path of each image in a file: the file itself where it holds one."""
    number = num_pages(file)
    if number is None:
        yield file
    else:
        yield from (page_path(file, page) for page in range(number))


def key_of(image: Path, file: Path) -> str:
    """The key of an image in a file that was named: its stem, or `volume.nii/0012`."""
    return file.stem if image == file else image.relative_to(file.parent).as_posix()


def images_by_name(folder: Path) -> dict[str, Path]:
    """Image files by their path below the folder, without the suffix; sorted.

    Raises:
        DataError: Two files differ in the suffix alone.
    """
    found: dict[str, Path] = {}
    for path in image_files(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(
                f"{path}: {found[name].name} beside it has the same name but for its ending; "
                f"keep one"
            )
        found[name] = path
    return found


def files_below(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """All files of these suffixes (lower case) under `folder`, as `image_files`."""
    endings = tuple(suffixes)
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        if item.name.startswith("."):
            continue
        if item.is_dir():
            yield from files_below(Path(item.path), suffixes)
        elif item.name.lower().endswith(endings):
            yield Path(item.path)


def folders(root: Path) -> tuple[str, ...]:
    """Names of the folders in `root`, sorted, hidden ones left out.

    Raises:
        DataError: `root` is no folder or may not be listed.
    """
    try:
        with os.scandir(root) as found:
            return tuple(
                sorted(i.name for i in found if i.is_dir() and not i.name.startswith("."))
            )
    except OSError as error:
        raise DataError(f"{root}: cannot be listed: {error.strerror}") from error
