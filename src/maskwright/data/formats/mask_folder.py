"""A folder of images and a folder of masks, paired by name.

    images/<split>/<key>.<ext>   masks/<split>/<key>.png       the native layout
    images/<key>.<ext>           masks/<key>.png               no splits yet
    <split>/images/<key>.<ext>   <split>/masks/<key>.png

Both folders may have other names (`IMAGE_FOLDERS`, `MASK_FOLDERS`). Folders below them that are
not named like a split are groups: `street1/0001.png` has the key `street1__0001` and the group
`street1`. If no mask has the name of an image, an ending that all masks share is ignored
(`0001_mask.png`). With `annotators` in dataset.yaml there is one folder of masks per annotator
instead of `masks`; an image needs a mask in at least one of them.
"""

from collections.abc import Iterable
from pathlib import Path

from ...core.codec import LabelCodec
from ...core.errors import DataError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..entries.picture import Picture, WriteResult, copy_image, write_mask
from ..entries.scan import IMAGE_FOLDERS, SPLITS, UNSPLIT, Entry, Scan, normalise_split
from ..entries.walk import folders, image_files
from ..pixels.imageref import ImageRef

MASK_FOLDERS = frozenset(
    {"annot", "annotation", "annotations", "annots", "ground_truth", "groundtruth", "gt"}
    | {"label", "labels", "mask", "masks", "segmentation", "segmentationclass"}
    | {"segmentations", "target", "targets"}
)
HOLDS = frozenset({"ignored", "splits"})

_Name = tuple[str, str]
"""Split, and the path below its folder without the suffix."""

_Files = dict[_Name, ImageRef]


def recognises(root: Path) -> bool:
    """Whether `root`, or a folder of a split in it, holds images beside masks."""
    tops = [root, *(root / name for name in folders(root) if normalise_split(name) in SPLITS)]
    return any(
        _find_named(top, IMAGE_FOLDERS, None) and _find_named(top, MASK_FOLDERS, None)
        for top in tops
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair images and masks by name; files without a partner are listed too.

    Raises:
        DataError: There are no such folders, several folders could be meant, two files have one
            name, or an annotator has no mask of any image.
    """
    mask_names = document.annotators or (document.masks,)
    images: _Files = {}
    masks: list[_Files] = [{} for _ in mask_names]
    for split, image_folder, mask_folders in _find_layout(root, document.images, mask_names):
        _collect_files(image_folder, split, images)
        for folder, files in zip(mask_folders, masks, strict=True):
            if folder is not None:
                _collect_files(folder, split, files)
    if not images:
        raise DataError(f"{root}: holds no images; put them into {root / 'images'}")
    if not any(masks):
        raise DataError(
            f"{root}: holds no masks; put them into {root / (mask_names[0] or 'masks')}"
        )
    endings = [_find_shared_ending(images, files) for files in masks]
    masks = [
        {(s, name.removesuffix(ending)): path for (s, name), path in files.items()}
        for files, ending in zip(masks, endings, strict=True)
    ]
    notes = [
        f"masks are named like their images, with {ending!r} at the end"
        for ending in dict.fromkeys(endings)
        if ending
    ]
    scan = _pair_masks(images, masks, tuple(notes), voted=document.annotators is not None)
    _require_votes(root, document.annotators or (), scan)
    return scan


def _pair_masks(
    images: _Files, masks: list[_Files], notes: tuple[str, ...], *, voted: bool
) -> Scan:
    entries = []
    for (split, name), image in sorted(images.items()):
        votes = tuple(
            files.pop((split, name) if (split, name) in files else (UNSPLIT, name), None)
            for files in masks
        )
        group, _, _ = name.rpartition("/")
        key = name.replace("/", "__")
        entries.append(
            Entry(
                key=key,
                split=split,
                image=image,
                labels=next((path for path in votes if path is not None), None),
                group=group.replace("/", "__") or key,
                votes=votes if voted else (),
            )
        )
    lone_masks = tuple(path for files in masks for path in files.values())
    return Scan(entries=tuple(entries), lone_masks=lone_masks, notes=notes)


def _require_votes(root: Path, annotators: tuple[str, ...], scan: Scan) -> None:
    """Require a mask by every annotator; without, the folder or the names in it are wrong."""
    for index, name in enumerate(annotators):
        if not any(entry.votes[index] for entry in scan.entries):
            raise DataError(
                f"{root}: no image has a mask of the annotator {name!r}; under 'annotators', "
                f"list folders whose masks are named like the images "
                f"(there are: {', '.join(folders(root))})"
            )


def _find_layout(
    root: Path, images: str | None, masks: tuple[str | None, ...]
) -> list[tuple[str, Path, list[Path | None]]]:
    """Find the layout of `root`: split, image folder and the mask folder of each annotator."""
    pair = _find_pair(root, images, masks)
    if pair is not None:
        return [(UNSPLIT, *pair)]
    layout = [
        (normalise_split(name), *pair)
        for name in folders(root)
        if (pair := _find_pair(root / name, images, masks)) is not None
    ]
    if not layout:
        there = ", ".join(folders(root)) or "no folders"
        raise DataError(
            f"{root}: expected a folder of images beside a folder of masks, found {there}; "
            f"name them 'images' and 'masks', or write their names in dataset.yaml: "
            f"{{images: photos, masks: truth}}"
        )
    return layout


def _find_pair(
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


def _collect_files(folder: Path, split: str, files: _Files) -> None:
    """Add the files below `folder`; its own folders are splits if one is named like a split."""
    subfolders = folders(folder) if split == UNSPLIT else ()
    by_split = len(subfolders) == 1 or any(normalise_split(n) in SPLITS for n in subfolders)
    for image in image_files(folder):
        parts = image.path.relative_to(folder).with_suffix("").parts
        if by_split and len(parts) == 1:
            raise DataError(
                f"{image}: lies beside the folders of splits ({', '.join(subfolders)}); "
                f"move it into one of them"
            )
        name = (
            (normalise_split(parts[0]), "/".join(parts[1:]))
            if by_split
            else (split, "/".join(parts))
        )
        if name in files:
            raise DataError(
                f"{image}: {files[name].path.name} beside it has the same name with another "
                f"suffix; keep one"
            )
        files[name] = image


def _find_shared_ending(images: _Files, masks: _Files) -> str:
    """Find the ending that all masks add to the name of their image; "" if a name is equal."""
    image_names = {name for _, name in images}
    mask_names = [name for _, name in masks]
    if not mask_names or any(name in image_names for name in mask_names):
        return ""
    first = mask_names[0]
    # The longest image name that the first mask starts with: `01` would fit `011_mask` too.
    stems = [first[:n] for n in range(len(first), 0, -1) if first[:n] in image_names]
    ending = first[len(stems[0]) :] if stems else ""
    same = all(n.endswith(ending) and n.removesuffix(ending) in image_names for n in mask_names)
    return ending if same else ""


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image and the mask, in the native layout."""
    split = picture.entry.split
    copy_image(picture, folder / "images" / split / picture.name)
    write_mask(folder / "masks" / split / f"{picture.entry.key}.png", picture.labels_HW)
    return WriteResult()


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = class index, 255 = IGNORE."""
    return LabelCodec.identity(spec)
