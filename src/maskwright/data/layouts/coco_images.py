"""Images that COCO's JSON files list: their files, splits and keys.

The split is in the name of the JSON file (`instances_train2017.json`), else in the name of its
folder, else in that of the image's folder.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ...core.errors import DataError
from ..entries.annotation import Annotation
from ..entries.scan import IMAGE_FOLDERS, SPLITS, UNSPLIT, Entry, LeftOut
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.lookup import ImageLookup
from .coco import CocoFile, ImageEntry, parse_file_split, parse_split


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The entries of the images that are there, and what is not used."""

    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]


def list_entries(
    root: Path,
    files: Sequence[CocoFile],
    images: ImageLookup,
    annotate: Callable[[CocoFile, int, ImageEntry, ImageRef], Annotation | None],
    *,
    avoid: Collection[ImageRef] = (),
) -> Listing:
    """List an Entry for each image that is there.

    `annotate` gives the Annotation of one image, from its COCO file, its index and fields in
    that file, and its image file. The files in `avoid` are not images.

    Raises:
        DataError: No image is there, or two files label one image.
    """
    entries: dict[ImageRef, tuple[Entry, Path]] = {}
    missing: list[str] = []
    for file in files:
        file_split = parse_file_split(file.path, root)
        located = _find_images(root, file, file_split, images)
        for image_index, listed, image in located:
            if image is None or image in avoid:
                missing.append(listed.file_name)
                continue
            if image in entries:
                raise DataError(
                    f"{image}: is labelled in {entries[image][1]} and in {file.path}; keep one "
                    f"of the entries, or move one of the files away"
                )
            split, key, group = _parse_image_path(image.path.relative_to(root), file_split)
            annotation = annotate(file, image_index, listed, image)
            entry = Entry(key=key, split=split, image=image, labels=annotation, group=group)
            entries[image] = entry, file.path
    if not entries:
        raise DataError(
            f"{root}: no COCO file names an image that is here"
            + (f"; {missing[0]!r} and {len(missing) - 1} others are missing" if missing else "")
            + "; put the images into this folder"
        )
    dangling = (
        LeftOut(
            f"images that annotations of {file.path.name} name and that it does not list",
            tuple(map(str, file.dangling)),
        )
        for file in files
    )
    return Listing(
        entries=tuple(entry for entry, _ in entries.values()),
        left_out=(
            *dangling,
            LeftOut("images that are listed and not there", tuple(missing)),
            LeftOut("images that no COCO file lists", images.list_others({*entries, *avoid})),
        ),
    )


def require_stated_size(image: ImageRef, listed: ImageEntry, *, where: str) -> tuple[int, int]:
    """Read the size (H, W) of the image file, which must be the size in the COCO file.

    Raises:
        DataError: The sizes differ: the file is of other images, or they were rotated.
    """
    size_HW = image_size(image)
    stated_HW = (listed.height or size_HW[0], listed.width or size_HW[1])
    if stated_HW == size_HW[::-1] != size_HW:
        raise turned_error(image, size_HW, where=where)
    if stated_HW != size_HW:
        raise DataError(
            f"{where}: says {stated_HW[0]} x {stated_HW[1]} (H x W), {image} is {size_HW[0]} x "
            f"{size_HW[1]}; export both again"
        )
    return size_HW


def is_turned(image: ImageRef, listed: ImageEntry) -> bool:
    """Whether the COCO file states the size of the image with height and width swapped."""
    height, width = image_size(image)
    return height != width and (listed.height, listed.width) == (width, height)


def turned_error(image: ImageRef, size_HW: tuple[int, int], *, where: str) -> DataError:
    """An error for an image whose stated size is that before its EXIF tag turns it."""
    return DataError(
        f"{where}: says {size_HW[1]} x {size_HW[0]} (H x W), {image} is {size_HW[0]} x "
        f"{size_HW[1]}: it is rotated by its EXIF tag. If the labels were drawn on the upright "
        f"image, as Label Studio shows it, swap 'width' and 'height' of such images in the "
        f"file; if they were drawn on the image as it is stored, remove the tag: "
        f"exiftool -Orientation= {image.file.name}"
    )


def _list_image_folders(root: Path, path: Path, file_split: tuple[str, str]) -> list[Path]:
    """List the folders in which to look for the images of a file, the likeliest first."""
    names = [name for name in dict.fromkeys(reversed(file_split)) if name]
    beside = [folder for n in names for folder in (root / n, root / "images" / n)]
    inside = [root / name / "images" for name in names]
    return [path.parent, *beside, *inside, root, root / "images"]


def _find_images(
    root: Path, file: CocoFile, file_split: tuple[str, str], images: ImageLookup
) -> Iterator[tuple[int, ImageEntry, ImageRef | None]]:
    """Find the image file of each image of a COCO file by its index; None if missing."""
    folders = _list_image_folders(root, file.path, file_split)
    for image_index, listed in file.read_images():
        image = next((i for f in folders if (i := images.find_at(f, listed.file_name))), None)
        if image is None:
            where = f"{file.path}: images.{image_index}"
            image = _find_elsewhere(images, listed.file_name, file_split[0], where)
        yield image_index, listed, image


def _find_elsewhere(images: ImageLookup, name: str, split: str, where: str) -> ImageRef | None:
    """Find the only image of that name, unless it lies in the folder of another split."""
    image = images.find(name, where=where)
    if image is None or split not in SPLITS:
        return image
    splits = {parse_split(f) for f in image.path.relative_to(images.root).parts[:-1]} & SPLITS
    return image if not splits or split in splits else None


def _parse_image_path(relative: PurePath, file_split: tuple[str, str]) -> tuple[str, str, str]:
    """Parse split, key and group; a folder named like a split is in neither key nor group."""
    folders = relative.parts[:-1]
    split = file_split[0] or next(
        (s for f in folders if (s := parse_split(f)) in SPLITS), UNSPLIT
    )
    kept = [
        folder
        for folder in folders
        if folder.lower() not in IMAGE_FOLDERS
        and folder not in file_split
        and parse_split(folder) not in {split, *SPLITS}
    ]
    group = "__".join(kept)
    key = f"{group}__{relative.stem}" if group else relative.stem
    return split, key, group or key
