"""Inspect every image and mask of a folder once, one at a time; large ones in strips of rows.

Sixteen bytes of hashes, the size and the disputed share of each image are kept. The pixels of
masks are counted by class and split; with several annotators, those of the majority are.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.codec import LabelCodec
from ...core.errors import DataError, MissingDependencyError
from ...core.image import ValidMap
from ...core.labels import IGNORE
from ...core.progress import Progress
from ...pages.text import format_count, format_small_share
from ..classes.survey import count_values
from ..entries.annotation import Annotation, Labels, read_label_strips
from ..entries.scan import Entry
from ..entries.sizes import describe_mismatch, list_misaligned
from ..entries.votes import majority_vote
from ..georef.patient import Plane
from ..opening.locate import DataFolder
from ..pixels.imagefile import ImageKind
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.rawmask import is_lossy, read_mask_strips
from ..pixels.strips import list_strips, needs_strips
from ..shapes.drawing import Drawing
from .annotators import Annotators
from .defects import DefectCode, measure_outside
from .duplicates import ImageHashes
from .findings import MAX_EXAMPLES, Findings
from .imagescan import ImageScan, scan_image
from .maskscan import MaskScan
from .sheet import THUMBNAIL_PX, ContactSheet, ShownLabels
from .task import TaskTally, find_background_index

InspectionCode = Literal[
    "unreadable-image",
    "no-data",
    "unreadable-mask",
    "size-mismatch",
    "misaligned",
    "unit-assumed",
    "two-orientations",
    "no-volume",
    "mixed-planes",
    "unlisted-values",
    "lossy-mask",
    "antialiased-mask",
    "empty-mask",
    "one-class-mask",
    "mostly-ignored",
    "outside-image",
    "no-region",
]
"""Kinds of findings on single images and masks."""

_OF_ASSUMPTION: dict[str, InspectionCode] = {
    "unit": "unit-assumed",
    "orientation": "two-orientations",
    "frames": "no-volume",
}
_BLURRED_RATIO = 0.25


@dataclass(slots=True)
class Counts:
    """Pixels and images of each class in one split, and ignored pixels."""

    pixels_C: NDArray[np.int64]
    images_C: NDArray[np.int64]
    ignored: int = 0


@dataclass(slots=True)
class Inspection:
    """Inspects entries; `codec` is None where mask values could not be understood.

    `annotators` is None where there are fewer than two, or no codec. `sheet` gets every image
    with its labels where a page is written.
    """

    codec: LabelCodec | None
    findings: Findings[InspectionCode | DefectCode]
    hashes: ImageHashes
    sizes_N2: NDArray[np.int32]
    annotators: Annotators | None = None
    task: TaskTally = field(default_factory=TaskTally)
    sheet: ContactSheet | None = None
    counts: dict[str, Counts] = field(default_factory=dict)
    kinds: dict[ImageKind, list[ImageRef]] = field(default_factory=lambda: defaultdict(list))
    num_of_kind: Counter[ImageKind] = field(default_factory=Counter)
    planes: dict[Plane, list[ImageRef]] = field(default_factory=lambda: defaultdict(list))
    """By plane, the first slice of each volume."""

    def inspect(self, row: int, entry: Entry) -> None:
        """Read one image and its masks, and add findings on them."""
        before = {code: finding.count for code, finding in self.findings.by_code.items()}
        image = self._inspect_image(row, entry)
        misaligned = self._inspect_place(entry)
        maps: dict[Labels, MaskScan] = {}
        pixels: dict[int, int] | None = None
        for labels in entry.masks:
            mask = self._scan_mask(entry, labels, image)
            if mask is None:
                continue
            if image is not None and mask.size_HW == image.size_HW:
                maps[labels] = mask
            elif image is not None and labels not in misaligned:
                self._add_mismatch(entry, labels, mask.size_HW, image.size_HW)
            pixels = self._inspect_values(entry, labels, mask)
            self._inspect_defects(entry, labels, mask)
        votes_AHW = None
        if self.annotators is not None and image is not None:
            votes_AHW = _collect_votes(entry, maps, image.size_HW)
            self.annotators.add(row, votes_AHW)
            pixels = dict(zip(*count_values(majority_vote(votes_AHW)), strict=True))
        if pixels is not None:
            self._count(entry.split, pixels)
        if self.sheet is not None:
            found = self.findings.by_code.items()
            codes = [code for code, finding in found if finding.count > before.get(code, 0)]
            self.sheet.add(row, entry, image, _choose_labels(maps, votes_AHW), codes)

    def _inspect_image(self, row: int, entry: Entry) -> ImageScan | None:
        """The image; None, and a finding, where it cannot be read."""
        try:
            image = scan_image(entry.image, THUMBNAIL_PX)
        except (DataError, MissingDependencyError) as error:
            self.findings.add("unreadable-image", entry.image, _strip_path(error, entry.image))
            return None
        if image.num_invalid is not None:
            num_px = math.prod(image.size_HW)
            share = format_small_share(1 - (num_px - image.num_invalid) / num_px)
            self.findings.add("no-data", entry.image, f"{share} of the pixels")
        self.hashes.add(row, image)
        self.sizes_N2[row] = image.size_HW
        self.num_of_kind[image.kind] += 1
        if len(self.kinds[image.kind]) < MAX_EXAMPLES:
            self.kinds[image.kind].append(entry.image)
        return image

    def _inspect_place(self, entry: Entry) -> set[Labels]:
        """Masks that do not lie where the image lies, as findings; the plane of a volume."""
        first = not entry.image.page  # of the slices of a volume, one stands for all
        try:
            found = dict(list_misaligned(entry))
            frame = open_image(entry.image).patient_frame if first else None
            masks = [m for m in entry.masks if isinstance(m, ImageRef)]
            for ref in (entry.image, *masks) if first else ():
                self._add_assumptions(ref)
        except (DataError, MissingDependencyError):  # the image or the mask cannot be read
            return set()
        if frame is not None:
            self.planes[frame.plane].append(entry.image)
        for mask, difference in found.items():
            if first:
                image = self.findings.shorten(entry.image)
                self.findings.add("misaligned", mask, f"beside {image} it {difference}")
        return set(found)

    def _add_assumptions(self, image: ImageRef) -> None:
        """Add a finding on what is assumed of a volume."""
        for on, text in open_image(image).assumptions:
            self.findings.add(_OF_ASSUMPTION[on], image.file, text)

    def report_planes(self) -> None:
        """Add a finding on each volume that is cut in another plane than most."""
        planes = sorted(self.planes.items(), key=lambda item: -len(item[1]))
        for plane, volumes in planes[1:]:
            for volume in volumes:
                detail = f"{plane} slices, most have {planes[0][0]} ones"
                self.findings.add("mixed-planes", volume.shown_file, detail)

    def _scan_mask(
        self, entry: Entry, labels: Labels, image: ImageScan | None
    ) -> MaskScan | None:
        """The measures of a mask; None, and a finding, where it cannot be read."""
        is_exact_file = False
        if isinstance(labels, ImageRef):
            is_exact_file = not is_lossy(labels)
            if not is_exact_file:
                self.findings.add("lossy-mask", labels)
        try:
            size_HW, strips = self._read_labels(entry, labels)
            mask = MaskScan(
                codec=self.codec,
                where=str(labels),
                size_HW=size_HW,
                finds_blur=is_exact_file,
                side_px=None if self.annotators is not None else THUMBNAIL_PX,
            )
            valid_strips: Iterable[ValidMap | None] = repeat(None)
            if image is not None and image.size_HW == size_HW:
                valid_strips = image.read_valid_strips()
            for raw_HW, valid_HW in zip(strips, valid_strips, strict=False):
                mask.add(raw_HW, valid_HW)
        except DataError as error:
            shown = _name_file(entry, labels)
            self.findings.add("unreadable-mask", shown, str(error).removeprefix(f"{labels}: "))
            return None
        return mask

    def _read_labels(
        self, entry: Entry, labels: Labels
    ) -> tuple[tuple[int, int], Iterator[NDArray[np.integer]]]:
        """The size of a mask, and its raw values in strips."""
        if self.codec is None:
            mask = labels if isinstance(labels, ImageRef) else ImageRef(labels.file)
            return _measure(mask, (stored.raw_HW for stored in read_mask_strips(mask)))
        if isinstance(labels, ImageRef):
            return _measure(labels, read_label_strips(labels, self.codec))
        drawing = labels.read()
        painted_HW = labels.paint(drawing, self.codec)
        self._inspect_drawing(_name_file(entry, labels), drawing)
        self.task.add_shapes(drawing)
        return painted_HW.shape, (painted_HW[rows] for rows in list_strips(painted_HW.shape))

    def _add_mismatch(
        self, entry: Entry, labels: Labels, mask: tuple[int, ...], image: tuple[int, ...]
    ) -> None:
        detail = describe_mismatch(entry, mask, image)
        detail = detail.replace(str(entry.image), self.findings.shorten(entry.image))
        self.findings.add("size-mismatch", _name_file(entry, labels), detail)

    def _inspect_values(self, entry: Entry, labels: Labels, mask: MaskScan) -> dict[int, int]:
        """Pixels of each class index, and of IGNORE; unlisted values are in none.

        All pixels without data count as IGNORE.
        """
        path = _name_file(entry, labels)
        if mask.blur.ratio > _BLURRED_RATIO:
            self.findings.add("antialiased-mask", path)
        if self.codec is None:
            return {}
        table = dict(self.codec.raw_to_index) | dict.fromkeys(self.codec.ignored, IGNORE)
        pixels: dict[int, int] = defaultdict(int)
        unlisted = []
        if mask.num_invalid is not None:
            pixels[IGNORE] = mask.num_invalid
        for value, number in sorted(mask.values.items()):
            if value in table:
                pixels[table[value]] += number
            else:
                unlisted.append(f"{self.codec.format_raw(value)} ({number} px)")
        if unlisted:
            more = f" and {len(unlisted) - 8} more values" if len(unlisted) > 8 else ""
            self.findings.add("unlisted-values", path, ", ".join(unlisted[:8]) + more)
        classes = pixels.keys() - {IGNORE}
        if not classes and not unlisted:
            self.findings.add("empty-mask", path)
        elif len(classes) == 1:
            self.findings.add("one-class-mask", path, self.codec.spec.names[max(classes)])
        return pixels

    def _inspect_drawing(self, path: ImageRef | Path, drawing: Drawing) -> None:
        number, reach_px = measure_outside(drawing)
        if number:
            counted = format_count(number, "shape")
            self.findings.add("outside-image", path, f"{counted}, up to {reach_px:.4g} px")
        skipped = ", ".join(f"{n} {what}" for what, n in drawing.skipped.items() if n)
        if skipped:
            self.findings.add("no-region", path, skipped)

    def _inspect_defects(self, entry: Entry, labels: Labels, mask: MaskScan) -> None:
        defects = mask.finish()
        if defects is None or self.codec is None:
            return
        path = _name_file(entry, labels)
        background = find_background_index(self.codec.spec)
        self.task.add_regions(mask.regions, mask.boxes, background)
        if 0.5 < mask.ignored_ratio < 1:
            self.findings.add("mostly-ignored", path, format_small_share(mask.ignored_ratio))
        names = dict(enumerate(self.codec.spec.names)) | {IGNORE: "(ignored)"}
        for code, counts in defects.by_code():
            listed = [f"{names[i]} {number}" for i, number in counts.most_common(4)]
            self.findings.add(code, path, ", ".join(listed))

    def _count(self, split: str, pixels: dict[int, int]) -> None:
        if self.codec is None:
            return
        pixels_C = np.zeros(len(self.codec.spec), np.int64)
        for index, number in pixels.items():
            if index != IGNORE:
                pixels_C[index] = number
        counts = self.counts.setdefault(
            split, Counts(np.zeros_like(pixels_C), np.zeros_like(pixels_C))
        )
        counts.pixels_C += pixels_C
        counts.images_C += pixels_C > 0
        counts.ignored += pixels.get(IGNORE, 0)


def _measure(
    mask: ImageRef, strips: Iterator[NDArray[np.integer]]
) -> tuple[tuple[int, int], Iterator[NDArray[np.integer]]]:
    """The size of a mask file, with its strips, of which the first is read."""
    first_HW = next(strips)
    file = open_image(mask)
    size_HW = file.size_HW if needs_strips(file) else first_HW.shape
    return size_HW, chain([first_HW], strips)


def _collect_votes(
    entry: Entry, maps: Mapping[Labels, MaskScan], size_HW: tuple[int, int]
) -> NDArray[np.uint8]:
    """The votes of readable masks of the image's size; IGNORE for all other annotators."""
    votes_AHW = np.full((len(entry.votes), *size_HW), IGNORE, np.uint8)
    for vote_HW, labels in zip(votes_AHW, entry.votes, strict=True):
        mask = None if labels is None else maps.get(labels)
        if mask is not None and mask.is_listed:
            vote_HW[:] = mask.labels_hw
    return votes_AHW


