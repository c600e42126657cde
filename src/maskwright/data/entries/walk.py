"""Walk through a folder: image files, the images in a file, their keys."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ...core.errors import DataError
from ...core.results import is_results
from ..pixels.imageref import ImageRef
from ..pixels.images import count_pages, image_suffixes


def image_files(folder: Path) -> Iterator[ImageRef]:
    """All images under `folder`, sorted; hidden files and folders are left out.

    A file that holds several images gives one ImageRef per page.
    """
    for file in files_below(folder, image_suffixes()):
        yield from images_in(file)


def images_in(file: Path) -> Iterator[ImageRef]:
    """The images in a file: the file itself, or its pages where it holds several."""
    number = count_pages(file)
    if number is None:
        yield ImageRef(file)
    else:
        yield from (ImageRef(file, page) for page in range(number))


def key_of(image: ImageRef, file: Path) -> str:
    """The key of an image in a file that the user named: its stem, or `volume.nii/0012`."""
    return file.stem if image.page is None else image.path.relative_to(file.parent).as_posix()


def images_by_name(folder: Path) -> dict[str, ImageRef]:
    """Images by their path below the folder, without the suffix; sorted.

    Raises:
        DataError: Two files differ in the suffix alone.
    """
    images: dict[str, ImageRef] = {}
    for image in image_files(folder):
        name = image.path.relative_to(folder).with_suffix("").as_posix()
        if name in images:
            raise DataError(
                f"{image}: {images[name].path.name} beside it has the same name with another "
                f"suffix; keep one"
            )
        images[name] = image
    return images


def files_below(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """All files of these suffixes (lower case) under `folder`, as `image_files`."""
    endings = tuple(suffixes)
    with os.scandir(folder) as listing:
        items = sorted(listing, key=lambda item: item.name)
    for item in items:
        if item.name.startswith("."):
            continue
        if item.is_dir():
            if not is_results(Path(item.path)):
                yield from files_below(Path(item.path), suffixes)
        elif item.name.lower().endswith(endings):
            yield Path(item.path)


def results_below(folder: Path) -> Iterator[Path]:
    """The folders of results under `folder`, which `files_below` passes over; sorted."""
    with os.scandir(folder) as listing:
        items = sorted(listing, key=lambda item: item.name)
    for path in (Path(item.path) for item in items if item.is_dir()):
        if path.name.startswith("."):
            continue
        if is_results(path):
            yield path
        else:
            yield from results_below(path)


def folders(root: Path) -> tuple[str, ...]:
    """Names of the folders in `root`, sorted, hidden ones left out.

    Raises:
        DataError: `root` is not a folder or cannot be listed.
    """
    try:
        with os.scandir(root) as listing:
            return tuple(
                sorted(i.name for i in listing if i.is_dir() and not i.name.startswith("."))
            )
    except OSError as error:
        raise DataError(f"{root}: cannot be listed: {error.strerror}") from error
