"""Paths that a dataset names lie in its folder: `/etc`, `../x` and links that lead out do not.

A dataset.yaml may come from anywhere. Without this rule it could show files of this machine in
messages, or have `convert` copy them. Links to images and masks that the folder itself holds
are read, as DVC, DataLad and Kaggle make them; a link to a list of classes is not, since names
of classes are printed.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ...core.errors import ConfigError, shorten
from ..classes.dataset_yaml import DatasetFile
from .renewal import LISTINGS
from .splitfile import FILE_NAME as SPLITS

OPTION = "--allow-outside"


def require_inside(folder: Path, root: Path, file: Path, document: DatasetFile) -> None:
    """Require that all that dataset.yaml names, and the lists beside it, lie in `folder`.

    `root` is where images and masks lie, `file` is dataset.yaml.

    Raises:
        ConfigError: A path leads out; the message has the option that allows it.
    """
    for key, base, name in _list_paths(folder, root, document):
        if _leads_out(base, name):
            raise ConfigError(
                f"{file}: {key!r} is {shorten(name)!r}, which leads out of {base}; move it "
                f"into that folder, or allow it with {OPTION}"
            )
    for path in (file.with_name(SPLITS), *(root / name for name in LISTINGS)):
        require_no_link_out(path)


def require_no_link_out(path: Path) -> None:
    """Require that a file is not a link to one outside its folder.

    Raises:
        ConfigError: It is; the message has the option that allows it.
    """
    if path.is_symlink() and _leads_out(path.parent, path.name):
        raise ConfigError(
            f"{path}: a link that leads out of {path.parent}; put the file there, or allow it "
            f"with {OPTION}"
        )


def _list_paths(
    folder: Path, root: Path, document: DatasetFile
) -> Iterator[tuple[str, Path, str]]:
    """Key, the folder that its path begins at, and the path."""
    if document.root is not None:
        yield "root", folder, document.root
    yield from (("mapping", folder, mapping) for mapping in document.mappings)
    named = (("images", document.images), ("masks", document.masks))
    for key, name in (*named, *(("annotators", name) for name in document.annotators or ())):
        if name is not None:
            yield key, root, name


def _leads_out(base: Path, name: str) -> bool:
    """Whether a path that begins at `base` ends outside it, by its names or by links."""
    path = PurePosixPath(name.replace("\\", "/"))
    is_above = Path(os.path.normpath(path)).parts[:1] == ("..",)
    if path.is_absolute() or is_above or ":" in name[:3] or "\0" in name:
        return True
    inside = Path(os.path.realpath(base))
    return not Path(os.path.realpath(base / name)).is_relative_to(inside)
