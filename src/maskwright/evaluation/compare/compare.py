"""Compare two reports of the same data: differences, intervals, p-values, images.

B is worse when the mIoU, or the IoU of a class, falls: the 95 % interval of B - A is
below 0 and p is below 0.05 (of a class: corrected by Holm over the classes). A score that only
one of the two reports has is not tested.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ...core.labels import LabelSpec
from ...core.report import number
from ...core.scores import Values
from ...core.versioned import Document, Schema
from ..bootstrap import LEVEL, MIN_GROUPS, REPLICATES, SEED
from .changes import (
    ALPHA,
    MOST_EXACT_GROUPS,
    PERMUTATIONS,
    ScoreChange,
    compute_scores,
    least_p,
    measure_changes,
)
from .pictures import draw_pictures
from .read import ReportPair, read_report_pair

SCHEMA = Schema(kind="comparison", version=1)
_NUM_LISTED = 10
_NUM_SHOWN = 4
"""Images with pictures, of those that lost and of those that gained."""
_NUM_RESPONSIBLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    """The mIoU of one image in A and B, and the classes that changed most with their IoU."""

    key: str
    group: str
    a: float
    b: float
    classes: tuple[tuple[str, float, float], ...]

    @property
    def difference(self) -> float:
        """B - A."""
        return self.b - self.a

    def to_json(self) -> Document:
        """One JSON object; None stands for NaN."""
        return {
            "key": self.key,
            "group": self.group,
            "a": number(self.a),
            "b": number(self.b),
            "difference": number(self.difference),
            "classes": [
                {"name": name, "a": number(a), "b": number(b)} for name, a, b in self.classes
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """B against A on the same images.

    `scores` are of the set, `classes` those of each class in order of index. `images` lists at
    most ten that lost most, the largest loss first, then at most ten that gained most.
    `pictures` are encoded image files of some of them, by key and panel. `notes` name what is
    missing, and why.
    """

    labels: LabelSpec
    a: Path
    b: Path
    scores: Mapping[str, ScoreChange]
    classes: tuple[Mapping[str, ScoreChange], ...]
    images: tuple[ImageChange, ...]
    num_images: int
    num_groups: int
    notes: tuple[str, ...] = ()
    pictures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def worse(self) -> tuple[str, ...]:
        """Scores that fell beyond chance: "mIoU", names of classes; empty if B is not worse."""
        return tuple(name for name, change in self._judge() if change.fell)

    @property
    def better(self) -> tuple[str, ...]:
        """Scores that rose beyond chance, named as in `worse`."""
        return tuple(name for name, change in self._judge() if change.rose)

    def _judge(self) -> Iterator[tuple[str, ScoreChange]]:
        yield "mIoU", self.scores["miou"]
        for name, changes in zip(self.labels.names, self.classes, strict=True):
            yield name, changes["iou"]

    def to_json(self) -> Document:
        """What compare.json holds; None stands for NaN."""
        return SCHEMA.stamp(
            {
                "a": str(self.a),
                "b": str(self.b),
                "worse": bool(self.worse),
                "worse_in": list(self.worse),
                "scores": {name: change.to_json() for name, change in self.scores.items()},
                "classes": [
                    {"name": entry.name, "color": list(entry.color)}
                    | {name: change.to_json() for name, change in changes.items()}
                    for entry, changes in zip(self.labels, self.classes, strict=True)
                ],
                "images": [image.to_json() for image in self.images],
                "num_images": self.num_images,
                "method": self.method(),
                "notes": list(self.notes),
            }
        )

    def method(self) -> Document:
        """How intervals and p-values were computed."""
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
    pair = read_report_pair(Path(a), Path(b))
    overall, classes = measure_changes(pair)
    images = _images(pair)
    lost = [image.key for image in images if image.difference < 0]
    gained = [image.key for image in images if image.difference > 0]
    pictures, reason = draw_pictures(pair, [*lost[:_NUM_SHOWN], *gained[:_NUM_SHOWN]])
    names = pair.a.labels.names
    return Comparison(
        labels=pair.a.labels,
        a=pair.a.path,
        b=pair.b.path,
        scores=overall,
        classes=tuple(
            {name: changes[i] for name, changes in classes.items()} for i in range(len(names))
        ),
        images=images,
        num_images=len(pair.a.keys),
        num_groups=len(pair.group_names),
        notes=tuple(note for note in (*_notes(pair), reason) if note),
        pictures=pictures,
    )


def require_power(comparison: Comparison) -> None:
    """Require so many groups that p can fall below 0.05.

    Raises:
        DataError: Too few groups.
    """
    least = least_p(comparison.num_groups)
    if least >= ALPHA:
        raise DataError(
            f"{comparison.b}: {comparison.num_groups} groups give no p below {least:.3g}, so B "
            f"can never count as worse; compare on at least 6 groups, or give smaller groups "
            f"to `maskwright score` with --group"
        )


def _images(pair: ReportPair) -> tuple[ImageChange, ...]:
    a, b = (compute_scores(folder.counts) for folder in (pair.a, pair.b))
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
    """The classes that changed most in the direction of the image.

    A class that is in neither truth nor prediction counts as right.
    """
    rise_C = np.nan_to_num(b_C, nan=1.0) - np.nan_to_num(a_C, nan=1.0)
    change_C = rise_C if gained else -rise_C
    order = np.argsort(-change_C, kind="stable")[:_NUM_RESPONSIBLE]
    return tuple((names[i], float(a_C[i]), float(b_C[i])) for i in order if change_C[i] > 0)


def _notes(pair: ReportPair) -> list[str]:
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
