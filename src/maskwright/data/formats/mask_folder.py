"""Images and masks, paired by name: the native layout and the plain layouts of other people.

`layouts/image_pairs.py` lists the layouts, `layouts/pairing.py` how masks may be named after
images. Folders that are not named like a split are groups: `street1/0001.png` has the key
`street1__0001` and the group `street1`. Where images of two splits have one name, keys begin
with the split. A table of classes beside the masks is read (`layouts/class_tables.py`).

`images` and `masks` in dataset.yaml name folders, or are patterns such as `*_sat.jpg`
(`layouts/patterns.py`). With `annotators` there is one folder of masks per annotator instead of
`masks`; an image needs a mask in at least one of them.
"""

from collections import defaultdict
from pathlib import Path

from ...core.codec import LabelCodec
from ...core.errors import DataError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..entries.picture import Picture, WriteResult, copy_image, write_mask
from ..entries.scan import (
    SPLITS,
    UNSPLIT,
    Entry,
    Scan,
    make_keys_unique,
    normalise_split,
)
from ..entries.series import find_group
from ..entries.walk import folders
from ..layouts.class_tables import read_class_tables
from ..layouts.image_pairs import (
    Files,
    ImagePairs,
    Name,
    find_equal_folders,
    find_folders_by_words,
    find_named_folders,
    find_pairs_in_one_folder,
    has_named_folders,
)
from ..layouts.pairing import EQUAL, Naming, find_naming
from ..layouts.patterns import STAR, find_by_pattern
from ..layouts.unknown import describe_texts, describe_unknown
from ..pixels.imageref import ImageRef
from ..reading.lookup import fold_name

HOLDS = frozenset({"ignored", "usual splits alone"})


