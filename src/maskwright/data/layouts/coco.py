"""COCO's JSON files: images, categories and annotations of a whole split in one file.

Annotations are in any order, so the file is indexed once (`jsonindex`) to find the annotations
of each image; their content is parsed when the image is read. Categories are identified by
name: their ids differ between files and have gaps. A number and its text ("7" and 7) are one
id. An image that the file lists under several ids has the annotations of all of them. A
category that is the supercategory of another and has no annotation, as Roboflow writes one for
the project, is not a class.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from ...core.codec import UNDRAWN
from ...core.errors import DataError, shorten
from ...pages.text import format_subject
from ..classes.dataset_yaml import Channel, ClassEntry, DatasetFile
from ..classes.kinds import BACKGROUND_NAMES
from ..entries.annotation import IGNORED
from ..entries.scan import SPLITS, UNSPLIT, normalise_split
from ..reading.documents import Document, Id, Side, find_annotation_files, find_copies, peek
from ..reading.jsonindex import JsonIndex, index_json

_YEAR = re.compile(r"(?:19|20)\d\d$")
_KINDS = ("instances_", "panoptic_", "stuff_", "person_keypoints_", "image_info_")
_DEFAULT = "default"
_WORDS = ("images", "annotations", "categories", "image_id", "category_id", "file_name")
_PANOPTIC = ('"segments_info"', '"isthing"')
_Model = TypeVar("_Model", bound=Document)


class Category(Document):
    """One category; its id is arbitrary, its name identifies the class."""

    id: Id
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

    id: Id
    file_name: str
    height: Side | None = None
    width: Side | None = None


class _ImageOfAnnotation(Document):
    """The fields that the first pass reads; `segmentation` is whether there is a mask."""

    image_id: Id
    category_id: Id | None = None
    segmentation: Annotated[bool, BeforeValidator(bool)] = False


@dataclass(frozen=True, slots=True, eq=False)
class CocoFile:
    """An indexed file.

    `order` (num_annotations) holds the indices of the annotations sorted by image;
    those of image i are `order[starts[i]:starts[i + 1]]`, with `starts` (num_images + 1).
    `dangling` are the ids of images that annotations name and the file does not list,
    `num_masks` counts the annotations with a mask. `groupings` are the categories that are left
    out, `twins` the further ids of an image that is listed several times, by its first index.
    """

    index: JsonIndex
    categories: dict[Id, Category]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    dangling: tuple[Id, ...]
    num_masks: int
    groupings: tuple[Category, ...]
    twins: Mapping[int, tuple[Id, ...]]

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.index.path

    @property
    def is_labelled(self) -> bool:
        """Whether the file has annotations; files of test images have none."""
        return "annotations" in self.index.spans

    def read_images(self) -> Iterator[tuple[int, ImageEntry]]:
        """Read every image with its index, in the order of the file, each once."""
        twins = {image_id for ids in self.twins.values() for image_id in ids}
        images = enumerate(self.index.read_all("images", ImageEntry))
        return (item for item in images if item[1].id not in twins)

    def read_image(self, image_index: int) -> ImageEntry:
        """Read one image."""
        return self.index.read_at("images", np.array([image_index]), ImageEntry)[0]

    def read_annotations(self, image_index: int, model: type[_Model]) -> list[_Model]:
        """Read the annotations of one image, in the order of the file."""
        indices = self.order[self.starts[image_index] : self.starts[image_index + 1]]
        return self.index.read_at("annotations", indices, model) if indices.size else []

    def require_annotation_of(
        self, image_index: int, listed: ImageEntry, image_id: Id, *, where: str
    ) -> None:
        """Require that an annotation is of an image, which the first pass found.

        Raises:
            DataError: It is of another: the file has changed since.
        """
        if image_id not in (listed.id, *self.twins.get(image_index, ())):
            raise DataError(f"{where}: the file has changed while it was read; read it again")

    def name_category(self, category_id: Id, *, where: str) -> str:
        """The name of a category.

        Raises:
            DataError: No category has this id.
        """
        if category_id not in self.categories:
            raise DataError(
                f"{where}: category_id {shorten(str(category_id))} is not one of the "
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
    copies = {
        copy: original
        for copy, original in find_copies(prefixed or paths).items()
        if _may_be_copy(copy, original, root)
    }
    files = [open_coco(path) for path in prefixed or paths if path not in copies]
    labelled = [file for file in files if file.is_labelled]
    if not labelled:
        raise DataError(
            f"{root}: no JSON file here has COCO's 'images' and 'annotations'; put the "
            f"annotation file into this folder"
        )
    return labelled, tuple(_list_notes(labelled, len(paths) - len(files) - len(copies), copies))


def _may_be_copy(copy: Path, original: Path, root: Path) -> bool:
    """Whether a file of equal content is a copy, and not that of another split."""
    split = parse_file_split(copy, root)[0]
    return split not in SPLITS or split == parse_file_split(original, root)[0]


def parse_file_split(path: Path, root: Path) -> tuple[str, str]:
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
    """`train2017`, `training` -> `train`; CVAT's `default` is no split; else without year."""
    return UNSPLIT if word == _DEFAULT else normalise_split(_YEAR.sub("", word) or word)


