"""COCO's JSON files: images, categories and annotations of a whole split in one file.

Annotations lie in any order, so the file is indexed once (`jsonindex`): which of them are of
which image. What is in them is parsed when an image is read. Categories are told by name: their
ids differ between files and have gaps. The split is in the name of the file
(`instances_train2017.json`), else in that of its folder, else in that of the image's.
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
    """One category; its number is arbitrary, its name is what counts."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    id: int
    name: str
    supercategory: str | None = None
    isthing: int | None = None
    color: tuple[Channel, Channel, Channel] | None = None

    @property
    def entry(self) -> ClassEntry:
        """The class it is: stuff where the file says so."""
        stuff = self.isthing == 0 or (self.supercategory or "").lower() == "stuff"
        kind = "stuff" if stuff else "thing"
        return ClassEntry(name=self.name, color=self.color, kind=kind, raw=(self.name,))


class ImageEntry(Document):
    """One image of the file."""

    id: int | str
    file_name: str
    height: Side | None = None
    width: Side | None = None


class _OfImage(Document):
    """What the first pass asks of an annotation; `segmentation` is whether it has a mask."""

    image_id: int | str
    segmentation: Annotated[bool, BeforeValidator(bool)] = False


@dataclass(frozen=True, slots=True, eq=False)
class CocoFile:
    """An indexed file.

    `order` has the places of the annotations sorted by image, `starts` where each image's
    begin in it; `num_dangling` are of no image that is listed, `num_masks` have a mask.
    """

    index: JsonIndex
    categories: dict[int, Category]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    num_dangling: int
    num_masks: int

    @property
    def path(self) -> Path:
        """The file."""
        return self.index.path

    @property
    def is_labelled(self) -> bool:
        """Whether it has annotations at all: files of test images have none."""
        return "annotations" in self.index.spans

    def images(self) -> Iterator[ImageEntry]:
        """Every image, in the order of the file."""
        return self.index.read_all("images", ImageEntry)

    def image(self, number: int) -> ImageEntry:
        """One image."""
        return self.index.read_at("images", np.array([number]), ImageEntry)[0]

    def annotations(self, number: int, model: type[_Model]) -> list[_Model]:
        """The annotations of one image, in the order of the file."""
        places = self.order[self.starts[number] : self.starts[number + 1]]
        return self.index.read_at("annotations", places, model) if places.size else []

    def category(self, number: int, *, where: str) -> str:
        """The name of a category.

        Raises:
            DataError: There is none of this id.
        """
        if number not in self.categories:
            raise DataError(
                f"{where}: category_id {number} is none of the {len(self.categories)} "
                f"categories of the file; add it to them or remove the annotation"
            )
        return self.categories[number].name


def open_all(
    root: Path, prefix: str, *, panoptic: bool
) -> tuple[list[CocoFile], tuple[str, ...]]:
    """The files called `prefix`..., where there are any, else all of COCO's; and notes.

    Raises:
        DataError: There is none with annotations, or one is wrong.
    """
    paths = [
        p for p in find_annotation_files(root, ".json") if looks_coco(p, panoptic=panoptic)
    ]
    called = [path for path in paths if path.name.startswith(prefix)]
    files = [open_coco(path) for path in called or paths]
    labelled = [file for file in files if file.is_labelled]
    if not labelled:
        raise DataError(f"{root}: no JSON file here has COCO's 'images' and 'annotations'")
    passed = len(paths) - len(labelled)
    return labelled, (f"{passed} other COCO files are passed over",) if passed else ()


def looks_coco(path: Path, *, panoptic: bool) -> bool:
    """Whether a file has COCO's keys at its start and its end, and those of panoptic or not."""
    text = peek(path)
    num_words = sum(f'"{word}"' in text for word in _WORDS) + ('"supercategory"' in text)
    is_panoptic = any(word in text for word in _PANOPTIC)
    return num_words >= 3 and is_panoptic == panoptic and '"caption"' not in text


def open_coco(path: Path) -> CocoFile:
    """Index a file.

    Raises:
        DataError: It is no COCO file, two images or categories have one id, or two categories
            one name.
    """
    index = index_json(path)
    if "images" not in index.spans:
        raise DataError(f"{path}: names no images, expected 'images': [{{'file_name': ...}}]")
    number_of: dict[int | str, int] = {}
    for number, image in enumerate(index.read_all("images", ImageEntry)):
        if number_of.setdefault(image.id, number) != number:
            raise DataError(f"{path}: two images have the id {image.id!r}; give each its own")
    first_pass = ((a.image_id, a.segmentation) for a in index.read_all("annotations", _OfImage))
    found = np.fromiter(((number_of.get(i, -1), m) for i, m in first_pass), np.dtype("2i8"))
    of_image = found[:, 0]
    order = np.argsort(of_image, kind="stable")
    return CocoFile(
        index=index,
        categories=_categories(path, index.read_all("categories", Category)),
        order=order,
        starts=np.searchsorted(of_image[order], np.arange(len(number_of) + 1)),
        num_dangling=int(np.count_nonzero(of_image < 0)),
        num_masks=int(found[:, 1].sum()),
    )


def _categories(path: Path, listed: Iterable[Category]) -> dict[int, Category]:
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


