"""A folder of images and a folder of masks, paired by name.

    images/<split>/<key>.<ext>   masks/<split>/<key>.png       the native layout
    images/<key>.<ext>           masks/<key>.png               no splits yet
    <split>/images/<key>.<ext>   <split>/masks/<key>.png

Both folders go by several names (`IMAGE_FOLDERS`, `MASK_FOLDERS`). Folders below them that
are named like no split are groups: `street1/0001.png` has the key `street1__0001` and the
group `street1`. Where no mask has the name of an image, one ending that all masks share is
passed over (`0001_mask.png`).
"""

from collections.abc import Iterable
from pathlib import Path

from ...core.errors import DataError
from ..scan import UNSPLIT, Entry, Scan, folders, image_files, split_name
from ..schema import DatasetFile

IMAGE_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "input", "inputs", "jpegimages", "photos"}
)
MASK_FOLDERS = frozenset(
    {"annot", "annotation", "annotations", "annots", "ground_truth", "groundtruth", "gt"}
    | {"label", "labels", "mask", "masks", "segmentation", "segmentationclass"}
    | {"segmentations", "target", "targets"}
)
_SPLITS = frozenset({"train", "val", "test"})

_Place = tuple[str, str]
"""Split and the path below it, without its ending."""


def recognises(root: Path) -> bool:
    """Whether `root`, or every folder of splits in it, holds images beside masks."""
    tops = [root, *(root / name for name in folders(root) if split_name(name) in _SPLITS)]
    return any(
        _named(top, IMAGE_FOLDERS, None) and _named(top, MASK_FOLDERS, None) for top in tops
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair the files; a file that pairs with nothing is kept, with `labels` None or alone.

    Raises:
        DataError: No such folders, several that could be meant, or two files for one place.
    """
    images: dict[_Place, Path] = {}
    masks: dict[_Place, Path] = {}
    for split, image_folder, mask_folder in _folder_pairs(root, document):
        _collect(image_folder, split, images)
        _collect(mask_folder, split, masks)
    if not images:
        raise DataError(f"{root}: holds no images; put them into {root / 'images'}")
    if not masks:
        raise DataError(f"{root}: holds no masks; put them into {root / 'masks'}")
    notes = []
    ending = _shared_ending(images, masks)
    if ending:
        notes.append(f"masks are named like their images, with {ending!r} at the end")
        masks = {(s, name.removesuffix(ending)): path for (s, name), path in masks.items()}
    return _paired(images, masks, tuple(notes))


def _paired(
    images: dict[_Place, Path], masks: dict[_Place, Path], notes: tuple[str, ...]
) -> Scan:
    entries = []
    for (split, name), image in sorted(images.items()):
        place = (split, name) if (split, name) in masks else (UNSPLIT, name)
        group, _, _ = name.rpartition("/")
        key = name.replace("/", "__")
        entries.append(
            Entry(
                key=key,
                split=split,
                image=image,
                labels=masks.pop(place, None),
                group=group.replace("/", "__") or key,
            )
        )
    return Scan(entries=tuple(entries), lone_masks=tuple(masks.values()), notes=notes)


def _folder_pairs(root: Path, document: DatasetFile) -> list[tuple[str, Path, Path]]:
    """(split, image folder, mask folder) of the layout that `root` has."""
    pair = _pair(root, document)
    if pair is not None:
        return [(UNSPLIT, *pair)]
    found = [
        (split_name(name), *inner)
        for name in folders(root)
        if (inner := _pair(root / name, document)) is not None
    ]
    if not found:
        there = ", ".join(folders(root)) or "no folders"
        raise DataError(
            f"{root}: found no folder of images beside a folder of masks (there are: {there}); "
            f"name them 'images' and 'masks', or write their names in dataset.yaml: "
            f"{{images: photos, masks: truth}}"
        )
    return found


def _pair(folder: Path, document: DatasetFile) -> tuple[Path, Path] | None:
    image_names = _named(folder, IMAGE_FOLDERS, document.images)
    mask_names = _named(folder, MASK_FOLDERS, document.masks)
    if not image_names or not mask_names:
        return None
    for names, what in ((image_names, "images"), (mask_names, "masks")):
        if len(names) > 1:
            raise DataError(
                f"{folder}: {' and '.join(map(repr, names))} could both hold the {what}; "
                f"name one in dataset.yaml: '{what}: {names[0]}'"
            )
    return folder / image_names[0], folder / mask_names[0]


def _named(folder: Path, known: Iterable[str], asked: str | None) -> list[str]:
    if asked is not None:
        return [asked] if (folder / asked).is_dir() else []
    return [name for name in folders(folder) if name.lower() in known]


def _collect(folder: Path, split: str, found: dict[_Place, Path]) -> None:
    """Add the files below `folder`; its own folders are splits where one is named like one."""
    subfolders = folders(folder) if split == UNSPLIT else ()
    by_split = len(subfolders) == 1 or any(split_name(n) in _SPLITS for n in subfolders)
    for path in image_files(folder):
        parts = path.relative_to(folder).with_suffix("").parts
        if by_split and len(parts) == 1:
            raise DataError(
                f"{path}: lies beside the folders of splits ({', '.join(subfolders)}); "
                f"move it into one of them"
            )
        place = (
            (split_name(parts[0]), "/".join(parts[1:]))
            if by_split
            else (split, "/".join(parts))
        )
        if place in found:
            raise DataError(
                f"{path}: {found[place].name} beside it has the same name but for its ending; "
                f"keep one"
            )
        found[place] = path


def _shared_ending(images: dict[_Place, Path], masks: dict[_Place, Path]) -> str:
    """What all mask names end with beyond the image's name, where no name is the same."""
    image_names = {name for _, name in images}
    mask_names = [name for _, name in masks]
    if any(name in image_names for name in mask_names):
        return ""
    first = mask_names[0]
    stems = [first[:n] for n in range(len(first), 0, -1) if first[:n] in image_names]
    ending = first[len(stems[0]) :] if stems else ""
    same = all(n.endswith(ending) and n.removesuffix(ending) in image_names for n in mask_names)
    return ending if same else ""
