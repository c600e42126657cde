"""The files that predict writes, in the size and orientation of the image.

classes/<key>.png      palette PNG; a pixel is a class index
classes/<key>.tif      instead, for an image with a georeference (GeoTIFF, JPEG 2000, VRT): a
                       palette GeoTIFF on its grid, 255 is nodata; see `rasters`
classes/<volume>.nii.gz
                       instead, for the slices of a NIfTI volume: see `volumes`
classes/dataset.yaml   names and colours of the classes, for `score` and `measure`; of refined
                       maps also the model and the refiner, as `source`
dicom_seg/<series>.dcm with the class maps of DICOM images: a DICOM-SEG, see `segmentations`
overlay/<key>.png      the image with the colours of its classes over it
confidence/<key>.png   palette PNG; a pixel is round(255 x confidence), dark is low; a GeoTIFF
                       (.tif) or a NIfTI volume where the class map is one, 0 is no data
entropy/<key>.png, mutual_information/<key>.png
                       as confidence/, of the entropy and, of an ensemble, of the mutual
                       information, see `ensemble`; only where they are asked for
probabilities/<key>.npz, or a GeoTIFF
                       the probability of each class, see `probabilities`; only where it is
                       asked for
mosaic.tif, mosaic_confidence.tif
                       of all images on one grid, see `mosaic`; only where it is asked for
legend.png             colours, indices and names of the classes, and the scale of confidence
coverage.csv           image, class, pixels, percent: one line per image and class
observations.ndjson    numbers of each image and of what was predicted, for `drift`, see
                       `core.observation`; only where they are asked for
verdicts.csv           image, verdict, classes, error: one line per image, also of those that
                       could not be read; of models with a rule for verdicts alone
cvat/, labelme/, ...   the images with their class maps as labels of a tool; see `annotations`

Each kind of file per image is one class in `WRITERS`, by the name that `--write` gives it.
"""

import io
import json
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.codec import LabelCodec
from ..core.errors import ConfigError, UnknownNameError
from ..core.image import Image
from ..core.labels import IGNORE, LabelSpec
from ..core.observation import FILE_NAME as FILE_NAME_OF_OBSERVATIONS
from ..core.results import FailedInput
from ..core.verdict import OK, Verdict
from ..core.versioned import Document
from ..data.classes.codec import write_dataset_file
from ..data.classes.dataset_yaml import FILE_NAME, DatasetFile
from ..data.conversion.convert import list_writable
from ..data.georef.geotags import Tag
from ..pages.csvfile import write_rows
from ..pages.display import Display
from ..pages.legend import draw_legend, draw_note, draw_scale, list_classes
from ..pages.pictures import draw_overlay, encode_indexed_png, encode_png, heat_palette
from .area import AreaOfInterest
from .mosaic import Mosaic, MosaicGrid, to_bytes
from .prediction import Prediction
from .probabilities import FOLDER, PROBABILITIES, write_shares
from .rasters import write_indexed_tiff
from .resolution import list_shares
from .volumes import CLASSES, CONFIDENCE, ENTROPY, INFORMATION, UNCERTAINTY, find_slices

