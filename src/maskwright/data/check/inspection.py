"""Inspect every image and mask of a folder once, one at a time.

Sixteen bytes of hashes, the size and the disputed share of each image are kept. The pixels of
masks are counted by class and split; with several annotators, those of the majority are.
"""

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.codec import LabelCodec
from ...core.errors import DataError, MissingDependencyError
from ...core.image import PixelData, ValidMap
from ...core.labels import IGNORE, LabelMap
from ...core.progress import Progress
from ...pages.text import format_count, format_small_share
from ..classes.survey import count_values
from ..entries.annotation import Annotation, Labels, read_labels
from ..entries.scan import Entry
from ..entries.sizes import describe_mismatch, list_misaligned
from ..entries.votes import ignore_invalid, majority_vote
from ..georef.patient import Plane
from ..opening.locate import DataFolder
from ..pixels.imagefile import ImageKind
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image, read_data
from ..pixels.rawmask import is_lossy, read_raw_as_stored
from ..shapes.drawing import Drawing
from .annotators import Annotators
from .defects import DefectCode, find_defects, measure_outside
from .duplicates import ImageHashes
from .findings import MAX_EXAMPLES, Findings
from .sheet import ContactSheet
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
_MIN_BORDERS = 16


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
        image_HWC, valid_HW = self._inspect_image(row, entry)
        size = tuple(self.sizes_N2[row].tolist())
        misaligned = self._inspect_place(entry)
        raw: dict[Labels, NDArray[np.integer]] = {}
        pixels: dict[int, int] | None = None
        for labels in entry.masks:
            raw_HW = self._read_labels(entry, labels)
            if raw_HW is not None:
                raw[labels] = raw_HW
                if any(size) and raw_HW.shape != size and labels not in misaligned:
                    self._add_mismatch(entry, labels, raw_HW.shape, size)
                pixels = self._inspect_values(entry, labels, raw_HW, valid_HW)
                self._inspect_defects(entry, labels, raw_HW, valid_HW)
        if self.annotators is not None and any(size):
            votes_AHW = ignore_invalid(self._collect_votes(entry, raw, size), valid_HW)
            self.annotators.add(row, votes_AHW)
            pixels = dict(zip(*count_values(majority_vote(votes_AHW)), strict=True))
        if pixels is not None:
            self._count(entry.split, pixels)
        if self.sheet is not None:
            found = self.findings.by_code.items()
            codes = [code for code, finding in found if finding.count > before.get(code, 0)]
            labels_HW = self._choose_labels(entry, raw, size)
            if labels_HW is not None:
                labels_HW = ignore_invalid(labels_HW, valid_HW)
            self.sheet.add(row, entry, image_HWC, labels_HW, codes, valid_HW)

    def _choose_labels(
        self, entry: Entry, raw: dict[Labels, NDArray[np.integer]], size: tuple[int, ...]
    ) -> LabelMap | None:
        """The labels to show: those of the majority, or of the only mask; None without any."""
        if self.annotators is not None and any(size):
            return majority_vote(self._collect_votes(entry, raw, size))
        for labels, raw_HW in raw.items():
            if self.codec is not None and raw_HW.shape == size:
                with suppress(DataError):  # reported as unlisted values
                    return self.codec.decode(raw_HW, where=str(labels))
        return None

    def _collect_votes(
        self, entry: Entry, raw: dict[Labels, NDArray[np.integer]], size: tuple[int, ...]
    ) -> NDArray[np.uint8]:
        """The votes of readable masks of the image's size; IGNORE for all other annotators."""
        votes_AHW = np.full((len(entry.votes), *size), IGNORE, np.uint8)
        for vote_HW, labels in zip(votes_AHW, entry.votes, strict=True):
            raw_HW = None if labels is None else raw.get(labels)
            if raw_HW is not None and raw_HW.shape == size and self.codec is not None:
                with suppress(DataError):  # reported as unlisted values
                    vote_HW[:] = self.codec.decode(raw_HW, where=str(labels))
        return votes_AHW

    def _inspect_image(self, row: int, entry: Entry) -> PixelData | tuple[None, None]:
        """The image; None and None, and a finding, where it cannot be read."""
        try:
            data = image_HWC, valid_HW = read_data(entry.image)
        except (DataError, MissingDependencyError) as error:
            self.findings.add("unreadable-image", entry.image, _strip_path(error, entry.image))
            return None, None
        if valid_HW is not None:
            share = format_small_share(1 - float(valid_HW.mean()))
            self.findings.add("no-data", entry.image, f"{share} of the pixels")
        self.hashes.add(row, image_HWC)
        self.sizes_N2[row] = image_HWC.shape[:2]
        kind = ImageKind(image_HWC.shape[2], str(image_HWC.dtype))
        self.num_of_kind[kind] += 1
        if len(self.kinds[kind]) < MAX_EXAMPLES:
            self.kinds[kind].append(entry.image)
        return data

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

    def _read_labels(self, entry: Entry, labels: Labels) -> NDArray[np.integer] | None:
        """Raw values; None, and a finding, where they cannot be read."""
        shown = _name_file(entry, labels)
        if isinstance(labels, ImageRef) and is_lossy(labels):
            self.findings.add("lossy-mask", labels)
        try:
            if isinstance(labels, Annotation) and self.codec is not None:
                drawing = labels.read()
                painted_HW = labels.paint(drawing, self.codec)
                self._inspect_drawing(shown, drawing)
                self.task.add_shapes(drawing)
                return painted_HW
            if self.codec is not None:
                return read_labels(labels, self.codec)
            mask = labels if isinstance(labels, ImageRef) else ImageRef(labels.file)
            return read_raw_as_stored(mask)[1]
        except DataError as error:
            self.findings.add("unreadable-mask", shown, str(error).removeprefix(f"{labels}: "))
            return None

    def _add_mismatch(
        self, entry: Entry, labels: Labels, mask: tuple[int, ...], image: tuple[int, ...]
    ) -> None:
        detail = describe_mismatch(entry, mask, image)
        detail = detail.replace(str(entry.image), self.findings.shorten(entry.image))
        self.findings.add("size-mismatch", _name_file(entry, labels), detail)

    def _inspect_values(
        self,
        entry: Entry,
        labels: Labels,
        raw_HW: NDArray[np.integer],
        valid_HW: ValidMap | None,
    ) -> dict[int, int]:
        """Pixels of each class index, and of IGNORE; unlisted values are in none.

        All pixels without data count as IGNORE.
        """
        path = _name_file(entry, labels)
        stored = isinstance(labels, ImageRef) and not is_lossy(labels)
        if stored and compute_blurred_ratio(raw_HW) > _BLURRED_RATIO:
            self.findings.add("antialiased-mask", path)
        if self.codec is None:
            return {}
        table = dict(self.codec.raw_to_index) | dict.fromkeys(self.codec.ignored, IGNORE)
        pixels: dict[int, int] = defaultdict(int)
        unlisted = []
        if valid_HW is not None and valid_HW.shape == raw_HW.shape:
            pixels[IGNORE] = int(np.count_nonzero(~valid_HW))
            raw_HW = raw_HW[valid_HW][None]  # (P,) -> (1, P)
        for value, number in zip(*count_values(raw_HW), strict=True) if raw_HW.size else ():
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

    def _inspect_defects(
        self,
        entry: Entry,
        labels: Labels,
        raw_HW: NDArray[np.integer],
        valid_HW: ValidMap | None,
    ) -> None:
        if self.codec is None:
            return
        path = _name_file(entry, labels)
        with suppress(DataError):  # reported as unlisted values
            decoded_HW = self.codec.decode(raw_HW, where=str(labels))
            labels_HW = ignore_invalid(decoded_HW, valid_HW)
            self.task.add(labels_HW, find_background_index(self.codec.spec))
            ignored = float(np.mean(labels_HW == IGNORE))
            if 0.5 < ignored < 1:
                self.findings.add("mostly-ignored", path, format_small_share(ignored))
            names = dict(enumerate(self.codec.spec.names)) | {IGNORE: "(ignored)"}
            for code, counts in find_defects(labels_HW).by_code():
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


def compute_blurred_ratio(raw_HW: NDArray[np.integer]) -> float:
    """Share of borders, in [0, 1], that pass through a value between those of their two sides.

    A blend of two packed colours lies between them too: its first channel that differs does.
    Across a hard border no pixel lies between; a smoothed one between raw values at least 2
    apart has one or more. So has a class that is one pixel wide between two others: the hard
    borders of its wide parts outnumber these.
    """
    through = hard = 0
    for lines in (raw_HW, raw_HW.T):
        wide = lines.astype(np.int32)
        before, middle, after = wide[:, :-2], wide[:, 1:-1], wide[:, 2:]
        far = np.abs(after - before) >= 2
        inside = (middle != before) & (middle != after)
        between = inside & ((before < middle) == (middle < after))
        through += int((far & between).sum())
        hard += int(((before != after) & ~inside).sum())
    total = (
        through + hard / 2
    )  # a hard border counts twice: once before and once after the middle pixel
    return through / total if total >= _MIN_BORDERS else 0.0


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
