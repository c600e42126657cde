"""How masks are named after their images: equal names, shared beginnings and endings, words.

a.jpg          a.png, a.jpg.png      equal names
a.jpg          a_mask.png            the mask adds to the name of the image
c_0000.png     c.png                 the image adds to the name of the mask
image_01.png   mask_01.png           both add to what they share, which is the key
p_image_1.png  p_mask_1.png          a word for the image, a word for the mask
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from pathlib import Path

from ..entries.scan import IMAGE_FOLDERS
from ..entries.series import name_by_file
from ..entries.walk import name_images
from ..pixels.imageref import ImageRef
from ..pixels.images import paged_suffixes
from ..reading.lookup import fold_name

MASK_WORDS = frozenset(
    {
        "anno",
        "annos",
        "annot",
        "annotation",
        "annotations",
        "annots",
        "gt",
        "ground",
        "groundtruth",
        "truth",
    }
    | {"label", "labels", "labelled", "mask", "masks", "matte", "seg", "segs"}
    | {"segmentation", "segmentations", "segmented", "target", "targets"}
)
"""Words in the names of masks and of their folders."""

IMAGE_WORDS = frozenset({*IMAGE_FOLDERS, "photo", "picture", "pictures", "rgb", "sat"})
_SEPARATORS = "_-. "
_TOKENS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]|\d+|[^A-Za-z0-9]+")
_MOST_TRIED = 200
"""Masks that are compared with an image to find the parts that names share."""

Stem = Callable[[str], str | None]
"""The part of a name that image and mask share; None where the name has another form."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The shared part of the names of images and of masks; `note` says what was left out."""

    image: Stem
    mask: Stem
    note: str = ""


EQUAL = Naming(lambda name: name, lambda name: name)


def split_words(name: str) -> list[str]:
    """The words of a name in lower case: `gtFine_labelIds` is gt, fine, label, ids."""
    return [token.lower() for token in _TOKENS.findall(name) if token[0].isalnum()]


def find_naming(images: Collection[str], masks: Collection[str]) -> Naming | None:
    """Find how masks are named after images; None where no rule fits all names.

    Names are paths without suffix below the folders of images and of masks. One equal name
    decides for equal names: the others then have no partner.
    """
    if not images or not masks:
        return None
    folded = {fold_name(name) for name in images}
    if any(fold_name(name) in folded for name in masks):
        return EQUAL
    rules = (*_list_affix_rules(images, masks), _drop_words())
    found = next((rule for rule in rules if _fits(rule, images, masks)), None)
    return found or _find_in_inner_folders(images, masks)


def _find_in_inner_folders(images: Collection[str], masks: Collection[str]) -> Naming | None:
    """The rule below folders that all images or all masks share: `trimaps/a` belongs to `a`."""
    above = [_find_shared_folder(names) for names in (images, masks)]
    if not any(above):
        return None
    names = (
        {name.removeprefix(folder) for name in each}
        for folder, each in zip(above, (images, masks), strict=True)
    )
    inner = find_naming(*names)
    if inner is None:
        return None
    return Naming(
        lambda name: inner.image(name.removeprefix(above[0])),
        lambda name: inner.mask(name.removeprefix(above[1])),
        inner.note,
    )


def _find_shared_folder(names: Collection[str]) -> str:
    """The folders that all names begin with, with the slash; "" without."""
    parts = [name.split("/")[:-1] for name in names]
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*parts, strict=False))
    return "".join(f"{column[0]}/" for column in shared)


def _fits(naming: Naming, images: Iterable[str], masks: Iterable[str]) -> bool:
    """Whether every name has the form of the rule, and every mask the stem of an image."""
    stems = [naming.image(name) for name in images]
    found = [naming.mask(name) for name in masks]
    wanted = set(stems)
    return (
        None not in wanted
        and len(wanted) == len(stems)
        and len(set(found)) == len(found)
        and sum(stem in wanted for stem in found) * 2 > len(found)
        and None not in found
    )


