"""`diff`: what changed between two versions of a dataset, from classes down to pixels.

Classes are matched by name and images by key. Pixels are compared where both versions have
labels of the same size at the same place; a pixel that became IGNORE, or is no longer IGNORE,
counts as changed.
"""

import heapq
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConfigError
from ...core.labels import IGNORE, MAX_CLASSES, ClassDef, LabelMap, LabelSpec
from ...core.progress import Progress, silent
from ...core.versioned import Document, Schema
from ...data.dataset import Dataset
from ...data.pixels.alignment import describe_misalignment
from ..extremes import compute_shown_size, resize_labels

_ELSEWHERE = "with labels at another place"


def _add_places(document: Document) -> Document:
    """Version 2 lists labels that lie at another place, which version 1 did not look for."""
    images = document.get("images")
    if not isinstance(images, dict):
        return document
    return document | {"images": {**images, _ELSEWHERE: []}}


SCHEMA = Schema(kind="difference", version=2, upgrades={1: _add_places})
IGNORED = "(ignored)"
_MOST_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedImage:
    """One image whose labels changed: all and changed pixels, and both maps to be shown."""

    key: str
    num_px: int
    changed_px: int
    a_hw: LabelMap
    b_hw: LabelMap


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPixels:
    """Pixels of one class in A and B; `gained` are those of another class in A."""

    name: str
    a: int
    b: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Pixels that have the class `before` in A and the class `after` in B."""

    before: str
    after: str
    num_px: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Difference:
    """What B has that A does not have, and the reverse.

    `labels` are the classes of A, then those that only B has. `moved_CC` counts the pixels of
    the images in both: rows are classes of A, columns those of B, the last of each is IGNORE.
    `classes` and `images` list names and keys by what happened to them; `worst` are the images
    with the most changed pixels.
    """

    a: str
    b: str
    labels: LabelSpec
    classes: Mapping[str, tuple[str, ...]]
    images: Mapping[str, tuple[str, ...]]
    num_both: int
    moved_CC: NDArray[np.int64]
    worst: tuple[ChangedImage, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows and columns of `moved_CC`."""
        return (*self.labels.names, IGNORED)

    @property
    def changed_px(self) -> int:
        """Pixels whose class changed."""
        return int(self.moved_CC.sum() - self.moved_CC.trace())

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return not any((*self.classes.values(), *self.images.values()))

    def by_class(self) -> list[ClassPixels]:
        """Pixels of each class that occurs, in order of index, IGNORE last."""
        before_C, after_C = self.moved_CC.sum(axis=1), self.moved_CC.sum(axis=0)
        kept_C = self.moved_CC.diagonal()
        return [
            ClassPixels(
                name=name,
                a=int(before_C[i]),
                b=int(after_C[i]),
                gained=int(after_C[i] - kept_C[i]),
                lost=int(before_C[i] - kept_C[i]),
            )
            for i, name in enumerate(self.names)
            if before_C[i] or after_C[i]
        ]

    def moves(self) -> list[Move]:
        """From which class to which, the most pixels first."""
        moves = [
            Move(before=self.names[a], after=self.names[b], num_px=int(self.moved_CC[a, b]))
            for a, b in np.argwhere(self.moved_CC).tolist()
            if a != b
        ]
        return sorted(moves, key=lambda move: -move.num_px)

    def to_json(self) -> Document:
        """What diff.json holds."""
        return SCHEMA.stamp(
            {
                "a": self.a,
                "b": self.b,
                "same": self.same,
                "classes": {what: list(names) for what, names in self.classes.items()},
                "images": {what: list(keys) for what, keys in self.images.items()},
                "images_in_both": self.num_both,
                "pixels": int(self.moved_CC.sum()),
                "changed_pixels": self.changed_px,
                "by_class": [asdict(pixels) for pixels in self.by_class()],
                "moves": [
                    {"from": move.before, "to": move.after, "pixels": move.num_px}
                    for move in self.moves()
                ],
                "worst": [
                    {"key": image.key, "changed": image.changed_px, "pixels": image.num_px}
                    for image in self.worst
                ],
            }
        )


def diff(a: Dataset, b: Dataset, progress: Progress = silent) -> Difference:
    """Compare two versions of a dataset; one image of each is in memory at a time.

    Raises:
        DataError: An image or its labels cannot be read.
        ConfigError: Together they have more classes than a class map can hold.
    """
    labels = _merge_specs(a.spec, b.spec)
    counts = _Counts(a, b, labels)
    index_of = {key: index for index, key in enumerate(b.keys)}
    both = [(i, index_of[key]) for i, key in enumerate(a.keys) if key in index_of]
    for pair in progress(both, total=len(both), what="comparing labels"):
        counts.add(*pair)
    keys_of_a = set(a.keys)
    return Difference(
        a=a.source,
        b=b.source,
        labels=labels,
        classes=_compare_classes(a.spec, b.spec),
        images={
            "added": tuple(key for key in b.keys if key not in keys_of_a),
            "removed": tuple(key for key in a.keys if key not in index_of),
            **{what: tuple(keys) for what, keys in counts.images.items()},
        },
        num_both=len(both),
        moved_CC=counts.moved_CC,
        worst=counts.worst(),
    )


