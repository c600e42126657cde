"""Pictures of a run: its first training samples, and the same validation images over time.

    previews/  sample-0-image.jpg  sample-0-labels.png
               val-0-image.jpg  val-0-truth.png  val-0-first.png  val-0-latest.png
               previews.json: keys and mIoU of the images

The first predictions stay, also in a resumed run; the latest are replaced.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from maskwright.core.atomic import explain_write_errors, write_json
from maskwright.core.confusion import Confusion
from maskwright.core.inputspec import InputSpec
from maskwright.core.jsonfile import read_json
from maskwright.core.labels import LabelMap, LabelSpec
from maskwright.core.sample import Sample
from maskwright.core.scores import mean_iou
from maskwright.core.versioned import Schema
from maskwright.evaluation.drawing.gallery import Shot
from maskwright.evaluation.extremes import compute_shown_size, panel_colors, resize_labels
from maskwright.pages.display import Display, choose_channels
from maskwright.pages.markup import render_number
from maskwright.pages.pictures import encode_indexed_png, encode_jpeg
from maskwright.pages.text import format_share

FOLDER, DOCUMENT = "previews", "previews.json"
SCHEMA = Schema(kind=DOCUMENT, version=1)
NUM_IMAGES, NUM_SAMPLES = 5, 6
LONGEST_PX = 480
VAL_PANELS, SAMPLE_PANELS = ("image", "truth", "first", "latest"), ("image", "labels")


def choose_images(num_val: int, num_processes: int) -> frozenset[int]:
    """Indices of the images that are shown: evenly spread over those of the first process."""
    own = range(0, num_val, num_processes)
    spread = np.linspace(0, len(own) - 1, min(NUM_IMAGES, len(own))).round()
    return frozenset(own[int(at)] for at in spread)


@dataclass(slots=True)
class Previews:
    """The pictures of one run, which its main process writes.

    `images` has what previews.json says of each shown validation image by its index, `samples`
    the keys of the training samples.
    """

    folder: Path
    labels: LabelSpec
    spec: InputSpec
    samples: list[str] = field(default_factory=list)
    images: dict[int, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def open(cls, run: Path, labels: LabelSpec, spec: InputSpec) -> "Previews":
        """Those of a run, which has some if it is resumed."""
        previews, path = cls(run / FOLDER, labels, spec), run / FOLDER / DOCUMENT
        if path.is_file():
            document = SCHEMA.read(read_json(path), where=str(path))
            previews.samples = list(document["samples"])
            previews.images = {int(i): dict(item) for i, item in document["images"].items()}
        return previews

    def add_samples(
        self,
        images_BHWC: NDArray[Any],
        labels_BHW: NDArray[np.uint8],
        keys: Sequence[str],
        *,
        in_range: bool,
    ) -> None:
        """Keep the first samples of a batch, unless the run has some.

        Images have the values of their source, or with `in_range` False network input.
        """
        if self.samples:
            return
        display = self._choose_display(in_range=in_range)
        for index, key in enumerate(keys[:NUM_SAMPLES]):
            shown_HWC = self.spec.select_slice(images_BHWC[index])
            size_hw = compute_shown_size(shown_HWC.shape[:2], LONGEST_PX)
            labels_hw = resize_labels(labels_BHW[index], size_hw)
            self._write(f"sample-{index}-image.jpg", _shrink(display.draw(shown_HWC), size_hw))
            self._write(f"sample-{index}-labels.png", labels_hw)
            self.samples.append(key)

    def add_prediction(
        self, index: int, sample: Sample, predicted_HW: LabelMap, step: int
    ) -> None:
        """Show what is predicted for validation image `index` after `step`."""
        if sample.labels_HW is None:
            return
        size_hw = compute_shown_size(predicted_HW.shape, LONGEST_PX)
        predicted_hw = resize_labels(predicted_HW, size_hw)
        counts = Confusion.from_labels(sample.labels_HW, predicted_HW, len(self.labels))
        miou = float(mean_iou(counts))
        latest = {"latest_step": step, "latest_miou": None if np.isnan(miou) else miou}
        if index not in self.images:
            display = Display.from_input(self.spec)
            rgb_HW3 = display.draw(self.spec.select_slice(sample.image_HWC), sample.valid_HW)
            self._write(f"val-{index}-image.jpg", _shrink(rgb_HW3, size_hw))
            self._write(f"val-{index}-truth.png", resize_labels(sample.labels_HW, size_hw))
            self._write(f"val-{index}-first.png", predicted_hw)
            first = {"first_step": step, "first_miou": latest["latest_miou"]}
            self.images[index] = {"key": sample.key, **first}
        self._write(f"val-{index}-latest.png", predicted_hw)
        self.images[index] |= latest

    def list_samples(self) -> list[Shot]:
        """The training samples for a gallery."""
        return [
            Shot(key=key, note="", panels=self._read(f"sample-{index}", SAMPLE_PANELS))
            for index, key in enumerate(self.samples)
        ]

    def list_images(self) -> list[Shot]:
        """The validation images for a gallery, with their predictions."""
        return [
            Shot(
                key=str(item["key"]),
                note=_describe(item),
                panels=self._read(f"val-{index}", VAL_PANELS),
            )
            for index, item in sorted(self.images.items())
        ]

    def describe(self) -> str:
        """One line on the validation images; "" before the first prediction."""
        for item in self.images.values():
            first, latest = item["first_step"], item["latest_step"]
            return (
                f"The same images after step {first} and after step {latest}, with their mIoU."
            )
        return ""

    def draw_images(self) -> dict[str, NDArray[np.uint8]]:
        """The pictures of the validation images side by side, H x W x 3, by key.

        They are half as large as on the page: a board keeps those of all validations.
        """
        colors = panel_colors(self.labels.palette)
        drawn = {}
        for shot in self.list_images():
            panels = [_decode(content, colors) for content in shot.panels.values()]
            row_HW3 = np.concatenate(panels, axis=1)
            half_hw = (-(-row_HW3.shape[0] // 2), -(-row_HW3.shape[1] // 2))
            drawn[shot.key] = _shrink(row_HW3, half_hw)
        return drawn

    def _choose_display(self, *, in_range: bool) -> Display:
        if in_range:
            return Display.from_input(self.spec)
        return Display(
            channels=choose_channels(self.spec.channels // self.spec.slices, self.spec.bands)
        )

    def _write(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Write an RGB picture as JPEG, a label map as palette PNG."""
        if picture.ndim == 3:
            content = encode_jpeg(picture)
        else:
            content = encode_indexed_png(picture, panel_colors(self.labels.palette))
        with explain_write_errors(self.folder):
            self.folder.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(content)

    def _read(self, name: str, panels: Sequence[str]) -> dict[str, bytes]:
        suffixes = {panel: "jpg" if panel == "image" else "png" for panel in panels}
        paths = {p: self.folder / f"{name}-{p}.{suffix}" for p, suffix in suffixes.items()}
        return {panel: path.read_bytes() for panel, path in paths.items()}

    def write_document(self) -> None:
        """Write previews.json, as a last step of adding."""
        if not (self.samples or self.images):
            return
        images = {str(index): item for index, item in self.images.items()}
        document = SCHEMA.stamp({"samples": self.samples, "images": images})
        write_json(self.folder / DOCUMENT, document)


def _describe(item: Mapping[str, object]) -> str:
    """The first and the latest mIoU of an image, as HTML."""
    mious = (item[f"{name}_miou"] for name in ("first", "latest"))
    texts = (format_share(miou if isinstance(miou, float) else None) for miou in mious)
    return " → ".join(map(render_number, texts))


def _shrink(rgb_HW3: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    shrunk = cv2.resize(rgb_HW3, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)


def _decode(content: bytes, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    with PillowImage.open(io.BytesIO(content)) as image:
        values = np.asarray(image)
    return colors[values] if values.ndim == 2 else values
