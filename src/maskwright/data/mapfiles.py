"""The files of class maps at a path, by key."""

from pathlib import Path

from ..core.errors import DataError
from ..core.results import require_no_results
from .entries.hiding import hide_images
from .entries.walk import image_files, images_in, key_of
from .pixels.imageref import ImageRef
from .pixels.images import image_suffixes


def find_folder(path: Path) -> Path:
    """The folder itself, or the folder of a file."""
    return path if path.is_dir() else path.parent


def find_maps(path: Path) -> dict[str, ImageRef]:
    """Find image files by key, sorted; reads none of them.

    Raises:
        DataError: Nothing there, two files of one key, or a folder of results.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; give class maps or a folder of them")
    if path.is_file():
        named = [(key_of(image, path), image) for image in images_in(path)]
        return dict(hide_images(named, path.parent)[0])
    require_no_results(path)
    files: dict[str, ImageRef] = {}
    for image in image_files(path):
        key = image.path.relative_to(path).with_suffix("").as_posix()
        if key in files:
            raise DataError(
                f"{image}: {files[key].path.name} has the same name; remove one of them"
            )
        files[key] = image
    if not files:
        kinds = ", ".join(image_suffixes())
        raise DataError(f"{path}: holds no class maps ({kinds}); give another folder")
    return dict(hide_images(files.items(), path)[0])
