"""Scan: which files of a folder belong together, before any pixel is read."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from ...pages.text import list_names
from ..classes.dataset_yaml import UNSPECIFIED, ClassEntry, CodecEntry
from ..pixels.imageref import ImageRef
from ..shapes.drawing import Overlap
from .annotation import Labels

UNSPLIT = ""
"""The split of an entry whose folder names none."""

_PAGE = re.compile(r"(?:/|__)\d{4}$")

SPLITS = frozenset({"train", "val", "test"})
IMAGE_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "input", "inputs", "jpegimages", "photos"}
)
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "devel", "development"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
    "default": UNSPLIT,  # the only subset of CVAT and datumaro where none was named
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The files of one Sample. `labels` is its mask, None where it has none.

    Where a dataset lists annotators, `votes` holds the mask of each, None where an annotator
    drew none, and `labels` is the first of them. `split_in_key` is true where the key begins
    with the split, as images of two splits have one name.
    """

    key: str
    split: str
    image: ImageRef
    labels: Labels | None
    group: str
    votes: tuple[Labels | None, ...] = ()
    split_in_key: bool = False

    @property
    def name_in_split(self) -> str:
        """The key, without the split before it: unique among the images of one split."""
        return self.key.removeprefix(f"{self.split}__") if self.split_in_key else self.key

    @property
    def masks(self) -> tuple[Labels, ...]:
        """All masks of the image."""
        return tuple(path for path in self.votes or (self.labels,) if path is not None)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Samples that a folder or a file names and that are not read, for one reason.

    `reason` is what they are, in the plural: "images that are listed and not there". `names`
    are file names or paths.
    """

    reason: str
    names: tuple[str, ...]

    def to_note(self) -> str:
        """One sentence: the reason, the number and the first names."""
        return f"left out: {self.reason}: {len(self.names):,} ({list_names(self.names)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """All images and masks of a folder; sorts `entries` by split and key.

    `lone_masks` are mask files without an image. `left_out` are all other samples that are
    named and have no entry; `convert` lists them in its account. `classes` and `codec` are what
    the layout itself states about the labels, None where it states nothing; where
    `codec.pixels` is given, both are complete and no mask is read. `overlap` is the rule for
    shapes. `listing` is how to list a raw value in the layout's own table
    (`LabelCodec.listing`), and `origin` the file that names the classes, where one does.
    `unread` lists what the files hold on the whole dataset that nothing here has a place for,
    by kind ("supercategories": their names).
    """

    entries: tuple[Entry, ...]
    lone_masks: tuple[ImageRef | Path, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    classes: tuple[ClassEntry, ...] | None = None
    codec: CodecEntry = UNSPECIFIED
    overlap: Overlap | None = None
    listing: str = ""
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", sort_entries(self.entries))

    def list_left_out(self, root: Path) -> tuple[LeftOut, ...]:
        """`left_out`, and the lone masks by their paths below `root`."""
        files = (m.path if isinstance(m, ImageRef) else m for m in self.lone_masks)
        lone = tuple(file.relative_to(root).as_posix() for file in files)
        items = (LeftOut("labels without an image", lone), *self.left_out)
        return tuple(item for item in items if item.names)

    @property
    def states_labels(self) -> bool:
        """Whether the layout states what raw values mean, so that nothing is inferred."""
        return self.classes is not None and self.codec.pixels is not None


def normalise_split(folder: str) -> str:
    """`Validation` -> `val` and so on, `default` -> no split; other names stay as they are."""
    return _SPLIT_NAMES.get(folder.lower(), folder)


def parse_place(relative: PurePath) -> tuple[str, str, str]:
    """Split, key and group of an image, from its path below the folder of the data.

    A folder named like a split is the split; a folder named `images` or similar is skipped;
    the others are the group, and the key begins with them, joined by `__`.
    """
    named = [normalise_split(folder) for folder in relative.parts[:-1]]
    split = next((name for name in named if name in SPLITS), UNSPLIT)
    if split:
        named.remove(split)
    group = "__".join(name for name in named if name and name.lower() not in IMAGE_FOLDERS)
    stem = relative.stem
    key = f"{group}__{stem}" if group else stem
    return split, key, group or key


def name_volume(key: str, group: str) -> str:
    """The name of the volume of a slice on pages: its key without the index of the slice.

    The group of a slice whose key has no index, as a file of its own.
    """
    stem = _PAGE.sub("", key)
    return group if stem == key else stem


def make_keys_unique(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries, with the split before every key where two splits share a key.

    For layouts in which images of the same name in two folders are different images.
    """
    entries = list(entries)
    splits: dict[str, set[str]] = {}
    for entry in entries:
        splits.setdefault(entry.key, set()).add(entry.split)
    if any(len(names) > 1 for names in splits.values()):
        entries = [_prefix_split(entry) if entry.split else entry for entry in entries]
    return tuple(entries)


def sort_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries by split, those of one split by key."""
    return tuple(sorted(entries, key=lambda entry: (entry.split, entry.key)))


def _prefix_split(entry: Entry) -> Entry:
    key = f"{entry.split}__{entry.key}"
    group = key if entry.group == entry.key else entry.group
    return replace(entry, key=key, group=group, split_in_key=True)


def name_slice(entry: Entry) -> str:
    """The key of an image; of a slice of a volume that of the volume, and its number.

    The volume has no suffix, which a format may leave out; slices that are named by their files
    get numbers, as in formats where the volume is one file.
    """
    image = entry.image
    if image.series is None or not image.series.by_file:
        return re.sub(r"\.nii(\.gz)?__(?=\d+$)", "__", entry.key)
    folder, volume = entry.key.rpartition("__")[0], image.series.path.name
    names = folder.split("__") if folder else []
    if names[-1:] != [volume]:
        names.append(volume)
    return "__".join([*names, f"{image.page:04}"])