def _choose_labels(
    maps: Mapping[Labels, MaskScan], votes_AHW: NDArray[np.uint8] | None
) -> ShownLabels | None:
    """The labels to show: those of the majority, or of the only mask; None without any."""
    if votes_AHW is not None:
        return ShownLabels.from_map(majority_vote(votes_AHW))
    listed = (mask for mask in maps.values() if mask.codec is not None and mask.is_listed)
    mask = next(listed, None)
    return None if mask is None else ShownLabels(mask.labels_hw, mask.boxes.pixels)


def _name_file(entry: Entry, labels: Labels) -> ImageRef | Path:
    """The file to show: the image, where one file holds the labels of many images."""
    if isinstance(labels, Annotation):
        return entry.image if labels.place else labels.file
    return labels


def _strip_path(error: Exception, image: ImageRef) -> str:
    return str(error).removeprefix(f"{image}: ")


def inspect_entries(
    data: DataFolder,
    entries: tuple[Entry, ...],
    codec: LabelCodec | None,
    findings: Findings[str],
    sheet: ContactSheet | None,
    progress: Progress,
) -> Inspection:
    """Inspect every image and its masks, and with several annotators their agreement."""
    sizes_N2 = np.zeros((len(entries), 2), np.int32)
    hashes = ImageHashes.empty(len(entries))
    inspection = Inspection(codec, findings, hashes, sizes_N2, sheet=sheet)
    names = data.document.annotators or ()
    if codec is not None and len(names) > 1:
        inspection.annotators = Annotators(
            names=names, classes=codec.spec.names, disputed_N=np.zeros(len(entries))
        )
    for row, entry in progress(
        enumerate(entries), total=len(entries), what="checking images and masks"
    ):
        inspection.inspect(row, entry)
    inspection.report_planes()
    if inspection.annotators is not None:
        inspection.annotators.report(entries, findings)
    return inspection


def summarize_sizes(sizes_N2: NDArray[np.int32]) -> tuple[tuple[int, int], ...] | None:
    """The smallest, the median and the largest image by area; None where none was read.

    Of images of equal area, the higher ones are larger: all three are equal where all are.
    """
    read_N2 = sizes_N2[sizes_N2.any(axis=1)]
    if not len(read_N2):
        return None
    order = np.lexsort((read_N2[:, 0], read_N2.astype(np.int64).prod(axis=1)))
    rows = read_N2[order[[0, len(order) // 2, -1]]].tolist()
    return tuple((height, width) for height, width in rows)
