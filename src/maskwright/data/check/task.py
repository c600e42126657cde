"""Remarks on the task itself: whether the labels ask for something else than class maps.

Each rule looks at the labels alone, and its thresholds are stated beside it. `MIN_MASKS` masks
or more are needed, so that a few odd images give no remark.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...core.progress import Progress, silent
from ...pages.text import format_share
from ..classes.kinds import BACKGROUND_NAMES
from ..dataset import Dataset, FolderDataset
from ..entries.annotation import Annotation
from ..shapes.drawing import Drawing
from ..shapes.raster import Crop
from ..shapes.regions import Regions, RegionTally
from .findings import Finding, Findings

TaskCode = Literal[
    "joined-things",
    "whole-image-classes",
    "box-labels",
    "thin-class",
    "many-classes",
]
"""Kinds of remarks on the task."""

MIN_MASKS = 8
JOINED_RATIO, MIN_SHAPES = 0.1, 20
"""Of at least 20 shapes of a class, this share merges with another of the class."""
WHOLE_RATIO = 0.9
"""This share of the masks shows one class alone, and the masks show two classes or more."""
BOX_RATIO, MIN_BOXES, SMALLEST_BOX_PX = 0.95, 20, 64
"""Of at least 20 regions of at least 64 px, this share fills its bounding box."""
THIN_RATIO = 0.95
"""This share of the pixels of a class is in lines one pixel wide."""
IMAGES_PER_CLASS, MIN_CLASSES = 2, 10
"""With 10 classes or more, fewer images for each class than this."""

MOST_MASKS = 512
"""Masks that `remark_on_task` reads, evenly spread; more than twice the most classes."""


@dataclass(slots=True)
class BoxTally:
    """Pixels of one class map by class index, its regions that are not small, and the boxes."""

    pixels: Counter[int] = field(default_factory=Counter)
    regions: Counter[int] = field(default_factory=Counter)
    boxes: Counter[int] = field(default_factory=Counter)

    def add(self, index: int, regions: Regions) -> None:
        """Take regions of a class."""
        is_large_R = regions.area_R >= SMALLEST_BOX_PX
        self.pixels[index] += int(regions.area_R.sum())
        self.regions[index] += int(is_large_R.sum())
        self.boxes[index] += int((is_large_R & regions.is_box_R).sum())


@dataclass(slots=True)
class TaskTally:
    """Counts over masks, fed one at a time: by class index, but shapes by class and mask."""

    num_masks: int = 0
    whole: Counter[int] = field(default_factory=Counter)
    masks: Counter[int] = field(default_factory=Counter)
    regions: Counter[int] = field(default_factory=Counter)
    boxes: Counter[int] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    thin_px: Counter[int] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    joined: Counter[str] = field(default_factory=Counter)

    def add(self, labels_HW: LabelMap, background: int | None) -> None:
        """Count one class map; the class of the background has no regions that count."""
        self.add_strips((labels_HW,), background)

    def add_strips(self, strips: Iterable[LabelMap], background: int | None) -> None:
        """Count one class map that comes in strips, as `add` does."""
        regions, boxes = RegionTally(), BoxTally()
        for labels_HW in strips:
            for index, ended in regions.add(labels_HW):
                boxes.add(index, ended)
        for index, last in regions.finish():
            boxes.add(index, last)
        self.add_regions(regions, boxes, background)

    def add_regions(
        self, regions: RegionTally, boxes: "BoxTally", background: int | None
    ) -> None:
        """Count one class map by its regions, all of which `boxes` has taken."""
        self.num_masks += 1
        present = [index for index in regions.classes if index != IGNORE]
        self.masks.update(present)
        if len(present) == 1:
            self.whole[present[0]] += 1
        thin_px = regions.thin_px
        for index in present:
            if index != background:
                self.regions[index] += boxes.regions[index]
                self.boxes[index] += boxes.boxes[index]
                self.pixels[index] += boxes.pixels[index]
                self.thin_px[index] += thin_px[index]

    def add_shapes(self, drawing: Drawing) -> None:
        """Count the shapes of one drawing, and those that merge with another of their label."""
        crops: dict[str, list[Crop]] = {}
        for shape, crop in zip(drawing.shapes, drawing.fill_shapes(), strict=True):
            if crop.area_px:
                crops.setdefault(shape.label, []).append(crop)
        for label, own in crops.items():
            union_HW = np.zeros(drawing.size_HW, np.uint8)
            for crop in own:
                _cut(union_HW, crop)[crop.inside_hw] = 1
            _, region_HW, _, _ = cv2.connectedComponentsWithStats(union_HW, connectivity=8)
            first = (int(_cut(region_HW, crop)[crop.inside_hw][0]) for crop in own)
            regions = Counter(first)
            self.shapes[label] += len(own)
            self.joined[label] += sum(count for count in regions.values() if count > 1)

    def list_remarks(self, spec: LabelSpec) -> Iterator[tuple[TaskCode, str, str]]:
        """Yield the code, the class or split it is on, and the measurement, of each remark."""
        if self.num_masks < MIN_MASKS:
            yield from self._list_many_classes(spec)
            return
        for label, count in self.shapes.items():
            joined = self.joined[label] / count
            if count >= MIN_SHAPES and joined >= JOINED_RATIO:
                yield "joined-things", label, f"{format_share(joined)} of {count:,} shapes"
        whole = sum(self.whole.values()) / self.num_masks
        if whole >= WHOLE_RATIO and len(self.whole) > 1:
            shown = f"{format_share(whole)} of {self.num_masks:,} masks"
            yield "whole-image-classes", ", ".join(spec.names[i] for i in self.whole), shown
        for index, count in self.regions.items():
            boxes = self.boxes[index] / max(1, count)
            if count >= MIN_BOXES and boxes >= BOX_RATIO and not self.whole[index]:
                shown = f"{format_share(boxes)} of {count:,} regions"
                yield "box-labels", spec.names[index], shown
        for index, count in self.pixels.items():
            thin = self.thin_px[index] / count
            if self.masks[index] >= MIN_MASKS and thin >= THIN_RATIO:
                yield "thin-class", spec.names[index], f"{format_share(thin)} of its pixels"
        yield from self._list_many_classes(spec)

    def _list_many_classes(self, spec: LabelSpec) -> Iterator[tuple[TaskCode, str, str]]:
        num = len(spec)
        if num >= MIN_CLASSES and 0 < self.num_masks < IMAGES_PER_CLASS * num:
            rare = sorted(range(num), key=lambda index: self.masks[index])[:3]
            shown = ", ".join(f"{spec.names[i]} in {self.masks[i]}" for i in rare)
            yield "many-classes", f"{num} classes, {self.num_masks} masks", shown


def _cut(values_HW: Any, crop: Crop) -> Any:
    """The view of an array that a crop covers."""
    height, width = crop.inside_hw.shape
    return values_HW[crop.top : crop.top + height, crop.left : crop.left + width]


def find_background_index(spec: LabelSpec) -> int | None:
    """The class that is called background or similar, None where none is."""
    return next((i for i, n in enumerate(spec.names) if n.lower() in BACKGROUND_NAMES), None)


def remark_on_task(dataset: Dataset, progress: Progress = silent) -> tuple[Finding, ...]:
    """The remarks on a dataset, from at most `MOST_MASKS` of its masks.

    Raises:
        DataError: A mask is unreadable.
    """
    tally, background = TaskTally(), find_background_index(dataset.spec)
    labelled = [index for index in range(len(dataset)) if dataset.has_labels(index)]
    sample = labelled[:: -(-len(labelled) // MOST_MASKS) or 1]
    for index in progress(sample, total=len(sample), what="looking at the task"):
        tally.add_strips(dataset.label_strips(index), background)
        for annotation in _list_annotations(dataset, index):
            tally.add_shapes(annotation.read())
    findings = Findings[TaskCode](Path(dataset.source))
    for code, subject, detail in tally.list_remarks(dataset.spec):
        findings.add(code, subject, detail)
    return findings.sort()


def _list_annotations(dataset: Dataset, index: int) -> list[Annotation]:
    """The labels of one image that are shapes."""
    if not isinstance(dataset, FolderDataset):
        return []
    return [m for m in dataset.entries[index].masks if isinstance(m, Annotation)]
