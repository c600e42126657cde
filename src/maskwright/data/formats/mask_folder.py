"""A folder of images and a folder of masks, paired by name.

    images/<split>/<key>.<ext>   masks/<split>/<key>.png       the native layout
    images/<key>.<ext>           masks/<key>.png               no splits yet
    <split>/images/<key>.<ext>   <split>/masks/<key>.png

Both folders go by several names (`IMAGE_FOLDERS`, `MASK_FOLDERS`). Folders below them that
are named like no split are groups: `street1/0001.png` has the key `street1__0001` and the
group `street1`. Where no mask has the name of an image, one ending that all masks share is
passed over (`0001_mask.png`). With `annotators` in dataset.yaml there is a folder of masks for
each of them in the place of `masks`; an image needs a mask in one of these.
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

_Place = tuple[str, str]
"""Split and the path below it, without its ending."""

_Files = dict[_Place, ImageRef]


def recognises(root: Path) -> bool:
    """Whether `root`, or every folder of splits in it, holds images beside masks."""
    tops = [root, *(root / name for name in folders(root) if normalise_split(name) in SPLITS)]
    return any(
        _named(top, IMAGE_FOLDERS, None) and _named(top, MASK_FOLDERS, None) for top in tops
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair the files; a file that pairs with nothing is kept, with `labels` None or alone.

    Raises:
        DataError: No such folders, several that could be meant, two files for one place, or
            an annotator without a mask of any image.
    """
    asked = document.annotators or (document.masks,)
    images: _Files = {}
    masks: list[_Files] = [{} for _ in asked]
    for split, image_folder, mask_folders in _folders_by_split(root, document.images, asked):
        _collect(image_folder, split, images)
        for folder, found in zip(mask_folders, masks, strict=True):
            if folder is not None:
                _collect(folder, split, found)
    if not images:
        raise DataError(f"{root}: holds no images; put them into {root / 'images'}")
    if not any(masks):
        raise DataError(f"{root}: holds no masks; put them into {root / (asked[0] or 'masks')}")
    endings = [_shared_ending(images, found) for found in masks]
    masks = [
        {(s, name.removesuffix(ending)): path for (s, name), path in found.items()}
        for found, ending in zip(masks, endings, strict=True)
    ]
    notes = [
        f"masks are named like their images, with {ending!r} at the end"
        for ending in dict.fromkeys(endings)
        if ending
    ]
    scan = _paired(images, masks, tuple(notes), voted=document.annotators is not None)
    _refuse_idle(root, document.annotators or (), scan)
    return scan


def _paired(
    images: _Files, masks: list[_Files], notes: tuple[str, ...], *, voted: bool
) -> Scan:
    entries = []
    for (split, name), image in sorted(images.items()):
        votes = tuple(
            found.pop((split, name) if (split, name) in found else (UNSPLIT, name), None)
            for found in masks
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
    lone_masks = tuple(path for found in masks for path in found.values())
    return Scan(entries=tuple(entries), lone_masks=lone_masks, notes=notes)


def _refuse_idle(root: Path, annotators: tuple[str, ...], scan: Scan) -> None:
    """Refuse an annotator who drew no image: the folder, or the names in it, must be wrong."""
    for place, name in enumerate(annotators):
        if not any(entry.votes[place] for entry in scan.entries):
            raise DataError(
                f"{root}: no image has a mask of the annotator {name!r}; under 'annotators', "
                f"list folders whose masks are named like the images "
                f"(there are: {', '.join(folders(root))})"
            )


def _folders_by_split(
    root: Path, images: str | None, masks: tuple[str | None, ...]
) -> list[tuple[str, Path, list[Path | None]]]:
    """(split, image folder, mask folder of each annotator) of the layout that `root` has."""
    whole = _folders(root, images, masks)
    if whole is not None:
        return [(UNSPLIT, *whole)]
    found = [
        (normalise_split(name), *inner)
        for name in folders(root)
        if (inner := _folders(root / name, images, masks)) is not None
    ]
    if not found:
        there = ", ".join(folders(root)) or "no folders"
        raise DataError(
            f"{root}: found no folder of images beside a folder of masks (there are: {there}); "
            f"name them 'images' and 'masks', or write their names in dataset.yaml: "
            f"{{images: photos, masks: truth}}"
        )
    return found


def _folders(
    folder: Path, images: str | None, masks: tuple[str | None, ...]
) -> tuple[Path, list[Path | None]] | None:
    image_names = _named(folder, IMAGE_FOLDERS, images)
    mask_names = [_named(folder, MASK_FOLDERS, asked) for asked in masks]
    if not image_names or not any(mask_names):
        return None
    mask_folders = [_the_one(folder, names, "masks") if names else None for names in mask_names]
    return _the_one(folder, image_names, "images"), mask_folders


def _the_one(folder: Path, names: list[str], what: str) -> Path:
    if len(names) > 1:
        raise DataError(
            f"{folder}: {' and '.join(map(repr, names))} could both hold the {what}; "
            f"name one in dataset.yaml: '{what}: {names[0]}'"
        )
    return folder / names[0]


def _named(folder: Path, known: Iterable[str], asked: str | None) -> list[str]:
    if asked is not None:
        return [asked] if (folder / asked).is_dir() else []
    return [name for name in folders(folder) if name.lower() in known]


def _collect(folder: Path, split: str, found: _Files) -> None:
    """Add the files below `folder`; its own folders are splits where one is named like one."""
    subfolders = folders(folder) if split == UNSPLIT else ()
    by_split = len(subfolders) == 1 or any(normalise_split(n) in SPLITS for n in subfolders)
    for image in image_files(folder):
        parts = image.path.relative_to(folder).with_suffix("").parts
        if by_split and len(parts) == 1:
            raise DataError(
                f"{image}: lies beside the folders of splits ({', '.join(subfolders)}); "
                f"move it into one of them"
            )
        place = (
            (normalise_split(parts[0]), "/".join(parts[1:]))
            if by_split
            else (split, "/".join(parts))
        )
        if place in found:
            raise DataError(
                f"{image}: {found[place].path.name} beside it has the same name but for its "
                f"ending; keep one"
            )
        found[place] = image


def _shared_ending(images: _Files, masks: _Files) -> str:
    """What all mask names end with beyond the image's name, where no name is the same."""
    image_names = {name for _, name in images}
    mask_names = [name for _, name in masks]
    if not mask_names or any(name in image_names for name in mask_names):
        return ""
    first = mask_names[0]
    stems = [first[:n] for n in range(len(first), 0, -1) if first[:n] in image_names]
    ending = first[len(stems[0]) :] if stems else ""
    same = all(n.endswith(ending) and n.removesuffix(ending) in image_names for n in mask_names)
    return ending if same else ""


def write(folder: Path, picture: Picture) -> WriteResult:
    """Image and mask of one picture, in the native layout."""
    split = picture.entry.split
    copy_image(picture, folder / "images" / split / picture.name)
    write_mask(folder / "masks" / split / f"{picture.entry.key}.png", picture.labels_HW)
    return WriteResult()


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = class index, 255 = IGNORE."""
    return LabelCodec.identity(spec)