OVERLAY, MOSAIC = "overlay", "mosaic"
DEFECT, UNREAD = "defect", "unread"
COLUMNS = ("image", "class", "pixels", "percent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where outputs go: the folder, the classes, and what dataset.yaml names as the source.

    `display` is how images are shown in overlays. `grid` is where the images lie in a mosaic,
    where one is written. `area` is the area of interest, outside of which pixels are IGNORE.
    """

    folder: Path
    labels: LabelSpec
    display: Display = field(default_factory=Display)
    source: str | None = None
    grid: MosaicGrid | None = None
    area: AreaOfInterest | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictedImage:
    """One image as writers get it.

    `tags` place it on the ground. `is_slice` says that its maps are slices of a volume, which
    `volumes` puts together.
    """

    key: str
    image_HWC: Image
    prediction: Prediction
    tags: Sequence[Tag] = ()
    is_slice: bool = False


class Writer(Protocol):
    """Writes one kind of output, image by image."""

    @abstractmethod
    def write(self, item: PredictedImage) -> None:
        """Write the output of one image."""


class ClassMaps(Writer):
    """Writes `classes/`."""

    def __init__(self, to: Destination) -> None:
        self._folder = to.folder / CLASSES
        self._palette = to.labels.palette
        document, codec = DatasetFile(source=to.source), LabelCodec.identity(to.labels)
        write_dataset_file(self._folder / FILE_NAME, document, codec)

    def write(self, item: PredictedImage) -> None:
        """Write a PNG, or a TIFF for an image with a georeference."""
        labels_HW = item.prediction.labels_HW
        _write_map(self._folder, item, labels_HW, self._palette, nodata=IGNORE)


class Overlays(Writer):
    """Writes `overlay/`."""

    def __init__(self, to: Destination) -> None:
        self._folder = to.folder / OVERLAY
        self._palette, self._display = to.labels.palette, to.display

    def write(self, item: PredictedImage) -> None:
        """Write the image with the colours of its classes over it."""
        labels_HW = item.prediction.labels_HW
        rgb_HW3 = self._display.draw(item.image_HWC, labels_HW != IGNORE)
        overlay_HW3 = draw_overlay(rgb_HW3, labels_HW, self._palette)
        _put(self._folder / f"{item.key}.png", encode_png(overlay_HW3))


class ConfidenceMaps(Writer):
    """Writes `confidence/`."""

    def __init__(self, to: Destination) -> None:
        self._folder = to.folder / CONFIDENCE
        self._palette = heat_palette()

    def write(self, item: PredictedImage) -> None:
        """Write the confidence in steps of 1 / 255, as a PNG or a TIFF."""
        confidence_HW = to_bytes(item.prediction.confidence_HW)
        _write_map(self._folder, item, confidence_HW, self._palette, nodata=0)


class UncertaintyMaps(Writer):
    """Writes `entropy/` or `mutual_information/`."""

    def __init__(self, to: Destination, name: str) -> None:
        self._folder = to.folder / name
        self._name = name
        self._palette = heat_palette()

    def write(self, item: PredictedImage) -> None:
        """Write the map in steps of 1 / 255, as a PNG or a TIFF."""
        maps = {
            ENTROPY: item.prediction.entropy_HW,
            INFORMATION: item.prediction.mutual_information_HW,
        }
        map_HW = maps[self._name]
        if map_HW is None:
            raise ValueError(f"{item.key}: was predicted without {self._name}")
        _write_map(self._folder, item, to_bytes(map_HW), self._palette, nodata=0)


class ProbabilityMaps(Writer):
    """Writes `probabilities/`."""

    def __init__(self, to: Destination, kind: str) -> None:
        self._to, self._kind = to, kind

    def write(self, item: PredictedImage) -> None:
        """Write the shares of all classes, some rows after the other."""
        decision = item.prediction.decision
        if decision is None:
            raise ValueError(f"{item.key}: was predicted without probabilities")
        path, size_HW = self._to.folder / FOLDER / item.key, decision.logits.size_HW
        labels, kind = self._to.labels, self._kind
        with write_shares(path, size_HW, labels, kind=kind, tags=item.tags) as file:
            for rows_nWK in list_shares(decision):
                file.add_rows(rows_nWK)


class Mosaics(Writer):
    """Writes `mosaic.tif` and `mosaic_confidence.tif`."""

    def __init__(self, to: Destination) -> None:
        if to.grid is None:
            raise ValueError("a mosaic needs the grid of its images")
        self._mosaic = Mosaic(to.grid, to.folder, to.labels.palette, heat_palette())

    def write(self, item: PredictedImage) -> None:
        """Lay the class map of one image into the mosaic."""
        confidence_HW = to_bytes(item.prediction.confidence_HW)
        self._mosaic.add(item.key, item.prediction.labels_HW, confidence_HW)


WRITERS: Mapping[str, Callable[[Destination], Writer]] = {
    CLASSES: ClassMaps,
    OVERLAY: Overlays,
    CONFIDENCE: ConfidenceMaps,
    ENTROPY: partial(UncertaintyMaps, name=ENTROPY),
    INFORMATION: partial(UncertaintyMaps, name=INFORMATION),
    **{kind: partial(ProbabilityMaps, kind=kind) for kind in PROBABILITIES},
    MOSAIC: Mosaics,
}
COVERAGE, OBSERVATIONS = "coverage", "observations"
ALL = (CLASSES, OVERLAY, CONFIDENCE, COVERAGE)
"""What is written unless something else is asked for."""

KINDS = (*ALL, MOSAIC, *UNCERTAINTY, *PROBABILITIES, OBSERVATIONS)


def write_legend(to: Destination, write: Collection[str]) -> None:
    """Write `legend.png`, which explains the colours of the pictures that are in `write`.

    It is a file beside them, so that every overlay has the pixels of its image alone.
    """
    strips = []
    if {CLASSES, OVERLAY} & set(write):
        strips.append(draw_legend(list_classes(to.labels)))
    if OVERLAY in write and (note := to.display.describe()):
        strips.append(draw_note(note))
    scales = [name for name in (CONFIDENCE, *UNCERTAINTY) if name in write]
    strips += [draw_scale(name.replace("_", " ")) for name in scales]
    if strips:
        (to.folder / "legend.png").write_bytes(encode_png(np.concatenate(strips)))


def write_coverage(
    folder: Path, labels: LabelSpec, counts: Iterable[tuple[str, NDArray[np.int64]]]
) -> None:
    """Write `coverage.csv` from the key of each image and its pixels per class, shape (C,)."""
    # surrogateescape: a file name that is not UTF-8 keeps its bytes
    with (folder / "coverage.csv").open(
        "w", newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        write_row = write_rows(file)
        write_row(COLUMNS)
        for key, counts_C in counts:
            total = int(counts_C.sum())
            for name, count in zip(labels.names, counts_C.tolist(), strict=True):
                write_row((key, name, count, f"{100 * count / max(1, total):.4f}"))


def write_observations(folder: Path, lines: Iterable[Document]) -> None:
    """Write `observations.ndjson` from the observations of images, as JSON."""
    with (folder / FILE_NAME_OF_OBSERVATIONS).open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def write_verdicts(
    folder: Path, verdicts: Iterable[tuple[str, Verdict]], failed: Iterable[FailedInput]
) -> dict[str, int]:
    """Write `verdicts.csv`; returns the number of images by verdict: ok, defect, unread."""
    counts = dict.fromkeys((OK, DEFECT, UNREAD), 0)
    with (folder / "verdicts.csv").open(
        "w", newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        write_row = write_rows(file)
        write_row(("image", "verdict", "classes", "error"))
        for key, verdict in verdicts:
            text = OK if verdict.is_ok else DEFECT
            counts[text] += 1
            write_row((key, text, ", ".join(verdict.classes), ""))
        for one in failed:
            counts[UNREAD] += 1
            write_row((one.input, UNREAD, "", one.error))
    return counts


def require_outputs(write: Collection[str]) -> tuple[str, ...]:
    """Refuse names that are neither in `KINDS` nor formats that `convert` writes.

    Returns the formats in `write`.

    Raises:
        ConfigError: An unknown name, or none at all; probabilities as two types.
    """
    of_shares = [kind for kind in PROBABILITIES if kind in write]
    if len(of_shares) > 1:
        raise ConfigError(f"{' and '.join(of_shares)} would have the same names; choose one")
    if not write:
        raise ConfigError(f"no kind of file to write is given; choose from {', '.join(KINDS)}")
    others = tuple(name for name in write if name not in KINDS)
    if not others:
        return ()
    formats = list_writable()
    for name in others:
        if name not in formats:
            raise UnknownNameError("output", name, (*KINDS, *formats))
    return others


def make_writers(write: Collection[str], to: Destination) -> list[Writer]:
    """Make the writer of each kind of file per image in `write`."""
    return [WRITERS[name](to) for name in dict.fromkeys(write) if name in WRITERS]


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(content)
    except OSError:  # a part of it would fill the disk for images that are nearly done
        path.unlink(missing_ok=True)
        raise


def _write_map(
    folder: Path,
    item: PredictedImage,
    index_HW: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    *,
    nodata: int,
) -> None:
    """Write a palette PNG, or a TIFF for an image with a georeference."""
    if item.is_slice:
        folder = find_slices(folder)
    for suffix in (".tif", ".png"):  # an interrupted run may have written the other
        (folder / f"{item.key}{suffix}").unlink(missing_ok=True)
    if item.tags:
        file = io.BytesIO()
        write_indexed_tiff(
            file,
            lambda start, stop: index_HW[start:stop],
            (index_HW.shape[0], index_HW.shape[1]),
            palette,
            item.tags,
            nodata=nodata,
            where=item.key,
        )
        _put(folder / f"{item.key}.tif", file.getvalue())
    else:
        _put(folder / f"{item.key}.png", encode_indexed_png(index_HW, palette))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOutputs:
    """Where the files per image go, their kinds, and the writer of each kind.

    `observes` says that the numbers of each image are kept too.
    """

    to: Destination
    kinds: tuple[str, ...]
    writers: Sequence[Writer]
    observes: bool = False

    @classmethod
    def open(cls, write: Sequence[str], to: Destination) -> "ImageOutputs":
        """Make the writers of the kinds of files per image in `write`."""
        kinds = tuple(name for name in dict.fromkeys(write) if name in WRITERS)
        observes = OBSERVATIONS in write
        return cls(to=to, kinds=kinds, writers=make_writers(kinds, to), observes=observes)
