"""The images that `tune-refine` works on: whole groups in two halves, with their decisions.

Refiners and values are chosen on one half and must show their gain on the other: what is chosen
among many always looks good on the images of the choice.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.decision import Decision
from ...core.errors import DataError
from ...core.labels import IGNORE, LabelMap
from ...core.progress import Progress
from ...core.report import MIN_GROUPS
from ...data.dataset import Dataset
from ...inference.predictor import Predictor
from ...inference.refiner import SourceImage


@dataclass(frozen=True, slots=True, eq=False)
class TunedImage:
    """One image with its truth, its group, and the decision of the network alone."""

    key: str
    group: str
    truth_HW: LabelMap
    decision: Decision
    source: SourceImage

    def changes(self, before: LabelMap, after: LabelMap) -> NDArray[np.uint8]:
        """Truth, class before and class after of each labelled pixel that changed, (3, N)."""
        changed_HW = (before != after) & (self.truth_HW != IGNORE)
        return np.stack([self.truth_HW[changed_HW], before[changed_HW], after[changed_HW]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Some images of a split; each pass over them runs the network again."""

    model: Predictor
    dataset: Dataset
    indices: Sequence[int]
    group_of: Mapping[str, str]
    progress: Progress

    @property
    def num_groups(self) -> int:
        """The number of groups."""
        return len({self.group_of[self.dataset.keys[index]] for index in self.indices})

    def images(self, what: str) -> Iterator[TunedImage]:
        """Predict the images, one in memory at a time.

        Raises:
            DataError: Labels and image differ in size.
        """
        for index in self.progress(self.indices, total=len(self.indices), what=what):
            key, where = self.dataset.keys[index], self.dataset.describe(index)
            image_HWC, valid_HW = self.dataset.data(index)
            truth_HW = self.dataset.labels(index)
            if truth_HW.shape != image_HWC.shape[:2]:
                raise DataError(
                    f"{where}: labels and image differ in size; run `maskwright check`"
                )
            file = self.dataset.image_file(index)
            logits = self.model.logits(image_HWC, valid_HW, where=where)
            decision = self.model.decide(logits, image_HWC, valid_HW, where=where)
            spacing = None if file is None else file.spacing_mm_HW
            shown_HWC = self.model.card.input.select_slice(image_HWC)
            source = SourceImage(shown_HWC, spacing, where)
            yield TunedImage(key, self.group_of[key], truth_HW, decision, source)


def split_in_halves(
    model: Predictor, dataset: Dataset, groups: Sequence[str], progress: Progress
) -> tuple[Half, Half]:
    """The half to choose on and the half to show the gain on.

    Every second group by the hash of its name, so that the halves do not depend on the order.

    Raises:
        DataError: Fewer groups than an interval on each half needs.
    """
    names = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(names) < 2 * MIN_GROUPS:
        raise DataError(
            f"{dataset.source}: {len(names)} groups of images, expected at least "
            f"{2 * MIN_GROUPS}: fewer cannot show that a refiner helps; add images to the split"
        )
    group_of = dict(zip(dataset.keys, groups, strict=True))
    first = set(names[::2])
    bare = replace(model, refine=None, card=replace(model.card, refine=None, decide=None))
    choose, confirm = (
        Half(
            model=bare,
            dataset=dataset,
            indices=[i for i, group in enumerate(groups) if (group in first) == is_first],
            group_of=group_of,
            progress=progress,
        )
        for is_first in (True, False)
    )
    return choose, confirm