def _list_affix_rules(images: Collection[str], masks: Collection[str]) -> Iterable[Naming]:
    """Rules from what some images share with masks, those that leave the longest part first."""
    ordered = sorted(images)
    some = {ordered[i * (len(ordered) - 1) // 4] for i in range(5)}
    affixes = {found for name in some for found in _list_affixes(_file_name(name), masks)}
    for image, mask in sorted(affixes, key=lambda a: (sum(len(t) for p in a for t in p), a)):
        yield Naming(_strip(*image), _strip(*mask), _describe(image, mask))


_Affix = tuple[str, str]
"""What stands before and after the shared part of a name."""


def _list_affixes(image: str, masks: Iterable[str]) -> Iterable[tuple[_Affix, _Affix]]:
    """What is left of the names of an image and of masks beside their longest common part."""
    names = sorted({_file_name(name) for name in masks})
    numbered = [n for n in names if re.findall(r"\d+", n) == re.findall(r"\d+", image)]
    for mask in numbered[:_MOST_TRIED] or names[:_MOST_TRIED]:
        match = SequenceMatcher(None, image, mask, autojunk=False).find_longest_match()
        places = (image, match.a), (mask, match.b)
        if match.size and all(
            _is_border(name, start) and _is_border(name, start + match.size)
            for name, start in places
        ):
            yield _cut(image, match.a, match.size), _cut(mask, match.b, match.size)


def _cut(name: str, start: int, size: int) -> _Affix:
    return name[:start], name[start + size :]


def _is_border(name: str, index: int) -> bool:
    """Whether a name may be cut at `index`: not within a word or a number."""
    if not 0 < index < len(name):
        return True
    left, right = name[index - 1], name[index]
    within_word = (
        left.isalpha() and right.isalpha() and not (left.islower() and right.isupper())
    )
    return not within_word and not (left.isdigit() and right.isdigit())


def _strip(before: str, after: str) -> Stem:
    """Take the beginning, the ending and the separators beside them off a name."""

    def strip(name: str) -> str | None:
        folder, slash, base = name.rpartition("/")
        long_enough = len(base) > len(before) + len(after)
        if not (long_enough and base.startswith(before) and base.endswith(after)):
            return None
        stem = base[len(before) : len(base) - len(after)]
        stem = stem.lstrip(_SEPARATORS) if before else stem
        stem = stem.rstrip(_SEPARATORS) if after else stem
        return f"{folder}{slash}{stem}" if stem else None

    return strip


def _describe(image: tuple[str, str], mask: tuple[str, str]) -> str:
    if image == ("", "") and not mask[0]:
        return f"masks are named like their images, with {mask[1]!r} at the end"
    shown = [f"{before}*{after}" for before, after in (image, mask)]
    return f"the masks of images called {shown[0]!r} are called {shown[1]!r}"


def _drop_words() -> Naming:
    """Names that are equal without the words for images and masks."""

    def without(words: Collection[str], name: str) -> str | None:
        folder, slash, base = name.rpartition("/")
        tokens = [token for token in _TOKENS.findall(base) if token[0].isalnum()]
        kept = [token for token in tokens if token.lower() not in words]
        return f"{folder}{slash}{'_'.join(kept)}" if kept else None

    return Naming(
        lambda name: without(IMAGE_WORDS, name),
        lambda name: without(MASK_WORDS, name),
        "masks are named like their images, with another word for mask",
    )


def _file_name(name: str) -> str:
    return name.rpartition("/")[2]


def count_unpaired(a: set[str], b: set[str]) -> int:
    """The number of names of two sets that have no partner in the other."""
    naming = find_naming(a, b)
    if naming is None:
        return len(a) + len(b)
    return len({naming.image(name) for name in a} ^ {naming.mask(name) for name in b})


def drop_volume_suffixes(files: dict[str, ImageRef]) -> dict[str, ImageRef]:
    """Masks by name, those in volumes as slices of a series are: `a/0012` of `a.nii.gz`."""
    endings = sorted(paged_suffixes(), key=len, reverse=True)
    named: dict[str, ImageRef] = {}
    for name, image in files.items():
        volume, _, page = name.rpartition("/")
        ending = next((e for e in endings if volume.lower().endswith(e)), "")
        plain = f"{volume.removesuffix(volume[-len(ending) :])}/{page}" if ending else name
        named[name if plain in named or plain in files else plain] = image
    return named


def name_slices(
    images: list[ImageRef], folder: Path, masks: list[dict[str, ImageRef]]
) -> dict[str, ImageRef]:
    """Images by name; slices of a DICOM series by that of their file where masks have it."""
    by_series = name_images(images, folder)
    if all(image.series is None for image in images):
        return by_series
    by_file = name_images(list(map(name_by_file, images)), folder)
    taken = {name for files in masks for name in files}
    left_by_file, left = (count_unpaired(set(n), taken) for n in (by_file, by_series))
    return by_file if left_by_file < left else by_series
