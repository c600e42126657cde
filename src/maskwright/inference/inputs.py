"""Images named on a command line: files and folders -> keys, which name the outputs.

The key of a file is its stem; the key of a file in a folder is its path from there without
suffix. The key of a page begins with the whole name of its file.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from ..core.errors import DataError
from ..core.results import require_no_results
from ..data.entries.hiding import hide_images
from ..data.entries.walk import (
    files_below,
    images_in,
    joining_bands,
    key_of,
    list_image_files,
    list_images,
    results_below,
)
from ..data.pixels.bands import join_files
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import image_suffixes
from ..pages.text import format_count


@dataclass(frozen=True, slots=True)
class FoundImages:
    """The images among some inputs, by key.

    `passed_over` are folders in them that hold results of an earlier run; `notes` are for
    people.
    """

    images: dict[str, ImageRef] = field(default_factory=dict)
    passed_over: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_images(
    inputs: Iterable[Path | str], *, glob: str | None = None, bands: tuple[str, ...] = ()
) -> FoundImages:
    """Find every image, in order of name; folders are searched to the bottom.

    Args:
        inputs: Image files, and folders of images.
        glob: Pattern of the images that are taken from a folder: of their names, or with a `/`
            of their paths below the folder.
        bands: Those that the model takes, by name: files of one band are joined to one image,
            in a folder, and among all files that are given.

    Raises:
        DataError: No such file, no image in a folder, two images with one key, or a folder
            that itself holds results.
    """
    found = FoundImages()
    roots = [Path(root) for root in inputs]
    files = [root for root in roots if not root.is_dir()]
    for root in roots:
        if not root.exists():
            raise DataError(f"{root}: no such file or folder")
        if root.is_dir():
            _add(found, _images_below(root, found, glob, bands), root)
        elif not bands:
            _add(found, _images_of([root], bands), root.parent)
        elif files:  # the channels of one image may be several files: all are joined at once
            _add(found, _images_of(files, bands), root.parent)
            files = []
    return found


def count_files(inputs: Iterable[Path]) -> int:
    """How many files of images there are among some inputs, without opening them."""
    return sum(len(list_image_files(path)) if path.is_dir() else 1 for path in inputs)


def _add(found: FoundImages, images: Iterable[tuple[str, ImageRef]], folder: Path) -> None:
    """Add images, with keys and text forms that name nobody."""
    listed, note = hide_images(images, folder)
    found.notes.extend([note] if note else [])
    for key, image in listed:
        if key in found.images:
            raise DataError(
                f"{image}: its outputs would be named {key!r}, as those of "
                f"{found.images[key]}; rename one, give the folder that holds both, or run "
                f"twice"
            )
        found.images[key] = image


def _images_of(files: Sequence[Path], bands: tuple[str, ...]) -> Iterator[tuple[str, ImageRef]]:
    """Key and image of files, and of their pages; files of one band are joined."""
    for one in join_files(files, bands) if bands else files:
        whole = one.path if isinstance(one, ImageRef) else one
        for image in images_in(one, bands):
            yield key_of(image, Path(whole)), replace(image, bands=bands)


def _images_below(
    root: Path, found: FoundImages, glob: str | None, bands: tuple[str, ...]
) -> Iterator[tuple[str, ImageRef]]:
    """Path below the folder, without suffix, and image."""
    require_no_results(root)
    found.passed_over.extend(results_below(root))
    files = list(files_below(root, ("",)))
    images = list_image_files(root)
    if glob is not None and images:
        num_images, first = len(images), images[0]
        images = [path for path in images if _matches(path.relative_to(root), glob)]
        if not images:
            raise DataError(
                f"{root}: --glob {glob!r} fits none of {format_count(num_images, 'image')} in "
                f"this folder, such as {first.relative_to(root)}"
            )
    if not images:
        results = f", {len(found.passed_over)} folders of results" if found.passed_over else ""
        raise DataError(
            f"{root}: no image in this folder, {len(files)} other files{results}; images end "
            f"in {', '.join(image_suffixes())}"
        )
    with joining_bands(bands):
        found_below = list(list_images(images, root))
    for image in (replace(image, bands=bands) for image in found_below):
        yield image.path.relative_to(root).with_suffix("").as_posix(), image


def _matches(path: Path, glob: str) -> bool:
    """Whether a pattern fits the name, or with a `/` in it the whole path."""
    return fnmatchcase(path.as_posix() if "/" in glob else path.name, glob)
