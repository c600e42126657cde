"""Images named on a command line: files and folders -> keys, which name the outputs.

The key of a file is its stem; the key of a file in a folder is its path from there without
suffix. The key of a page begins with the whole name of its file.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.errors import DataError
from ..data.entries.walk import images_in, key_of
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import image_suffixes


def find_images(inputs: Iterable[Path | str], *, outside: Path) -> dict[str, ImageRef]:
    """Find every image by its key, in order of name; folders are searched to the bottom.

    Args:
        inputs: Image files, and folders of images.
        outside: The output folder; what lies in it is not an input.

    Raises:
        DataError: No such file, no image in a folder, or two images with one key.
    """
    images: dict[str, ImageRef] = {}
    for root in map(Path, inputs):
        for key, image in _images_below(root, outside.resolve()):
            if key in images:
                raise DataError(
                    f"{image}: its outputs would be named {key!r}, as those of {images[key]}; "
                    f"rename one, give the folder that holds both, or run twice"
                )
            images[key] = image
    return images


def _images_below(root: Path, outside: Path) -> Iterator[tuple[str, ImageRef]]:
    if not root.exists():
        raise DataError(f"{root}: no such file or folder")
    if not root.is_dir():
        for image in images_in(root):
            yield key_of(image, root), image
        return
    files = [p for p in sorted(root.rglob("*")) if p.is_file() and not _is_hidden(p, root)]
    images = [p for p in files if p.name.lower().endswith(image_suffixes())]
    images = [p for p in images if outside not in p.resolve().parents]
    if not images:
        raise DataError(
            f"{root}: no image in this folder, {len(files)} other files; images end in "
            f"{', '.join(image_suffixes())}"
        )
    for image in (page for file in images for page in images_in(file)):
        yield image.path.relative_to(root).with_suffix("").as_posix(), image


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)