def _list_notes(
    files: Sequence[CocoFile], num_skipped: int, copies: Mapping[Path, Path]
) -> Iterator[str]:
    if num_skipped:
        subject = format_subject(num_skipped, "other COCO file is", "other COCO files are")
        yield f"{subject} skipped"
    for copy, original in copies.items():
        yield f"{copy.name} is a copy of {original.name} and is not read"
    used = {category.name for file in files for category in file.categories.values()}
    groupings = (category.name for file in files for category in file.groupings)
    for name in dict.fromkeys(name for name in groupings if name not in used):
        yield (
            f"the category {name!r} is the supercategory of others and has no annotation: it "
            f"is not a class"
        )
    for file in files:
        if num := sum(map(len, file.twins.values())):
            yield (
                f"{num} images of {file.path.name} are listed again under another id: the "
                f"annotations of both ids are read"
            )


def is_coco_file(path: Path, *, panoptic: bool) -> bool:
    """Whether the start and end of a file have COCO's keys, of panoptic or of instances."""
    text = peek(path)
    num_words = sum(f'"{word}"' in text for word in _WORDS) + ('"supercategory"' in text)
    is_panoptic = any(word in text for word in _PANOPTIC)
    return num_words >= 3 and is_panoptic == panoptic and '"caption"' not in text


def list_unread(files: Iterable[CocoFile]) -> dict[str, tuple[str, ...]]:
    """List the supercategories of the files that are more than a class or a kind, by kind."""
    known = {"", "none", "stuff", "thing"}
    names = {
        category.supercategory
        for file in files
        for category in file.categories.values()
        if category.supercategory and category.supercategory.lower() not in known
        if category.supercategory != category.name
    }
    return {"supercategories of classes": tuple(sorted(names))}


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
    index_of, twins = _index_images(path, index.read_all("images", ImageEntry))
    first_pass, dangling, uses = list[tuple[int, bool]](), dict[Id, None](), Counter[Id]()
    for annotation in index.read_all("annotations", _ImageOfAnnotation):
        image_index = index_of.get(annotation.image_id, -1)
        first_pass.append((image_index, annotation.segmentation))
        if image_index < 0:
            dangling[annotation.image_id] = None
        if annotation.category_id is not None:
            uses[annotation.category_id] += 1
    first_pass_N2 = np.array(first_pass, np.int64).reshape(-1, 2)  # index or -1, has a mask
    of_image = first_pass_N2[:, 0]
    if of_image.size and of_image.max() < 0:
        raise DataError(
            f"{path}: none of its {of_image.size:,} annotations is of an image that it lists: "
            f"image_id {next(iter(dangling))!r} is not among the {len(index_of)} ids of "
            f"'images'; correct the ids or export it again"
        )
    order = np.argsort(of_image, kind="stable")
    listed = tuple(index.read_all("categories", Category))
    groupings = _find_groupings(listed, uses) if uses else ()
    return CocoFile(
        index=index,
        categories=_index_categories(path, (c for c in listed if c not in groupings)),
        order=order,
        starts=np.searchsorted(of_image[order], np.arange(len(index.spans["images"]) + 1)),
        dangling=tuple(dangling),
        num_masks=int(first_pass_N2[:, 1].sum()),
        groupings=groupings,
        twins=twins,
    )


def _index_images(
    path: Path, listed: Iterable[ImageEntry]
) -> tuple[dict[Id, int], dict[int, tuple[Id, ...]]]:
    """Index the images by id; also the further ids of images that are listed again."""
    index_of: dict[Id, int] = {}
    first: dict[str, tuple[int, ImageEntry]] = {}
    twins: dict[int, tuple[Id, ...]] = {}
    for image_index, image in enumerate(listed):
        if image.id in index_of:
            raise DataError(
                f"{path}: two images have the id {image.id!r} (a number and its text are one "
                f"id); give each its own"
            )
        first_index, twin = first.setdefault(image.file_name, (image_index, image))
        if (twin.height, twin.width) != (image.height, image.width):
            raise DataError(
                f"{path}: {image.file_name!r} is listed with {twin.height} x {twin.width} and "
                f"with {image.height} x {image.width} (H x W); keep one of the entries"
            )
        index_of[image.id] = first_index
        if first_index != image_index:
            twins[first_index] = (*twins.get(first_index, ()), image.id)
    return index_of, twins


def _find_groupings(listed: Sequence[Category], uses: Counter[Id]) -> tuple[Category, ...]:
    """Find the categories that only group others: supercategories without an annotation."""
    parents: dict[str, set[Id]] = {}
    for category in listed:
        parents.setdefault(category.supercategory or "", set()).add(category.id)
    return tuple(c for c in listed if not uses[c.id] and parents.get(c.name, set()) - {c.id})


def _index_categories(path: Path, listed: Iterable[Category]) -> dict[Id, Category]:
    categories: dict[Id, Category] = {}
    ids: dict[str, Id] = {}
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
    listed = sorted(
        (c for f in files for c in f.categories.values()),
        key=lambda c: (isinstance(c.id, str), c.id),
    )
    by_name: dict[str, ClassEntry] = {}
    for category in listed:
        by_name.setdefault(category.name, category.entry)
    by_name.pop(IGNORED, None)
    if not undrawn:
        return tuple(by_name.values())
    known = [name for name in by_name if name.lower() in BACKGROUND_NAMES]
    first = ClassEntry(name=known[0] if known else "background", raw=(UNDRAWN, *known))
    return (first, *(entry for name, entry in by_name.items() if name not in known))
