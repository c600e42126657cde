"""The gallery of predictions: `gallery.html` and its thumbnails, written image by image.

    gallery.html                 filters and sorting, see `pages.browse`
    gallery/00012-truth.png      thumbnails of at most 320 px, five per image

At most `MAX_IMAGES` images, evenly spread over the set, have thumbnails and are on the page.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ..core.confusion import Confusion
from ..core.decision import Decision
from ..core.labels import LabelMap, LabelSpec
from ..core.sample import Sample
from ..core.scores import iou, mean_iou
from ..pages.browse import (
    BrowsedImage,
    BrowseOptions,
    read_script,
    read_style,
    render_browser,
    render_ramp,
)
from ..pages.display import Display
from ..pages.markup import render_legend
from ..pages.page import Section, render_page
from ..pages.pictures import encode_jpeg, heat_palette
from ..pages.text import format_count
from ..pages.volumes import (
    SliceView,
    VolumeView,
    describe_shown,
    read_volume_script,
    read_volume_style,
    render_volumes,
)
from .extremes import IGNORED_RGB, WRONG_RGB, ShownImage

PAGE, FOLDER = "gallery.html", "gallery"
MAX_IMAGES = 2000
THUMBNAIL_PX = 320
_ERROR, _WRONG, _UNSURE = "IoU error (%)", "wrong pixels (%)", "uncertainty (%)"
_TRUTH, _PREDICTED = "class in truth", "class predicted"
_SUFFIX = {"image": "jpg", "error": "jpg", "confidence": "jpg", "truth": "png"}


@dataclass(slots=True, kw_only=True)
class Gallery:
    """Writes thumbnails into `folder`; `total` is the number of images that will be added.

    `places` has the name of the volume and the index of each slice, by key, and `sizes` the
    number of slices of each volume.
    """

    folder: Path
    labels: LabelSpec
    total: int
    display: Display = field(default_factory=Display)
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    num_bytes: int = 0
    _images: list[BrowsedImage] = field(default_factory=list)
    _num_seen: int = 0

    def add(
        self, sample: Sample, truth_HW: LabelMap, decision: Decision, confusion: Confusion
    ) -> None:
        """Write the thumbnails of one image, if it is one of those that are shown."""
        index, self._num_seen = self._num_seen, self._num_seen + 1
        step = max(1.0, self.total / MAX_IMAGES)
        if int(index / step) == int((index - 1) / step) and index:
            return
        rgb_HW3 = self.display.draw(sample.image_HWC, sample.valid_HW)
        shown = ShownImage.from_maps(
            truth_HW, decision.labels_HW, rgb_HW3, longest_px=THUMBNAIL_PX
        )
        size_hw = shown.truth_hw.shape
        confidence_hw = cv2.resize(
            decision.confidence_HW, size_hw[::-1], interpolation=cv2.INTER_AREA
        )
        levels_hw = np.rint(np.asarray(confidence_hw) * 255).astype(np.uint8)
        panels = shown.panels(self.labels.palette)
        panels["confidence"] = encode_jpeg(heat_palette()[levels_hw])
        paths = {name: self._write(index, name, content) for name, content in panels.items()}
        ratio = size_hw[1] / size_hw[0]
        self._images.append(self._describe(sample.key, paths, ratio, decision, confusion))

    def _write(self, index: int, panel: str, content: bytes) -> str:
        path = f"{FOLDER}/{index:05d}-{panel}.{_SUFFIX.get(panel, 'png')}"
        (self.folder / FOLDER).mkdir(exist_ok=True)
        (self.folder / path).write_bytes(content)
        self.num_bytes += len(content)
        return path

    def _describe(
        self,
        key: str,
        panels: dict[str, str],
        ratio: float,
        decision: Decision,
        confusion: Confusion,
    ) -> BrowsedImage:
        counts_CC, names = confusion.counts_CC, self.labels.names
        total = int(counts_CC.sum())
        wrong = math.nan if not total else 100 * (1 - float(np.trace(counts_CC)) / total)
        iou_C = iou(confusion)
        return BrowsedImage(
            key=key,
            panels=panels,
            ratio=ratio,
            numbers={
                _ERROR: 100 * (1 - float(mean_iou(confusion))),
                _WRONG: wrong,
                _UNSURE: 100 * (1 - float(decision.confidence_HW.mean())),
            },
            tags={
                _TRUTH: [n for n, px in zip(names, counts_CC.sum(axis=1), strict=True) if px],
                _PREDICTED: [
                    n for n, px in zip(names, counts_CC.sum(axis=0), strict=True) if px
                ],
            },
            by_class={
                n: 100 * float(value) for n, value in zip(names, iou_C.tolist(), strict=True)
            },
        )

    def write(self, name: str) -> None:
        """Write the page; `name` is that of the data."""
        entries = [(c.color, f"{i} {c.name}") for i, c in enumerate(self.labels)]
        entries += [(WRONG_RGB, "wrong"), (IGNORED_RGB, "ignored")]
        options = BrowseOptions(
            sorts=(_ERROR, _WRONG, _UNSURE),
            filters=(_TRUTH, _PREDICTED),
            classes=self.labels.names,
            class_number="IoU of the chosen class (%)",
            largest_first=True,
        )
        body = render_legend(entries) + render_ramp("confidence 0", "1")
        browser = render_browser(self._images, options)
        views = self._list_volumes()
        sections = [Section("Predictions", self.display.describe(), body + browser)]
        if views:
            note = f"{describe_shown(views, len(self.sizes))} {self.display.describe()}"
            legend = render_legend([*entries[:-2], entries[-1]])  # nothing is marked as wrong
            sections.append(Section("Slice by slice", note, legend + render_volumes(views)))
        text = render_page(
            f"Gallery of {name}",
            self.describe(),
            sections,
            script=read_script() + read_volume_script(),
            style=read_style() + read_volume_style(),
        )
        (self.folder / PAGE).write_text(text, encoding="utf-8")

    def _list_volumes(self) -> list[VolumeView]:
        """The volumes of which slices are shown, by their thumbnails."""
        found: dict[str, list[tuple[int, BrowsedImage]]] = {}
        for image in self._images:
            if image.key in self.places:
                name, index = self.places[image.key]
                found.setdefault(name, []).append((index, image))
        return [
            VolumeView(
                name=name,
                num_slices=self.sizes[name],
                slices=[
                    SliceView(
                        index=index,
                        pictures={n: i.panels[n] for n in ("image", "truth", "prediction")},
                        note=f"{_WRONG} {i.numbers[_WRONG]:.1f}",
                    )
                    for index, i in slices
                ],
                ratio=slices[0][1].ratio,
            )
            for name, slices in found.items()
        ]

    def describe(self) -> str:
        """How many images are shown, and how large the thumbnails are."""
        size = f"{self.num_bytes / 1e6:.1f} MB of thumbnails"
        if len(self._images) == self._num_seen:
            return f"{format_count(self._num_seen, 'image')}, {size}"
        return f"{len(self._images):,} of {self._num_seen:,} images, evenly spread, {size}"
