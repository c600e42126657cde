"""Two reports of the same data -> Comparison: differences, intervals, p-values, images.

B is worse when the mIoU, or the IoU of a class, falls so that the 95 % interval of B - A lies
wholly below 0 and p is below 0.05 (of a class: corrected by Holm over the classes). A score
that exists in only one of the two cannot say so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import DataError
from ...core.labels import LabelSpec
from ...core.report import number
from ...core.scores import Values
from ..bootstrap import LEVEL, MIN_GROUPS, REPLICATES, SEED
from .changes import MOST_EXACT_GROUPS, PERMUTATIONS, Change, changes, least_p, measured
from .pictures import pictures
from .read import Pair, read_pair

SCHEMA_VERSION = 1
ALPHA = 0.05
_NUM_LISTED = 10
_NUM_SHOWN = 4
"""Images with pictures, of those that lost and of those that gained."""
_NUM_RESPONSIBLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    """The mIoU of one image in A and B, and the classes that moved it: name, IoU in A and B."""

    key: str
    group: str
    a: float
    b: float
    classes: tuple[tuple[str, float, float], ...]

    @property
    def difference(self) -> float:
        """B - A."""
        return self.b - self.a


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """B against A on the same images.

    `scores` are of the set, `classes` those of each class in order of index. `images` lists at
    most ten that lost most, from the largest loss on, then at most ten that gained most.
    `pictures` shows some of them: encoded image files by key and panel; `notes` say what is
    missing and why.
    """

    labels: LabelSpec
    a: Path
    b: Path
    scores: Mapping[str, Change]
    classes: tuple[Mapping[str, Change], ...]
    images: tuple[ImageChange, ...]
    num_images: int
    num_groups: int
    notes: tuple[str, ...] = ()
    pictures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def worse(self) -> tuple[str, ...]:
        """What fell beyond chance, "mIoU" and names of classes; empty where B is not worse."""
        found = ["mIoU"] if _fell(self.scores["miou"]) else []
        pairs = zip(self.labels.names, self.classes, strict=True)
        return (*found, *(name for name, entry in pairs if _fell(entry["iou"])))

    def to_json(self) -> dict[str, Any]:
        """compare.json; None stands for NaN."""
        return {
            "schema_version": SCHEMA_VERSION,
            "a": str(self.a),
            "b": str(self.b),
            "worse": bool(self.worse),
            "worse_in": list(self.worse),
            "scores": {name: _change_json(c) for name, c in self.scores.items()},
            "classes": [
                {"name": c.name, "color": list(c.color)}
                | {name: _change_json(change) for name, change in entry.items()}
                for c, entry in zip(self.labels, self.classes, strict=True)
            ],
            "images": [_image_json(image) for image in self.images],
            "num_images": self.num_images,
            "method": self.method(),
            "notes": list(self.notes),
        }

    def method(self) -> dict[str, Any]:
        """How intervals and p-values came about."""
        exact = self.num_groups <= MOST_EXACT_GROUPS
        return {
            "groups": self.num_groups,
            "interval": f"paired Poisson bootstrap over groups, {REPLICATES} replicates, "
            f"percentiles"
            if self.num_groups >= MIN_GROUPS
            else f"none: fewer than {MIN_GROUPS} groups",
            "level": LEVEL,
            "p": "paired permutation by group, two-sided, "
            + (f"all {2**self.num_groups} swaps" if exact else f"{PERMUTATIONS} drawn swaps"),
            "least_p": round(least_p(self.num_groups), 6),
            "p_holm": "corrected over the classes (Holm 1979)",
            "worse": f"mIoU or IoU of a class: interval wholly below 0 and p_holm < {ALPHA}",
            "seed": SEED,
        }


def compare(a: Path | str, b: Path | str) -> Comparison:
    """Compare two report folders, written by `score` or `evaluate` on the same data.

    Raises:
        DataError: A file is missing or damaged, or the reports are not of the same images,
            groups, classes and truth.
    """
    pair = read_pair(Path(a), Path(b))
    overall, classes = changes(pair)
    images = _images(pair)
    lost = [image.key for image in images if image.difference < 0]
    gained = [image.key for image in images if image.difference > 0]
    shown, note = pictures(pair, [*lost[:_NUM_SHOWN], *gained[:_NUM_SHOWN]])
    names = pair.a.labels.names
    return Comparison(
        labels=pair.a.labels,
        a=pair.a.folder,
        b=pair.b.folder,
        scores=overall,
        classes=tuple({n: found[i] for n, found in classes.items()} for i in range(len(names))),
        images=images,
        num_images=len(pair.a.keys),
        num_groups=len(pair.group_names),
        notes=tuple(said for said in (*_notes(pair), note) if said),
        pictures=shown,
    )


def require_power(comparison: Comparison) -> None:
    """Refuse to judge where no p could fall below 0.05.

    Raises:
        DataError: Too few groups.
    """
    least = least_p(comparison.num_groups)
    if least >= ALPHA:
        raise DataError(
            f"{comparison.b}: {comparison.num_groups} groups give no p below {least:.3g}, so B "
            f"could never be found worse; compare on at least 6 groups, or give smaller ones "
            f"to `maskwright score` with --group"
        )


def _fell(change: Change) -> bool:
    """NaN compares as no fall."""
    return change.high < 0 and change.p_holm < ALPHA


def _images(pair: Pair) -> tuple[ImageChange, ...]:
    a, b = (measured(side.counts) for side in (pair.a, pair.b))
    before_N, after_N = a.overall["miou"], b.overall["miou"]
    gain_N = np.where(np.isnan(after_N - before_N), 0.0, after_N - before_N)
    order = np.argsort(gain_N, kind="stable")
    lost = [i for i in order[:_NUM_LISTED] if gain_N[i] < 0]
    order = np.argsort(-gain_N, kind="stable")
    gained = [i for i in order[:_NUM_LISTED] if gain_N[i] > 0]
    return tuple(
        ImageChange(
            key=pair.a.keys[i],
            group=pair.a.groups[pair.a.keys[i]],
            a=float(before_N[i]),
            b=float(after_N[i]),
            classes=_responsible(
                pair.a.labels.names,
                a.classes["iou"][i],
                b.classes["iou"][i],
                gained=bool(gain_N[i] > 0),
            ),
        )
        for i in (*lost, *gained)
    )


def _responsible(
    names: tuple[str, ...], a_C: Values, b_C: Values, *, gained: bool
) -> tuple[tuple[str, float, float], ...]:
    """The classes that moved furthest the way of the image; one that is nowhere is right."""
    rise_C = np.nan_to_num(b_C, nan=1.0) - np.nan_to_num(a_C, nan=1.0)
    moved_C = rise_C if gained else -rise_C
    order = np.argsort(-moved_C, kind="stable")[:_NUM_RESPONSIBLE]
    return tuple((names[i], float(a_C[i]), float(b_C[i])) for i in order if moved_C[i] > 0)


def _notes(pair: Pair) -> list[str]:
    notes = []
    if pair.left_out:
        notes.append(
            f"Only one report counted {', '.join(pair.left_out)}; scores of these are left out."
        )
    num_groups = len(pair.group_names)
    if least_p(num_groups) >= ALPHA:
        notes.append(
            f"{num_groups} groups give no p below {least_p(num_groups):.3g}: too few to show "
            f"a difference."
        )
    return notes


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "a": number(change.a),
        "b": number(change.b),
        "difference": number(change.difference),
        "interval": None if math.isnan(change.low) else [change.low, change.high],
        "p": number(change.p),
        "p_holm": number(change.p_holm),
    }


def _image_json(image: ImageChange) -> dict[str, Any]:
    return {
        "key": image.key,
        "group": image.group,
        "a": number(image.a),
        "b": number(image.b),
        "difference": number(image.difference),
        "classes": [
            {"name": name, "a": number(a), "b": number(b)} for name, a, b in image.classes
        ],
    }
