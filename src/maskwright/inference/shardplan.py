"""Which files belong to which shard: the same for the same inputs, so that a run can go on."""

import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ..core.errors import DataError
from ..core.results import MANIFEST
from ..core.storage import Store, StoredFile, find_scheme, join_address, to_path
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import image_suffixes
from ..pages.text import format_count
from .inputs import FoundImages
from .predict import choose_levels, find_inputs
from .predictor import Predictor
from .shards import Shard

T = TypeVar("T")
_MOST_PER_SHARD, _NUM_SHARDS = 64, 32
"""Files per shard, and the shards into which fewer than 2,048 files are split."""

_WHOLE_ONLY = (".nii", ".nii.gz", ".dcm", ".vrt")
"""Endings of files whose image may be more than the file."""


def plan_shards(
    model: Predictor,
    inputs: Sequence[Path | str],
    glob: str | None,
    *,
    level: str | None = None,
    without: str,
) -> tuple[FoundImages, list[Shard]]:
    """The inputs, and the shards into which they are split: the same for the same inputs.

    Args:
        model: Says how images are read.
        inputs: All on this machine, or all in stores.
        glob: As `predict`.
        level: As `predict`.
        without: The address of the results, which are no inputs.

    Raises:
        DataError: As `find_images`, for stores too.
    """
    if all(find_scheme(name) is None for name in inputs):
        paths = [to_path(name) for name in inputs]
        found = choose_levels(find_inputs(model, paths, glob), level)
        images = list(found.images.items())
        return found, [
            Shard(index, tuple(_describe(image) for _, image in part), images=part)
            for index, part in enumerate(_split(images))
        ]
    notes: list[str] = []
    files = [
        (root, file)
        for root in (str(name).rstrip("/") for name in inputs)
        for file in _list_images(Store(root), glob, without, notes)
    ]
    _require_single(files)
    shards = [
        Shard(
            index,
            tuple(
                (join_address(root, file.name), file.size, file.version) for root, file in part
            ),
            files=part,
        )
        for index, part in enumerate(_split(files))
    ]
    return FoundImages(notes=notes), shards


def _split(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    size = max(1, min(_MOST_PER_SHARD, math.ceil(len(items) / _NUM_SHARDS)))
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def _describe(image: ImageRef) -> tuple[str, int, str]:
    """Text form of an image, size of its files, and when they were changed."""
    states = [file.stat() for file in image.files]
    changed = " ".join(str(state.st_mtime_ns) for state in states)
    return str(image), sum(state.st_size for state in states), changed


def _list_images(
    store: Store, glob: str | None, without: str, notes: list[str]
) -> list[StoredFile]:
    """The image files of a store, in the order of a folder, without those of results."""
    files = store.list_files()
    if not files:
        raise DataError(f"{store.address}: no such file or folder")
    if [file.name for file in files] == [""]:
        return files
    results = {str(PurePosixPath(f.name).parent) for f in files if f.name.endswith(MANIFEST)}
    if "." in results:
        raise DataError(
            f"{store.address}: holds results ({MANIFEST}), not images; name the folder in it "
            f"that is meant"
        )
    if results:
        notes.append(f"{format_count(len(results), 'folder')} of earlier results passed over")
    chosen = [
        file
        for file in files
        if file.name.lower().endswith(image_suffixes())
        and not f"{store.address}/{file.name}".startswith(f"{without}/")
        and not any(str(parent) in results for parent in PurePosixPath(file.name).parents)
        and (glob is None or _matches(file.name, glob))
    ]
    if not chosen:
        raise DataError(
            f"{store.address}: no image in this folder"
            f"{'' if glob is None else f' that fits {glob!r}'}, {len(files)} files; images end "
            f"in {', '.join(image_suffixes())}"
        )
    return sorted(chosen, key=lambda file: PurePosixPath(file.name))


def _matches(name: str, glob: str) -> bool:
    return fnmatchcase(name if "/" in glob else PurePosixPath(name).name, glob)


def _require_single(files: Sequence[tuple[str, StoredFile]]) -> None:
    """Refuse files that are a part of an image, and two whose outputs had one name."""
    seen: dict[str, str] = {}
    for root, file in files:
        address = join_address(root, file.name)
        if address.lower().endswith(_WHOLE_ONLY):
            raise DataError(
                f"{address}: volumes, series and virtual rasters are read from a disk; copy "
                f"them to a folder, or leave them out with --glob"
            )
        key = str(PurePosixPath(file.name or PurePosixPath(root).name).with_suffix(""))
        if key in seen:
            raise DataError(
                f"{address}: its outputs would be named {key!r}, as those of {seen[key]}; "
                f"rename one, give the folder that holds both, or run twice"
            )
        seen[key] = address
