"""Images named on a command line: files and folders -> keys, which name the outputs.

The key of a file is its stem; the key of a file in a folder is its path from there without
suffix. The key of a page begins with the whole name of its file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from ..core.errors import DataError
from ..core.results import require_no_results
from ..data.entries.walk import files_below, images_in, key_of, results_below
from ..data.pixels.bands import join_files
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import image_suffixes
from ..pages.text import format_count


@dataclass(frozen=True, slots=True)
class FoundImages:
    """The images among some inputs, by key.

    `passed_over` are folders in them that hold results of an earlier run.
    """

    images: dict[str, ImageRef] = field(default_factory=dict)
    passed_over: list[Path] = field(default_factory=list)


def find_images(
    inputs: Iterable[Path | str], *, glob: str | None = None, bands: tuple[str, ...] = ()
) -> FoundImages:
    """Find every image, in order of name; folders are searched to the bottom.

    Args:
        inputs: Image files, and folders of images.
        glob: Pattern of the images that are taken from a folder: of their names, or with a `/`
            of their paths below the folder.
        bands: Those that the model takes, by name: files of one band are joined to one image.

    Raises:
        DataError: No such file, no image in a folder, two images with one key, or a folder
            that itself holds results.
    """
    found = FoundImages()
    for root in map(Path, inputs):
        for key, image in _join_bands(_images_below(root, found, glob), bands):
            if key in found.images:
                raise DataError(
                    f"{image}: its outputs would be named {key!r}, as those of "
                    f"{found.images[key]}; rename one, give the folder that holds both, or run "
                    f"twice"
                )
            found.images[key] = image
    return found


def _join_bands(
    images: Iterable[tuple[str, ImageRef]], bands: tuple[str, ...]
) -> Iterator[tuple[str, ImageRef]]:
    """The images with the bands of a model; files of one band are joined."""
    if not bands:
        yield from images
        return
    by_file = {image.path: (key, image) for key, image in images}
    for one in join_files([Path(path) for path in by_file], bands):
        if isinstance(one, ImageRef):
            key, _ = by_file[one.file]
            yield PurePath(key).with_name(one.path.stem).as_posix(), one
        else:
            key, image = by_file[one]
            yield key, replace(image, bands=bands)


def _images_below(
    root: Path, found: FoundImages, glob: str | None
) -> Iterator[tuple[str, ImageRef]]:
    if not root.exists():
        raise DataError(f"{root}: no such file or folder")
    if not root.is_dir():
        for image in images_in(root):
            yield key_of(image, root), image
        return
    require_no_results(root)
    found.passed_over.extend(results_below(root))
    files = list(files_below(root, ("",)))
    images = [p for p in files if p.name.lower().endswith(image_suffixes())]
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
    for image in (page for file in images for page in images_in(file)):
        yield image.path.relative_to(root).with_suffix("").as_posix(), image


def _matches(path: Path, glob: str) -> bool:
    """Whether a pattern fits the name, or with a `/` in it the whole path."""
    return fnmatchcase(path.as_posix() if "/" in glob else path.name, glob)
