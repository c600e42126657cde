"""Find the images of a folder and their masks, by the names of folders and files.

    images/<split>/<key>.<ext>   masks/<split>/<key>.png        two named folders
    <split>/images/<key>.<ext>   <split>/masks/<key>.png        two in the folder of each split
    train/<key>.<ext>            train_labels/<key>.png         names with words for both
    photos/<key>.<ext>           truth/<key>.png                two folders with equal names
    <key>.<ext>                  <key>_mask.png                 one folder for both

Later rows are tried where earlier ones find nothing. Which of two folders without such a word
holds the masks is decided by what their first files look like.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ..entries.scan import IMAGE_FOLDERS, SPLITS, UNSPLIT, normalise_split
from ..entries.series import name_by_file
from ..entries.walk import folders, image_files, images_by_name, name_images
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.rawmask import is_lossy
from .pairing import (
    IMAGE_WORDS,
    MASK_WORDS,
    count_unpaired,
    drop_volume_suffixes,
    find_naming,
    name_slices,
    split_words,
)

Name = tuple[str, str]
"""Split, and the path below its folder without the suffix."""

Files = dict[Name, ImageRef]

MASK_FOLDERS = frozenset(
    {"annot", "annotation", "annotations", "annots", "ground_truth", "groundtruth", "gt"}
    | {"label", "labels", "mask", "masks", "segmentation", "segmentationclass"}
    | {"segmentations", "target", "targets"}
)
_FOLDER_MASK_WORDS = MASK_WORDS | {"ann", "anns", "semantic", "y"}
_FOLDER_IMAGE_WORDS = IMAGE_WORDS | {"x", "original", "originals"}
_SPLIT_WORDS = {"tr": "train", "ts": "test"}
_LOOKED_AT = 3
"""First files of a folder that decide whether it holds masks."""

_MOST_COLORS = 64
"""A mask has at most so many different values or colours, a photograph more."""


@dataclass(slots=True)
class ImagePairs:
    """Images and, for each annotator, masks by name; masks are not paired with images yet."""

    images: Files = field(default_factory=dict)
    masks: list[Files] = field(default_factory=lambda: [{}])

    def add_folders(
        self, split: str, images: Path, masks: Iterable[Path | None], *, group: str = ""
    ) -> None:
        """Add the files of a folder of images and of folders of masks, of one group."""
        masks, found_images = list(masks), list(image_files(images))
        masks_by_name = [{} if m is None else images_by_name(m) for m in masks]
        if any(image.series is not None for image in found_images):
            masks_by_name = [drop_volume_suffixes(files) for files in masks_by_name]
        named = name_slices(found_images, images, masks_by_name)
        _collect_files(images, split, named, self.images, group)
        for folder, found, files in zip(masks, masks_by_name, self.masks, strict=True):
            if folder is not None:
                _collect_files(folder, split, found, files, group)


def has_named_folders(root: Path) -> bool:
    """Whether `root`, or a folder of a split in it, holds images beside masks."""
    tops = [root, *(root / name for name in folders(root) if normalise_split(name) in SPLITS)]
    return any(
        _find_named(top, IMAGE_FOLDERS, None) and _find_named(top, MASK_FOLDERS, None)
        for top in tops
    )


def find_named_folders(
    root: Path, images: str | None, masks: tuple[str | None, ...]
) -> ImagePairs | None:
    """Find folders by the names that dataset.yaml gives, or by usual names where it gives none.

    Raises:
        DataError: Several folders could be meant.
    """
    found = ImagePairs(masks=[{} for _ in masks])
    pair = _find_named_pair(root, images, masks)
    if pair is not None:
        found.add_folders(UNSPLIT, *pair)
        return found
    pairs = {
        name: pair
        for name in folders(root)
        if (pair := _find_named_pair(root / name, images, masks)) is not None
    }
    for name, (image_folder, mask_folders) in pairs.items():
        split = normalise_split(name)
        if split in SPLITS:
            found.add_folders(split, image_folder, mask_folders)
        else:
            group = name if len(pairs) > 1 else ""
            found.add_folders(UNSPLIT, image_folder, mask_folders, group=group)
    for name in _list_unlabelled_splits(root, images) if pairs else ():
        if name not in pairs:
            folder = root / name / _find_named(root / name, IMAGE_FOLDERS, images)[0]
            found.add_folders(normalise_split(name), folder, [None] * len(masks))
    return found if pairs else None


def _list_unlabelled_splits(root: Path, images: str | None) -> list[str]:
    """Folders of splits with one folder of images, such as test/images."""
    return [
        name
        for name in folders(root)
        if normalise_split(name) in SPLITS
        and len(_find_named(root / name, IMAGE_FOLDERS, images)) == 1
    ]


def find_folders_by_words(root: Path) -> ImagePairs | None:
    """Find folders whose names hold words for images and masks, such as train, train_labels.

    Raises:
        DataError: Two folders of masks fit the same images.
    """
    pairs = _pair_by_words(root) or [
        pair for name in folders(root) for pair in _pair_by_words(root / name)
    ]
    found = ImagePairs()
    for split, images, masks in pairs:
        found.add_folders(split, images, (masks,))
    return found if pairs else None


def find_equal_folders(root: Path) -> ImagePairs | None:
    """Find the two folders with equal names of files, of which one looks like masks.

    Raises:
        DataError: Three folders have the same names of files.
    """
    named = {name: files for name in folders(root) if (files := _list_names(root / name))}
    equal = [
        (a, b) for a, b in combinations(named, 2) if count_unpaired(named[a], named[b]) == 0
    ]
    ordered = [
        pair
        for a, b in equal
        for pair in ((a, b), (b, a))
        if _looks_like_masks(root / pair[1]) and not _looks_like_masks(root / pair[0])
    ]
    if len(ordered) > 1:
        (images, masks), *_ = ordered
        raise DataError(
            f"{root}: {' and '.join(repr(name) for _, name in ordered)} could both hold the "
            f"masks; name one in dataset.yaml: {{images: {images}, masks: {masks}}}"
        )
    found = ImagePairs()
    for images, masks in ordered:
        found.add_folders(UNSPLIT, root / images, (root / masks,))
    return found if ordered else None


def find_pairs_in_one_folder(root: Path) -> ImagePairs | None:
    """Find images and masks side by side, such as x.jpg and x_mask.png, in `root` or below.

    Raises:
        DataError: An image has two masks.
    """
    inner = folders(root)
    if len(inner) == 1 and _has_splits(root / inner[0]):
        return find_pairs_in_one_folder(root / inner[0])
    files = list(map(name_by_file, image_files(root)))
    parts = _divide_by_words(files, root) or _divide_by_suffix(files, root)
    if parts is None:
        return None
    found = ImagePairs()
    for images, into in zip(parts, (found.images, found.masks[0]), strict=True):
        for name, image in images.items():
            first, _, rest = name.partition("/")
            split = normalise_split(first) if rest else first
            by_split = bool(rest) and split in {UNSPLIT, *SPLITS}
            into[(split, rest) if by_split else (UNSPLIT, name)] = image
    return found


def _has_splits(folder: Path) -> bool:
    return any(normalise_split(name) in SPLITS for name in folders(folder))


_Parts = tuple[dict[str, ImageRef], dict[str, ImageRef]]
"""Images and masks by name."""


def _divide_by_words(files: list[ImageRef], root: Path) -> _Parts | None:
    """Files whose names begin or end with a word for masks are masks."""
    named = [(image, image.path.relative_to(root).with_suffix("")) for image in files]
    paths = {path.as_posix() for _, path in named}
    masks = [
        image
        for image, path in named
        if _is_mask_name(path.name)
        or (path.name.endswith("_L") and path.as_posix().removesuffix("_L") in paths)
    ]
    _require_one_mask_each(masks, root)
    chosen = set(masks)
    images = [image for image in files if image not in chosen]
    parts = name_images(images, root), name_images(masks, root)
    return parts if find_naming(*parts) is not None and not _equal_names(parts) else None


def _require_one_mask_each(masks: list[ImageRef], root: Path) -> None:
    """Require that no mask is a second one of its image: x_mask_1 beside x_mask."""
    by_name = {
        image.path.relative_to(root).with_suffix("").as_posix(): image for image in masks
    }
    for name, image in by_name.items():
        first = by_name.get(re.sub(r"[-_. ]*\d+$", "", name))
        if first is not None and first is not image:
            raise DataError(
                f"{image}: a second mask of the image of {first.path.name}; merge the masks of "
                f"each image into one file, since an image has one mask"
            )


def _is_mask_name(name: str) -> bool:
    words = split_words(name)
    while len(words) > 1 and words[-1].isdigit() and words[-2] in MASK_WORDS:
        words.pop()
    return bool(words) and (words[-1] in MASK_WORDS or words[0] in MASK_WORDS)


def _divide_by_suffix(files: list[ImageRef], root: Path) -> _Parts | None:
    """Photographs in JPEG beside masks of the same names in another format."""
    photos = [image for image in files if image.path.suffix.lower() in {".jpg", ".jpeg"}]
    others = [image for image in files if image.path.suffix.lower() not in {".jpg", ".jpeg"}]
    parts = name_images(photos, root), name_images(others, root)
    equal = bool(photos) and _equal_names(parts)
    looks = equal and all(looks_like_mask(image) for image in others[:_LOOKED_AT])
    return parts if looks else None


def _equal_names(parts: _Parts) -> bool:
    images, masks = parts
    return set(images) == set(masks)


def _find_named_pair(
    folder: Path, images: str | None, masks: tuple[str | None, ...]
) -> tuple[Path, list[Path | None]] | None:
    """Find the image folder and the mask folders in one folder; None if either is missing."""
    image_names = _find_named(folder, IMAGE_FOLDERS, images)
    mask_names = [_find_named(folder, MASK_FOLDERS, name) for name in masks]
    if not image_names or not any(mask_names):
        return None
    mask_folders = [
        _require_one(folder, names, "masks") if names else None for names in mask_names
    ]
    return _require_one(folder, image_names, "images"), mask_folders


def _require_one(folder: Path, names: list[str], what: str) -> Path:
    if len(names) > 1:
        raise DataError(
            f"{folder}: {' and '.join(map(repr, names))} could both hold the {what}; "
            f"name one in dataset.yaml: '{what}: {names[0]}'"
        )
    return folder / names[0]


def _find_named(folder: Path, known: Iterable[str], name: str | None) -> list[str]:
    """Find the folders with a known name, or only the one that dataset.yaml names."""
    if name is not None:
        return [name] if (folder / name).is_dir() else []
    return [child for child in folders(folder) if child.lower() in known]


def _pair_by_words(top: Path) -> list[tuple[str, Path, Path | None]]:
    """Split, folder of images and folder of masks, None where a split has no masks."""
    own = normalise_split(top.name)
    roles = {name: _read_role(name) for name in folders(top)}
    named = {name: _list_names(top / name) for name, role in roles.items() if role}
    pairs: dict[str, str] = {}
    for masks, role in roles.items():
        if role is None or not role.masks:
            continue
        fitting = [
            images
            for images, other in roles.items()
            if other is not None
            and not other.masks
            and other.split == role.split
            and find_naming(named[images], named[masks]) is not None
        ]
        for images in fitting[:1] if len(fitting) == 1 else ():
            _require_unpaired(top, images, (pairs.get(images), masks))
            pairs[images] = masks
    if not pairs:
        return []
    inside = own if own in SPLITS else UNSPLIT
    return [
        (role.split or inside, top / name, top / pairs[name] if name in pairs else None)
        for name, role in roles.items()
        if role is not None and not role.masks
        if name in pairs or (role.split and named[name])
    ]


def _require_unpaired(top: Path, images: str, masks: tuple[str | None, str]) -> None:
    first, second = masks
    if first is not None:
        raise DataError(
            f"{top}: {first!r} and {second!r} could both hold the masks of {images!r}; name "
            f"one in dataset.yaml: {{images: {images}, masks: {first}}}"
        )


@dataclass(frozen=True, slots=True)
class _Role:
    """What a folder holds by its name: masks or images, of a split."""

    masks: bool
    split: str


def _read_role(name: str) -> _Role | None:
    """The role of a folder; None where its name says nothing."""
    words = [word for glued in split_words(name) for word in _unglue(glued)]
    splits = [_SPLIT_WORDS.get(word, normalise_split(word)) for word in words]
    split = next((s for s in splits if s in SPLITS), UNSPLIT)
    if not _FOLDER_MASK_WORDS.isdisjoint(words):
        return _Role(True, split)
    if split or not _FOLDER_IMAGE_WORDS.isdisjoint(words):
        return _Role(False, split)
    return None


def _unglue(word: str) -> list[str]:
    """`trainannot` is train, annot."""
    for known in MASK_WORDS:
        start = word.removesuffix(known)
        if start != word and normalise_split(start) in SPLITS:
            return [start, known]
    return [word]


def _collect_files(
    folder: Path, split: str, named: dict[str, ImageRef], files: Files, group: str
) -> None:
    """Add files below `folder`; its own folders are splits if one is named like a split."""
    subfolders = folders(folder) if split == UNSPLIT else ()
    by_split = any(normalise_split(name) in {UNSPLIT, *SPLITS} for name in subfolders)
    for name, image in named.items():
        first, _, rest = name.partition("/")
        if by_split and not rest:
            raise DataError(
                f"{image}: lies beside the folders of splits ({', '.join(subfolders)}); "
                f"move it into one of them"
            )
        place, path = (normalise_split(first), rest) if by_split else (split, name)
        files[place, f"{group}/{path}" if group else path] = image


def _list_names(folder: Path) -> set[str]:
    return set(name_images(list(image_files(folder)), folder))


def _looks_like_masks(folder: Path) -> bool:
    first = list(islice(image_files(folder), _LOOKED_AT))
    return bool(first) and all(looks_like_mask(image) for image in first)


def looks_like_mask(image: ImageRef) -> bool:
    """Whether an image is stored without loss and has few values or colours."""
    with suppress(DataError, OSError):
        if is_lossy(image):
            return False
        pixels = open_image(image).read_stored()
        if pixels.ndim == 3:
            # (H, W, C) -> (H, W), one number for each colour
            pixels = pixels.astype(np.int64) @ 256 ** np.arange(pixels.shape[2])
        return len(np.unique(pixels)) <= _MOST_COLORS
    return False