def recognises(root: Path) -> bool:
    """Whether `root`, or a folder of a split in it, holds images beside masks."""
    return has_named_folders(root)


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair images and masks by name; files without a partner are listed too.

    Raises:
        DataError: There are no images and masks, several folders could be meant, a mask could
            belong to two images, or an annotator has no mask of any image.
    """
    pairs = _find_pairs(root, document)
    if not pairs.images:
        raise DataError(f"{root}: holds no images; put them into {root / 'images'}")
    if not any(pairs.masks):
        folder = (document.annotators or (document.masks,))[0] or "masks"
        missing = f"{root}: holds no masks; put them into {root / folder}"
        raise DataError(describe_texts(root) or missing)
    images = {name for _, name in pairs.images}
    namings = [
        find_naming(images, {name for _, name in masks}) or EQUAL for masks in pairs.masks
    ]
    entries, lone = _pair_masks(pairs, namings, voted=document.annotators is not None)
    _require_one_image_each(pairs.images, lone)
    found = Scan(
        entries=make_keys_unique(entries),
        lone_masks=lone,
        notes=tuple(dict.fromkeys(naming.note for naming in namings if naming.note)),
    )
    _require_votes(root, document.annotators or (), found)
    return read_class_tables(root, found) if document.classes is None else found


def _find_pairs(root: Path, document: DatasetFile) -> ImagePairs:
    """Find images and masks where dataset.yaml says, else by the first layout that fits."""
    images, masks = document.images, document.annotators or (document.masks,)
    if any(STAR in (pattern or "") for pattern in (images, *masks)):
        masks_of = [find_by_pattern(root, m or f"masks/{STAR}", "masks") for m in masks]
        taken = {mask for files in masks_of for mask in files.values()}
        found_images = find_by_pattern(root, images or f"images/{STAR}", "images")
        kept = {name: image for name, image in found_images.items() if image not in taken}
        return ImagePairs(kept, masks_of)
    if images is None and masks == (None,):
        found = _search(root)
        if found is None:
            raise DataError(describe_unknown(root))
        return found
    named = find_named_folders(root, images, masks)
    if named is None:
        given = [name for name in (images, *masks) if name is not None]
        there = ", ".join(folders(root)) or "no folders"
        raise DataError(
            f"{root}: found no images and masks under the names in dataset.yaml, "
            f"{', '.join(map(repr, given))}; there are {there}: correct the names"
        )
    return named


def _search(root: Path) -> ImagePairs | None:
    """Find images and masks by the first layout that fits, also in the only folder here."""
    found = (
        find_named_folders(root, None, (None,))
        or find_folders_by_words(root)
        or find_equal_folders(root)
        or find_pairs_in_one_folder(root)
    )
    inner = folders(root)
    if found is None and len(inner) == 1 and normalise_split(inner[0]) not in SPLITS:
        return _search(root / inner[0])
    return found


def _pair_masks(
    pairs: ImagePairs, namings: list[Naming], *, voted: bool
) -> tuple[list[Entry], tuple[ImageRef, ...]]:
    """Entries of all images, and the masks without an image."""
    tables = [
        _MaskTable(files, naming) for files, naming in zip(pairs.masks, namings, strict=True)
    ]
    for table in tables:
        for place, image in pairs.images.items():
            table.take_exact(place, image)
        for place in pairs.images:
            table.take_alike(place)
    stem_of = next((n.image for n in namings if n is not EQUAL), EQUAL.image)
    entries = []
    for (split, name), image in sorted(pairs.images.items()):
        votes = tuple(table.taken.get((split, name)) for table in tables)
        stem = stem_of(name) or name
        group, _, _ = stem.rpartition("/")
        key = stem.replace("/", "__")
        entries.append(
            Entry(
                key=key,
                split=split,
                image=image,
                labels=next((path for path in votes if path is not None), None),
                group=group.replace("/", "__") or find_group(image, key),
                votes=votes if voted else (),
            )
        )
    return entries, tuple(mask for table in tables for mask in table.left.values())


def _require_one_image_each(images: Files, lone: tuple[ImageRef, ...]) -> None:
    """Require that no mask without an image has the name of two that differ in the suffix."""
    by_stem: dict[str, list[ImageRef]] = defaultdict(list)
    for (_, name), image in images.items():
        if name.endswith(image.path.suffix):
            by_stem[image.path.stem].append(image)
    for mask in lone:
        several = by_stem.get(mask.path.stem, ())
        if len(several) > 1:
            names = [image.path.name for image in several[:2]]
            raise DataError(
                f"{mask}: could be the mask of {names[0]} or of {names[1]}; call their masks "
                f"{names[0]}.png and {names[1]}.png"
            )


class _MaskTable:
    """The masks of one annotator; each is taken by one image, in two rounds."""

    def __init__(self, files: Files, naming: Naming) -> None:
        self.naming = naming
        self.left: Files = {
            (split, naming.mask(name) or name): mask for (split, name), mask in files.items()
        }
        self.taken: Files = {}
        self.by_folded_name: dict[Name, list[Name]] = defaultdict(list)
        for split, stem in self.left:
            self.by_folded_name[split, fold_name(stem)].append((split, stem))

    def take_exact(self, name: Name, image: ImageRef) -> None:
        """Take the mask of exactly this name, or of the image's name with its suffix."""
        split, path = name
        stem = self.naming.image(path) or path
        for place in (split, UNSPLIT):
            for wanted in (stem, f"{stem}{image.path.suffix}"):
                if (place, wanted) in self.left:
                    self.taken[name] = self.left.pop((place, wanted))
                    return

    def take_alike(self, name: Name) -> None:
        """Take the one mask whose name differs in case or Unicode form."""
        split, path = name
        if name in self.taken:
            return
        wanted = fold_name(self.naming.image(path) or path)
        places = {split, UNSPLIT}
        alike = [n for p in places for n in self.by_folded_name.get((p, wanted), ())]
        alike = [n for n in alike if n in self.left]
        if len(alike) == 1:
            self.taken[name] = self.left.pop(alike[0])


def _require_votes(root: Path, annotators: tuple[str, ...], scan: Scan) -> None:
    """Require a mask by every annotator; without, the folder or the names in it are wrong."""
    for index, name in enumerate(annotators):
        if not any(entry.votes[index] for entry in scan.entries):
            raise DataError(
                f"{root}: no image has a mask of the annotator {name!r}; under 'annotators', "
                f"list folders whose masks are named like the images "
                f"(there are: {', '.join(folders(root))})"
            )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the image and the mask, in the native layout."""
    split, name = picture.entry.split, picture.entry.name_in_split
    copy_image(picture, folder / "images" / split / f"{name}{picture.suffix}")
    write_mask(folder / "masks" / split / f"{name}.png", picture.labels_HW)
    return WriteResult()


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = class index, 255 = IGNORE."""
    return LabelCodec.identity(spec)
