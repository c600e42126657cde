"""The contact sheet of a dataset: `check.html` with the images, their labels and the findings.

    check.html          classes and sizes as bars, then the images with filters and sorting
    check.json          the audit as JSON
    images/00012.jpg    an image of at most 320 px with its labels over it

Shown are at most `MAX_IMAGES` images, evenly spread, and as many more with findings. Pictures
are written while images are checked; of each only a few words stay in memory.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...pages.browse import (
    BrowsedImage,
    BrowseOptions,
    read_script,
    read_style,
    render_browser,
)
from ...pages.display import Display
from ...pages.histogram import render_intensities
from ...pages.markup import (
    render_class,
    render_code,
    render_legend,
    render_number,
    render_table,
)
from ...pages.page import Section, render_page
from ...pages.pictures import draw_overlay, encode_jpeg
from ...pages.text import format_count, format_number, format_share, format_size
from ...pages.volumes import (
    SliceView,
    VolumeView,
    describe_shown,
    read_volume_script,
    read_volume_style,
    render_volumes,
)
from ..entries.scan import Entry, name_volume
from ..pixels.reduce import shrink
from .document import AuditDocument
from .imagescan import ImageScan
from .values import ShownValues

PAGE, DOCUMENT, FOLDER = "check.html", "check.json", "images"
MAX_IMAGES = 1000
THUMBNAIL_PX = 320
_MOST_SIZES, _NUM_BINS = 12, 8
"""Sizes that have a bar each, and bins in place of more."""

_AREA, _IGNORED, _NUM_CLASSES = "megapixels", "ignored pixels (%)", "number of classes"
_SPLIT, _FINDING = "split", "finding"
_OF_SOME = (
    "Of at most 32 images, or windows of large ones, evenly spread; each row of bars has its "
    "own height."
)


@dataclass(frozen=True, slots=True, eq=False)
class ShownLabels:
    """The labels of one image, or some pixels of a large one, and its pixels by class index."""

    labels_hw: LabelMap
    pixels: Counter[int]

    @classmethod
    def from_map(cls, labels_HW: LabelMap) -> Self:
        """Show a class map, and count it."""
        counts = np.bincount(labels_HW.ravel()).tolist()
        return cls(labels_HW, Counter(dict(enumerate(counts))))


@dataclass(slots=True, kw_only=True)
class ContactSheet:
    """Collects the images of a check; `folder` is where the pictures go."""

    folder: Path
    _num_images: int = 0
    _spec: LabelSpec | None = None
    _values: ShownValues = field(default_factory=lambda: ShownValues(display=Display()))
    _pages: Counter[str] = field(default_factory=Counter)
    """Slices of each volume, shown or not."""
    _volumes: dict[str, list[tuple[int, BrowsedImage]]] = field(default_factory=dict)
    _images: list[BrowsedImage] = field(default_factory=list)
    _sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    _num_with_findings: int = 0

    def begin(self, num_images: int, spec: LabelSpec | None, values: ShownValues) -> None:
        """State how many images will be added, their classes, where known, and their values."""
        self._num_images, self._spec, self._values = num_images, spec, values

    def add(
        self,
        row: int,
        entry: Entry,
        image: ImageScan | None,
        labels: ShownLabels | None,
        codes: Iterable[str],
    ) -> None:
        """Add the image in row `row` with the codes of the findings on it.

        An image or labels that cannot be read are None.
        """
        found = sorted(codes)
        if entry.image.page is not None:
            self._pages[name_volume(entry.key, entry.group)] += 1
        if image is not None:
            self._sizes[image.size_HW] += 1
        extra = bool(found) and self._num_with_findings < MAX_IMAGES
        self._num_with_findings += bool(found)
        if not (extra or _is_sampled(row, self._num_images)):
            return
        panels = {}
        if image is not None:
            path = f"{FOLDER}/{row:05d}.jpg"
            (self.folder / FOLDER).mkdir(exist_ok=True)
            (self.folder / path).write_bytes(self._draw(image, labels))
            panels = {"labels over the image": path}
        self._images.append(self._describe(entry, image, labels, found, panels))
        if entry.image.page is not None and panels:
            name = name_volume(entry.key, entry.group)
            self._volumes.setdefault(name, []).append((entry.image.page, self._images[-1]))

    def _draw(self, image: ImageScan, labels: ShownLabels | None) -> bytes:
        height, width = shrink(image.size_HW, THUMBNAIL_PX)
        small_hw3: Any = cv2.resize(
            self._values.display.draw(*image.shown),
            (width, height),
            interpolation=cv2.INTER_AREA,
        )
        if labels is None or self._spec is None:
            return encode_jpeg(small_hw3)
        labels_hw = cv2.resize(
            labels.labels_hw, (width, height), interpolation=cv2.INTER_NEAREST
        )
        return encode_jpeg(draw_overlay(small_hw3, np.asarray(labels_hw), self._spec.palette))

    def _describe(
        self,
        entry: Entry,
        image: ImageScan | None,
        labels: ShownLabels | None,
        codes: list[str],
        panels: Mapping[str, str],
    ) -> BrowsedImage:
        numbers, shares, ratio = {}, {}, 1.0
        if image is not None:
            height, width = image.size_HW
            ratio = width / height
            numbers[_AREA] = height * width / 1e6
        if labels is not None and self._spec is not None:
            num_px = labels.pixels.total()
            shares = {
                name: 100 * labels.pixels[index] / num_px
                for index, name in enumerate(self._spec.names)
                if labels.pixels[index]
            }
            numbers[_IGNORED] = 100 * labels.pixels[IGNORE] / num_px
            numbers[_NUM_CLASSES] = len(shares)
        return BrowsedImage(
            key=entry.key,
            panels=panels,
            numbers=numbers,
            tags={_SPLIT: [entry.split] if entry.split else [], _FINDING: codes},
            by_class=shares,
            ratio=ratio,
        )

    def write(self, audit: AuditDocument) -> None:
        """Write the page and the document of an audit."""
        document = json.dumps(audit, indent=1, allow_nan=False) + "\n"
        (self.folder / DOCUMENT).write_text(document, encoding="utf-8")
        text = render_page(
            f"Check of {Path(audit['dataset']).name}",
            self._subtitle(audit),
            self._sections(audit),
            script=read_script() + read_volume_script(),
            style=read_style() + read_volume_style(),
        )
        (self.folder / PAGE).write_text(text, encoding="utf-8")

    def _subtitle(self, audit: AuditDocument) -> str:
        splits = ", ".join(f"{name or 'no split'} {n:,}" for name, n in audit["splits"].items())
        verdict = "findings harm training" if audit["harmful"] else "nothing harms training"
        return f"{format_count(audit['images'], 'image')} ({splits}): {verdict}"

    def _sections(self, audit: AuditDocument) -> Iterable[Section]:
        yield Section("Findings", "", _render_findings(audit))
        yield Section("Classes", "Share of the labelled pixels.", _render_classes(audit))
        yield Section("Sizes", _describe_sizes(self._sizes), _render_sizes(self._sizes))
        if self._values.intensities is not None:
            colors = {} if self._spec is None else {c.name: c.color for c in self._spec}
            body = render_intensities(self._values.intensities, colors)
            yield Section("Intensities", _OF_SOME, body)
        options = BrowseOptions(
            sorts=(_AREA, _IGNORED, _NUM_CLASSES),
            filters=(_SPLIT, _FINDING),
            classes=() if self._spec is None else self._spec.names,
            class_number="share of the chosen class (%)",
            told=(_FINDING,),
        )
        legend = ""
        if self._spec is not None:
            legend = render_legend((c.color, c.name) for c in self._spec)
        views = self._list_volumes()
        if views:
            yield Section(
                "Slice by slice",
                f"{describe_shown(views, len(self._pages))} {self._values.display.describe()}",
                legend + render_volumes(views),
            )
        note = ""
        if len(self._images) < self._num_images:
            note = (
                f"{len(self._images):,} of {self._num_images:,} images: at most "
                f"{MAX_IMAGES:,}, evenly spread, and up to {MAX_IMAGES:,} with findings."
            )
        note = f"{note} {self._values.display.describe()}".strip()
        yield Section("Images", note, legend + render_browser(self._images, options))

    def _list_volumes(self) -> list[VolumeView]:
        """The volumes of which more than one slice is shown."""
        volumes = ((name, own) for name, own in self._volumes.items() if len(own) > 1)
        return [_view(name, slices, self._pages[name]) for name, slices in volumes]


def _view(name: str, slices: list[tuple[int, BrowsedImage]], num_slices: int) -> VolumeView:
    return VolumeView(
        name=name,
        num_slices=num_slices,
        slices=[
            SliceView(
                index=page,
                pictures=image.panels,
                note=", ".join(
                    f"{label} {share:.1f} %" for label, share in image.by_class.items()
                ),
            )
            for page, image in slices
        ],
        ratio=slices[0][1].ratio,
    )


def _is_sampled(row: int, num_images: int) -> bool:
    """Whether a row is one of at most `MAX_IMAGES`, evenly spread."""
    step = max(1.0, num_images / MAX_IMAGES)
    return row == 0 or int(row / step) > int((row - 1) / step)


def _render_findings(audit: AuditDocument) -> str:
    rows = []
    for document in audit["findings"]:
        files = document["files"][:3]
        listed = [
            render_code(f["file"]) + (f": {escape(f['detail'])}" if f["detail"] else "")
            for f in files
        ]
        more = document["count"] - len(files)
        listed += [f"and {more:,} more"] if more > 0 else []
        severity, message, fix = (
            escape(document[name]) for name in ("severity", "message", "fix")
        )
        rows.append((severity, message, "<br>".join(listed), fix))
    if not rows:
        return "<p>None.</p>"
    heads = ("Severity", "Finding", "Files", "Fix")
    return render_table("Findings", heads, rows, wrapped=(1, 2, 3))


def _render_classes(audit: AuditDocument) -> str:
    rows = [
        (
            render_class(entry["color"], entry["name"]),
            _render_bar(entry["share"]) + render_number(format_share(entry["share"], 2)),
            format_number(entry["images"]),
        )
        for entry in audit["classes"]
    ]
    return render_table("Classes", ("Class", "Share", "Images"), rows, words=(0, 1))


def _render_sizes(sizes: Counter[tuple[int, int]]) -> str:
    total = max(1, sizes.total())
    rows = [(name, _render_bar(n / total) + format_number(n)) for name, n in bin_sizes(sizes)]
    head = "Size" if len(sizes) <= _MOST_SIZES else "Megapixels"
    return render_table("Sizes", (head, "Images"), rows, words=(0, 1))


def bin_sizes(sizes: Counter[tuple[int, int]]) -> list[tuple[str, int]]:
    """Images by size; where there are many sizes, by megapixels.

    Bins of megapixels have equal ratios, from the least to the largest.
    """
    if len(sizes) <= _MOST_SIZES:
        return [(format_size(size), n) for size, n in sorted(sizes.items())]
    areas = np.array([height * width / 1e6 for height, width in sizes])
    edges = np.geomspace(areas.min(), areas.max(), _NUM_BINS + 1)
    if edges[0] == edges[-1]:
        return [(f"{edges[0]:.3g}", sizes.total())]
    rows = np.clip(np.searchsorted(edges, areas, side="right") - 1, 0, _NUM_BINS - 1)
    counts = np.bincount(rows, weights=list(sizes.values()), minlength=_NUM_BINS)
    spans = zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    return [(f"{low:.3g} to {high:.3g}", int(count)) for low, high, count in spans]


def _describe_sizes(sizes: Counter[tuple[int, int]]) -> str:
    """The note above the bars."""
    if len(sizes) <= _MOST_SIZES:
        return "Height x width of the images."
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    ends = f"from {format_size(ordered[0])} to {format_size(ordered[-1])}"
    return f"{len(sizes):,} sizes (height x width), {ends}, by megapixels."


def _render_bar(share: float) -> str:
    return f'<span class="share"><i style="width:{100 * share:.1f}%"></i></span>'
