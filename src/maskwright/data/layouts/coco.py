"""COCO's JSON files: images, categories and annotations of a whole split in one file.

Annotations are in any order, so the file is indexed once (`jsonindex`) to find the annotations
of each image; their content is parsed when the image is read. Categories are identified by
name: their ids differ between files and have gaps. The split is in the name of the file
(`instances_train2017.json`), else in the name of its folder, else in that of the image's
folder.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict

from ...core.codec import UNDRAWN
from ...core.errors import DataError
from ..classes.dataset_yaml import Channel, ClassEntry, DatasetFile
from ..entries.annotation import BACKGROUND_NAMES, IGNORED, Annotation
from ..entries.scan import IMAGE_FOLDERS, SPLITS, UNSPLIT, Entry, normalise_split
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..reading.documents import Document, Side, find_annotation_files, peek
from ..reading.jsonindex import JsonIndex, index_json
from ..reading.lookup import ImageLookup

_YEAR = re.compile(r"(?:19|20)\d\d$")
_KINDS = ("instances_", "panoptic_", "stuff_", "person_keypoints_", "image_info_")
_WORDS = ("images", "annotations", "categories", "image_id", "category_id", "file_name")
_PANOPTIC = ('"segments_info"', '"isthing"')
_Model = TypeVar("_Model", bound=Document)


class Category(Document):
    """One category; its id is arbitrary, its name identifies the class."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    id: int
    name: str
    supercategory: str | None = None
    isthing: int | None = None
    color: tuple[Channel, Channel, Channel] | None = None

    @property
    def entry(self) -> ClassEntry:
        """The class of the category: stuff where `isthing` or `supercategory` says so."""
        stuff = self.isthing == 0 or (self.supercategory or "").lower() == "stuff"
        kind = "stuff" if stuff else "thing"
        return ClassEntry(name=self.name, color=self.color, kind=kind, raw=(self.name,))


class ImageEntry(Document):
    """One image of the file."""

    id: int | str
    file_name: str
    height: Side | None = None
    width: Side | None = None


class _ImageOfAnnotation(Document):
    """The fields that the first pass reads; `segmentation` is whether there is a mask."""

    image_id: int | str
    segmentation: Annotated[bool, BeforeValidator(bool)] = False


@dataclass(frozen=True, slots=True, eq=False)
class CocoFile:
    """An indexed file.

    `order` (num_annotations) holds the indices of the annotations sorted by image;
    those of image i are `order[starts[i]:starts[i + 1]]`, with `starts` (num_images + 1).
    `num_dangling` counts annotations of images that are not listed, `num_masks` those with a
    mask.
    """

    index: JsonIndex
    categories: dict[int, Category]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    num_dangling: int
    num_masks: int

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.index.path

    @property
    def is_labelled(self) -> bool:
        """Whether the file has annotations; files of test images have none."""
        return "annotations" in self.index.spans

    def read_images(self) -> Iterator[ImageEntry]:
        """Read every image, in the order of the file."""
        return self.index.read_all("images", ImageEntry)

    def read_image(self, image_index: int) -> ImageEntry:
        """Read one image."""
        return self.index.read_at("images", np.array([image_index]), ImageEntry)[0]

    def read_annotations(self, image_index: int, model: type[_Model]) -> list[_Model]:
        """Read the annotations of one image, in the order of the file."""
        indices = self.order[self.starts[image_index] : self.starts[image_index + 1]]
        return self.index.read_at("annotations", indices, model) if indices.size else []

    def name_category(self, category_id: int, *, where: str) -> str:
        """The name of a category.

        Raises:
            DataError: No category has this id.
        """
        if category_id not in self.categories:
            raise DataError(
                f"{where}: category_id {category_id} is not one of the "
                f"{len(self.categories)} categories of the file; add it to them or remove the "
                f"annotation"
            )
        return self.categories[category_id].name


def open_coco_files(
    root: Path, prefix: str, *, panoptic: bool
) -> tuple[list[CocoFile], tuple[str, ...]]:
    """Open the COCO files called `prefix`..., or all where there are none; also gives notes.

    Raises:
        DataError: No file has annotations, or one is damaged.
    """
    paths = [
        p for p in find_annotation_files(root, ".json") if is_coco_file(p, panoptic=panoptic)
    ]
    prefixed = [path for path in paths if path.name.startswith(prefix)]
    files = [open_coco(path) for path in prefixed or paths]
    labelled = [file for file in files if file.is_labelled]
    if not labelled:
        raise DataError(
            f"{root}: no JSON file here has COCO's 'images' and 'annotations'; put the "
            f"annotation file into this folder"
        )
    num_skipped = len(paths) - len(labelled)
    notes = (f"{num_skipped} other COCO files are skipped",) if num_skipped else ()
    return labelled, notes


def is_coco_file(path: Path, *, panoptic: bool) -> bool:
    """Whether the start and end of a file have COCO's keys, of panoptic or of instances."""
    text = peek(path)
    num_words = sum(f'"{word}"' in text for word in _WORDS) + ('"supercategory"' in text)
    is_panoptic = any(word in text for word in _PANOPTIC)
    return num_words >= 3 and is_panoptic == panoptic and '"caption"' not in text