@dataclass(slots=True)
class _Counts:
    """Images by what happened to them and pixels by class in A and B, added image by image."""

    a: Dataset
    b: Dataset
    labels: LabelSpec
    images: dict[str, list[str]] = field(
        default_factory=lambda: {
            "with other pixels": [],
            "in another split": [],
            "with labels now": [],
            "without labels now": [],
            "with labels of another size": [],
            _ELSEWHERE: [],
            "with other labels": [],
        }
    )
    moved_CC: NDArray[np.int64] = field(init=False)
    _worst: list[tuple[int, int, ChangedImage]] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.labels) + 1
        self.moved_CC = np.zeros((size, size), np.int64)

    def add(self, index_a: int, index_b: int) -> None:
        """Compare one image that both versions have."""
        key = self.a.keys[index_a]
        if self.a.image_digest(index_a) != self.b.image_digest(index_b):
            self.images["with other pixels"].append(key)
        splits = {self.a.split_of(index_a), self.b.split_of(index_b)}
        if len(splits) == 2 and "" not in splits:  # a format without splits has moved nothing
            self.images["in another split"].append(key)
        labelled_a, labelled_b = self.a.has_labels(index_a), self.b.has_labels(index_b)
        if labelled_a != labelled_b:
            what = "with labels now" if labelled_b else "without labels now"
            self.images[what].append(key)
        if not (labelled_a and labelled_b):
            return
        a_HW, b_HW = self._read(self.a, index_a), self._read(self.b, index_b)
        if a_HW.shape != b_HW.shape:
            self.images["with labels of another size"].append(key)
            return
        old, new = self.a.mask_file(index_a), self.b.mask_file(index_b)
        if old and new and describe_misalignment(new, old):
            self.images[_ELSEWHERE].append(key)
            return
        self._count(key, a_HW, b_HW)

    def _read(self, dataset: Dataset, index: int) -> LabelMap:
        """The labels of one image as indices of `labels`."""
        table = np.full(256, IGNORE, np.uint8)
        table[: len(dataset.spec)] = [self.labels.index(name) for name in dataset.spec.names]
        labels_HW: LabelMap = table[dataset.labels(index)]
        return labels_HW

    def _count(self, key: str, a_HW: LabelMap, b_HW: LabelMap) -> None:
        size = len(self.labels) + 1
        # IGNORE (255) becomes the last row and column
        pairs = np.minimum(a_HW, size - 1).astype(np.int32) * size + np.minimum(b_HW, size - 1)
        self.moved_CC += np.bincount(pairs.ravel(), minlength=size**2).reshape(size, size)
        changed_px = int(np.count_nonzero(a_HW != b_HW))
        if not changed_px:
            return
        self.images["with other labels"].append(key)
        if len(self._worst) < _MOST_SHOWN or changed_px > self._worst[0][0]:
            shown_hw = compute_shown_size(a_HW.shape)
            image = ChangedImage(
                key=key,
                num_px=a_HW.size,
                changed_px=changed_px,
                a_hw=resize_labels(a_HW, shown_hw),
                b_hw=resize_labels(b_HW, shown_hw),
            )
            push = heapq.heappush if len(self._worst) < _MOST_SHOWN else heapq.heappushpop
            push(self._worst, (changed_px, -len(self.images["with other labels"]), image))

    def worst(self) -> tuple[ChangedImage, ...]:
        """The images kept, the most changed first."""
        return tuple(image for *_, image in sorted(self._worst, reverse=True))


def _merge_specs(a: LabelSpec, b: LabelSpec) -> LabelSpec:
    """The classes of A, then those that only B has."""
    new = tuple(entry for entry in b if entry.name not in a.names)
    if len(a) + len(new) > MAX_CLASSES - 1:
        raise ConfigError(
            f"together the two versions have {len(a) + len(new)} classes, at most "
            f"{MAX_CLASSES - 1} can be compared; map them to fewer with `maskwright convert "
            f"--classes`"
        )
    return LabelSpec((*a.classes, *new))


def _compare_classes(a: LabelSpec, b: LabelSpec) -> dict[str, tuple[str, ...]]:
    old: dict[str, ClassDef] = {entry.name: entry for entry in a}
    common = [name for name in b.names if name in old]
    return {
        "added": tuple(name for name in b.names if name not in old),
        "removed": tuple(name for name in a.names if name not in b.names),
        "at another index": tuple(n for n in common if a.index(n) != b.index(n)),
        "of another colour": tuple(
            e.name for e in b if e.name in old and e.color != old[e.name].color
        ),
        "of another kind": tuple(
            e.name for e in b if e.name in old and e.kind != old[e.name].kind
        ),
    }
