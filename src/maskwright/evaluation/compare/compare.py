"""Compare two reports of the same data: differences, intervals, p-values, images.

B is worse when the mIoU, or the IoU of a class, falls and its p, corrected over mIoU and all
classes, is below 0.05. A score that only one of the two reports has is not tested.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import DataError
from ...core.htmltable import html_table
from ...core.labels import LabelSpec
from ...core.report import MIN_GROUPS, number
from ...core.scores import Values
from ...core.versioned import Document, Schema
from ...pages.text import format_points, format_share
from ..intervals import LEVEL, METHOD
from .changes import ScoreChange, measure_changes
from .notes import image_mious, write_notes
from .permutation import (
    ALPHA,
    MOST_EXACT_GROUPS,
    PERMUTATIONS,
    SEED,
    STANDARDIZED_FROM,
    least_p,
)
from .pictures import draw_pictures
from .read import ReportPair, read_report_pair
from .scorer import compute_scores


def _upgrade_1(document: Document) -> Document:
    """Version 1 corrected p by Holm's method over the classes alone, as `p_holm`."""
    scores = {name: _rename_p(change) for name, change in document["scores"].items()}
    classes = [{k: _rename_p(v) for k, v in entry.items()} for entry in document["classes"]]
    return document | {"scores": scores, "classes": classes}


def _rename_p(value: Any) -> Any:
    if not isinstance(value, dict) or "p_holm" not in value:
        return value
    rest = {key: v for key, v in value.items() if key != "p_holm"}
    return rest | {"p_corrected": value["p_holm"], "interval_of": None}


SCHEMA = Schema(kind="comparison", version=2, upgrades={1: _upgrade_1})
_NUM_LISTED = 10
_NUM_SHOWN = 4
"""Images with pictures, of those that lost and of those that gained."""
_NUM_RESPONSIBLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    """The mIoU of one image in A and B, and the classes that changed most with their IoU.

    The mIoU of an image is over the classes that its truth holds.
    """

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Comparison:
    """B against A on the same images.

    `scores` are of the set, `classes` those of each class in order of index. `images` lists at
    most ten that lost most, the largest loss first, then at most ten that gained most.
    `mean_classes` are those of the means, `truth_groups` the number of groups whose truth holds
    each class. `pictures` are encoded image files of some of them, by key and panel. `notes`
    name what is missing, and why.
    """

    labels: LabelSpec
    a: Path
    b: Path
    scores: Mapping[str, ScoreChange]
    classes: tuple[Mapping[str, ScoreChange], ...]
    images: tuple[ImageChange, ...]
    num_images: int
    num_groups: int
    mean_classes: tuple[str, ...]
    truth_groups: tuple[int, ...]
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

    def __repr__(self) -> str:
        found = [f"better in {', '.join(self.better)}"] if self.better else []
        found += [f"worse in {', '.join(self.worse)}"] if self.worse else []
        change = format_points(self.scores["miou"].difference)
        judged = f"B is {' and '.join(found)}" if found else "no difference beyond chance"
        return f"Comparison(mIoU {change} points on {self.num_images} images; {judged})"

    def _repr_html_(self) -> str:
        rows = (
            (name, format_share(c.a), format_share(c.b), format_points(c.difference))
            for name, c in self._judge()
        )
        return html_table(repr(self), ("IoU", "A", "B", "difference"), rows)

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
                    {"name": entry.name, "color": list(entry.color), "groups": groups}
                    | {name: change.to_json() for name, change in changes.items()}
                    for entry, groups, changes in zip(
                        self.labels, self.truth_groups, self.classes, strict=True
                    )
                ],
                "mean_classes": list(self.mean_classes),
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
            "interval": f"of B - A: {METHOD}; a difference is on its own scale"
            if self.num_groups >= MIN_GROUPS
            else f"none: fewer than {MIN_GROUPS} groups",
            "level": LEVEL,
            "p": "paired permutation by group, two-sided, "
            + (f"all {2**self.num_groups} swaps" if exact else f"{PERMUTATIONS} drawn swaps"),
            "least_p": round(least_p(self.num_groups), 6),
            "p_corrected": "step-down max-|d| over the classes and their mean, the same swaps "
            "(Westfall and Young 1993), "
            + ("in points" if self.num_groups < STANDARDIZED_FROM else "in standard units"),
            "worse": f"mIoU or IoU of a class: B - A below 0 and p_corrected < {ALPHA}",
            "error_rate": "if A and B are equal, B is worse in at most 2.5 % of comparisons, "
            "worse or better in at most 5 %",
            "seed": SEED,
        }


def compare(a: Path | str, b: Path | str, *, group: str | None = None) -> Comparison:
    """Compare two report folders, written by `score` or `evaluate` on the same data.

    `group` is a regular expression whose match in a key is its group, instead of the groups of
    the reports.

    Raises:
        DataError: A file is missing or damaged, or the reports are not of the same images,
            groups, classes and truth.
        ConfigError: `group` is not a regular expression.
    """
    pair = read_report_pair(Path(a), Path(b), group=group)
    changes = measure_changes(pair)
    images = _images(pair)
    lost = [image.key for image in images if image.difference < 0]
    gained = [image.key for image in images if image.difference > 0]
    pictures, reason = draw_pictures(pair, [*lost[:_NUM_SHOWN], *gained[:_NUM_SHOWN]])
    names = pair.a.labels.names
    return Comparison(
        labels=pair.a.labels,
        a=pair.a.path,
        b=pair.b.path,
        scores=changes.overall,
        classes=tuple(
            {name: of_class[i] for name, of_class in changes.classes.items()}
            for i in range(len(names))
        ),
        images=images,
        num_images=len(pair.a.keys),
        num_groups=len(pair.group_names),
        mean_classes=tuple(n for n, c in zip(names, changes.is_mean_C, strict=True) if c),
        truth_groups=tuple(changes.groups_C.tolist()),
        notes=tuple(note for note in (*write_notes(pair, changes), reason) if note),
        pictures=pictures,
    )


def require_power(comparison: Comparison) -> None:
    """Require so many groups that p can fall below 0.05.

    Classes in too few groups can still not count as worse; the notes name them.

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
    before_N, after_N = image_mious(pair)
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