def category_classes(
    files: Iterable[CocoFile], document: DatasetFile, *, undrawn: bool
) -> tuple[ClassEntry, ...]:
    """The categories of all files by name, in the order of ids; dataset.yaml goes before.

    With `undrawn` the first class is what no annotation covers: the background.
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
    """What the files say of images that are there, and in words what they say besides."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def list_entries(
    root: Path,
    files: Sequence[CocoFile],
    images: ImageLookup,
    labels: Callable[[CocoFile, int, ImageEntry, ImageRef], Annotation | None],
    *,
    avoid: Collection[ImageRef] = (),
) -> Listing:
    """An Entry for each image that is there; `labels` says where those of one lie.

    The files to `avoid` are no images.

    Raises:
        DataError: None is there, or two files label one image.
    """
    entries: dict[ImageRef, tuple[Entry, Path]] = {}
    missing: list[str] = []
    for file in files:
        stated = _split_of(file.path, root)
        for number, (named, image) in enumerate(_found(root, file, stated, images)):
            if image is None or image in avoid:
                missing.append(named.file_name)
                continue
            if image in entries:
                raise DataError(
                    f"{image}: is labelled in {entries[image][1]} and in {file.path}; keep one "
                    f"of the entries, or move one of the files away"
                )
            split, key, group = _place_of(image.path.relative_to(root), stated)
            drawn = labels(file, number, named, image)
            entry = Entry(key=key, split=split, image=image, labels=drawn, group=group)
            entries[image] = entry, file.path
    if not entries:
        raise DataError(
            f"{root}: no COCO file names an image that is here too"
            + (f"; {missing[0]!r} and {len(missing) - 1} others are not" if missing else "")
        )
    num_bare = len(images) - len(entries) - len(avoid)
    return Listing(
        entries=tuple(entry for entry, _ in entries.values()),
        notes=_notes(files, missing, num_bare),
    )


def check_size(image: ImageRef, named: ImageEntry, *, where: str) -> tuple[int, int]:
    """The size of the image, H and W.

    Raises:
        DataError: The file says another: it is of other pictures, or they were turned.
    """
    size_HW = image_size(image)
    stated = (named.height or size_HW[0], named.width or size_HW[1])
    if stated != size_HW:
        turned = "; it is turned by its EXIF tag" if stated == size_HW[::-1] else ""
        raise DataError(
            f"{where}: says {stated[0]} x {stated[1]} (H x W), {image} is {size_HW[0]} x "
            f"{size_HW[1]}{turned}; export both again"
        )
    return size_HW


def _notes(files: Sequence[CocoFile], missing: list[str], num_bare: int) -> tuple[str, ...]:
    dangling = Counter({f.path.name: f.num_dangling for f in files if f.num_dangling})
    notes = [
        f"{count} annotations of {name} are of images that it does not list"
        for name, count in dangling.items()
    ]
    if missing:
        notes.append(
            f"{len(missing)} images that are listed are not here, {missing[0]!r} first"
        )
    if num_bare:
        notes.append(f"{num_bare} image files that no COCO file lists are passed over")
    return tuple(notes)


def _split_of(path: Path, root: Path) -> tuple[str, str]:
    """(split, as it is written) that the name of a file says, or its folders."""
    stem = path.stem
    for kind in _KINDS:
        if stem.startswith(kind):
            return split_of_name(stem.removeprefix(kind)), stem.removeprefix(kind)
    words = [*re.split(r"[_. ]", stem), *path.relative_to(root).parts[:-1]]
    return next(
        ((name, word) for word in words if (name := split_of_name(word)) in SPLITS),
        (UNSPLIT, ""),
    )


def split_of_name(word: str) -> str:
    """`train2017`, `training` -> `train`; other words stay as they are but for the year."""
    return normalise_split(_YEAR.sub("", word) or word)


def _image_folders(root: Path, path: Path, stated: tuple[str, str]) -> list[Path]:
    """Where the images of a file can lie, the surest first."""
    names = [name for name in dict.fromkeys(reversed(stated)) if name]
    beside = [place for n in names for place in (root / n, root / "images" / n)]
    inside = [root / name / "images" for name in names]
    return [path.parent, *beside, *inside, root, root / "images"]


def _found(
    root: Path, file: CocoFile, stated: tuple[str, str], images: ImageLookup
) -> Iterator[tuple[ImageEntry, ImageRef | None]]:
    """Each image of a file, and where it is."""
    folders = _image_folders(root, file.path, stated)
    for number, named in enumerate(file.images()):
        image = next((i for f in folders if (i := images.find_at(f, named.file_name))), None)
        if image is None:
            where = f"{file.path}: images.{number}"
            image = _elsewhere(images, named.file_name, stated[0], where)
        yield named, image


def _elsewhere(images: ImageLookup, name: str, split: str, where: str) -> ImageRef | None:
    """The only image of that name, but not one in the folder of another split."""
    image = images.find(name, where=where)
    if image is None or split not in SPLITS:
        return image
    named = {split_of_name(f) for f in image.path.relative_to(images.root).parts[:-1]} & SPLITS
    return image if not named or split in named else None


def _place_of(relative: PurePath, stated: tuple[str, str]) -> tuple[str, str, str]:
    """Split, key and group of an image; what names the split is in neither key nor group."""
    folders = relative.parts[:-1]
    split = stated[0] or next(
        (s for f in folders if (s := split_of_name(f)) in SPLITS), UNSPLIT
    )
    named = [
        folder
        for folder in folders
        if folder.lower() not in IMAGE_FOLDERS
        and folder not in stated
        and split_of_name(folder) not in {split, *SPLITS}
    ]
    group = "__".join(named)
    key = f"{group}__{relative.stem}" if group else relative.stem
    return split, key, group or key