def open_coco(path: Path) -> CocoFile:
    """Index a file.

    Raises:
        DataError: The file is not COCO's, two images or categories have one id, or two
            categories have one name.
    """
    index = index_json(path)
    if "images" not in index.spans:
        raise DataError(
            f"{path}: names no images, expected 'images': [{{'file_name': ...}}]; export it "
            f"again"
        )
    index_of: dict[int | str, int] = {}
    for image_index, image in enumerate(index.read_all("images", ImageEntry)):
        if index_of.setdefault(image.id, image_index) != image_index:
            raise DataError(f"{path}: two images have the id {image.id!r}; give each its own")
    annotations = index.read_all("annotations", _ImageOfAnnotation)
    pairs = ((index_of.get(a.image_id, -1), a.segmentation) for a in annotations)
    first_pass_N2 = np.fromiter(pairs, np.dtype("2i8"))  # image index (-1: none), has a mask
    of_image = first_pass_N2[:, 0]
    order = np.argsort(of_image, kind="stable")
    return CocoFile(
        index=index,
        categories=_index_categories(path, index.read_all("categories", Category)),
        order=order,
        starts=np.searchsorted(of_image[order], np.arange(len(index_of) + 1)),
        num_dangling=int(np.count_nonzero(of_image < 0)),
        num_masks=int(first_pass_N2[:, 1].sum()),
    )


def _index_categories(path: Path, listed: Iterable[Category]) -> dict[int, Category]:
    categories: dict[int, Category] = {}
    ids: dict[str, int] = {}
    for category in listed:
        if category.id in categories:
            raise DataError(f"{path}: two categories have the id {category.id}; keep one")
        if category.name in ids:
            raise DataError(
                f"{path}: categories {ids[category.name]} and {category.id} are both called "
                f"{category.name!r}; give them different names"
            )
        categories[category.id], ids[category.name] = category, category.id
    return categories


def list_category_classes(
    files: Iterable[CocoFile], document: DatasetFile, *, undrawn: bool
) -> tuple[ClassEntry, ...]:
    """List the categories of all files by name, in the order of ids, unless dataset.yaml does.

    With `undrawn` the first class is the background: pixels that no annotation covers.
    """
    if document.classes is not None:
        return document.classes
    listed = sorted((c for f in files for c in f.categories.values()), key=lambda c: c.id)
    by_name: dict[str, ClassEntry] = {}
    for category in listed:
        by_name.setdefault(category.name, category.entry)
    by_name.pop(IGNORED, None)
    if not undrawn:
        return tuple(by_name.values())
    known = [name for name in by_name if name.lower() in BACKGROUND_NAMES]
    first = ClassEntry(name=known[0] if known else "background", raw=(UNDRAWN, *known))
    return (first, *(entry for name, entry in by_name.items() if name not in known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The entries of the images that are there, and notes on what is not used."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


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
        file_split = _parse_file_split(file.path, root)
        located = _find_images(root, file, file_split, images)
        for image_index, (listed, image) in enumerate(located):
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
    num_bare = len(images) - len(entries) - len(avoid)
    return Listing(
        entries=tuple(entry for entry, _ in entries.values()),
        notes=_list_notes(files, missing, num_bare),
    )


def require_stated_size(image: ImageRef, listed: ImageEntry, *, where: str) -> tuple[int, int]:
    """Read the size (H, W) of the image file, which must be the size in the COCO file.

    Raises:
        DataError: The sizes differ: the file is of other images, or they were rotated.
    """
    size_HW = image_size(image)
    stated_HW = (listed.height or size_HW[0], listed.width or size_HW[1])
    if stated_HW != size_HW:
        rotated = "; it is rotated by its EXIF tag" if stated_HW == size_HW[::-1] else ""
        raise DataError(
            f"{where}: says {stated_HW[0]} x {stated_HW[1]} (H x W), {image} is {size_HW[0]} x "
            f"{size_HW[1]}{rotated}; export both again"
        )
    return size_HW


def _list_notes(
    files: Sequence[CocoFile], missing: list[str], num_bare: int
) -> tuple[str, ...]:
    dangling = Counter({f.path.name: f.num_dangling for f in files if f.num_dangling})
    notes = [
        f"{count} annotations of {name} belong to images that it does not list"
        for name, count in dangling.items()
    ]
    if missing:
        notes.append(f"{len(missing)} listed images are missing, {missing[0]!r} first")
    if num_bare:
        notes.append(f"{num_bare} image files that no COCO file lists are skipped")
    return tuple(notes)


def _parse_file_split(path: Path, root: Path) -> tuple[str, str]:
    """Parse the split from the name of a file or its folders: (split, as it is written)."""
    stem = path.stem
    for kind in _KINDS:
        if stem.startswith(kind):
            return parse_split(stem.removeprefix(kind)), stem.removeprefix(kind)
    words = [*re.split(r"[_. ]", stem), *path.relative_to(root).parts[:-1]]
    return next(
        ((name, word) for word in words if (name := parse_split(word)) in SPLITS),
        (UNSPLIT, ""),
    )


def parse_split(word: str) -> str:
    """`train2017`, `training` -> `train`; of other words only the year is removed."""
    return normalise_split(_YEAR.sub("", word) or word)


def _list_image_folders(root: Path, path: Path, file_split: tuple[str, str]) -> list[Path]:
    """List the folders in which to look for the images of a file, the likeliest first."""
    names = [name for name in dict.fromkeys(reversed(file_split)) if name]
    beside = [folder for n in names for folder in (root / n, root / "images" / n)]
    inside = [root / name / "images" for name in names]
    return [path.parent, *beside, *inside, root, root / "images"]


def _find_images(
    root: Path, file: CocoFile, file_split: tuple[str, str], images: ImageLookup
) -> Iterator[tuple[ImageEntry, ImageRef | None]]:
    """Find the image file of each image of a COCO file; None where it is missing."""
    folders = _list_image_folders(root, file.path, file_split)
    for image_index, listed in enumerate(file.read_images()):
        image = next((i for f in folders if (i := images.find_at(f, listed.file_name))), None)
        if image is None:
            where = f"{file.path}: images.{image_index}"
            image = _find_elsewhere(images, listed.file_name, file_split[0], where)
        yield listed, image


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
