"""Predict one large image and write its outputs a band of rows after the other.

Class map, overlay and confidence are those of the whole image; beyond a band, memory holds the
pixels of the image where its file cannot be read in windows.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.decision import Decision
from ..core.image import Image, PixelData, ValidMap
from ..core.inputspec import InputSpec
from ..core.labels import IGNORE, LabelMap
from ..data.georef.geotags import Tag, nodata_tag
from ..data.opening.stratify import count_pixels
from ..data.pixels.imagefile import ImageFile, Window
from ..pages.pictures import RgbImage, draw_overlay, heat_palette
from ..pages.pngfile import write_png_rows
from .mosaic import to_bytes
from .outputs import OVERLAY, Destination, write_indexed_tiff
from .predictor import Predictor
from .probabilities import FOLDER, PROBABILITIES, ShareRows, write_shares
from .resolution import list_shares
from .tiling import TiledImage, TilePlan
from .volumes import CLASSES, CONFIDENCE, is_slice

KINDS = (CLASSES, OVERLAY, CONFIDENCE, *PROBABILITIES)
"""The kinds of files per image that are written by rows."""

_TIFF_TILE = (256, 256)
_SAMPLE_STEP = 8
"""Of the rows and columns of the sample by which an image is compared with those learnt."""


class Rows(Protocol):
    """A file to which the rows of a picture are added from top to bottom."""

    @abstractmethod
    def add_rows(self, rows: NDArray[np.uint8]) -> None:
        """Add rows: (n, W) of indices, or (n, W, 3) of RGB."""


class BandSummary(NamedTuple):
    """Pixels by class, (C,), and a sample of the image: every eighth row and column."""

    counts_C: NDArray[np.int64]
    sample: PixelData


class _Source:
    """The pixels of an image, by windows where the file can be read so, else read once."""

    def __init__(self, file: ImageFile, spec: InputSpec, where: str) -> None:
        self._file, self._spec, self._where = file, spec, where
        self._whole = None if file.reads_windows else file.read_data()

    def read(self, window: Window) -> PixelData:
        if self._whole is None:
            return self._file.read_data(window)
        image_HWC, valid_HW = self._whole
        return PixelData(image_HWC[window], None if valid_HW is None else valid_HW[window])

    def read_input(self, rows: slice, columns: slice) -> Image:
        """The pixels as the network takes them."""
        image_HWC, valid_HW = self.read((rows, columns))
        return self._spec.prepare(image_HWC, valid_HW, where=self._where)


def plan_bands(
    model: Predictor, file: ImageFile, to: Destination, kinds: Sequence[str]
) -> TilePlan | None:
    """The tiles of an image that is predicted in bands; None for one that is not.

    An ensemble, a refiner, a rule for verdicts, a mosaic, and a kind of image whose values are
    relative to the whole image need all rows at once.
    """
    spec = model.card.input
    decides_whole = model.refine is not None or model.card.decide is not None
    reads_whole = spec.kind == "mr" or bool(spec.signed_offset) or is_slice(file.ref)
    decides_whole |= model.ensemble is not None
    if decides_whole or reads_whole or set(kinds) - set(KINDS):
        return None
    plan = model.tiling.plan(model.engine, spec, file.size_HW)
    if plan is None:
        return None
    is_shown_alike = file.kind.dtype == "uint8" or bool(to.display.windows)
    return plan if is_shown_alike or OVERLAY not in kinds else None


def predict_bands(
    model: Predictor,
    plan: TilePlan,
    file: ImageFile,
    key: str,
    to: Destination,
    kinds: Sequence[str],
) -> BandSummary:
    """Predict the image and write the outputs `kinds` of it.

    Raises:
        DataError: As `Predictor.predict`.
        BundleError: The model's logits are NaN or infinite.
    """
    where, size_HW, palette = str(file.ref), file.size_HW, to.labels.palette
    source = _Source(file, model.card.input, where)
    tiles = TiledImage(
        plan=plan,
        size_HW=size_HW,
        read=source.read_input,
        scaling=model.card.input.measure_scaling(source.read_input(slice(0, 1), slice(0, 1))),
    )
    counts_C = np.zeros(len(to.labels), np.int64)
    samples: list[tuple[Image, ValidMap]] = []
    with ExitStack() as stack:
        files = {
            kind: stack.enter_context(_open_rows(kind, to.folder / kind / key, file, palette))
            for kind in kinds
            if kind not in PROBABILITIES
        }
        shares = [
            stack.enter_context(_open_shares(kind, key, file, to))
            for kind in kinds
            if kind in PROBABILITIES
        ]
        above_1W: LabelMap | None = None
        for rows, data, decision in _decide(model, tiles, source, where):
            labels_HW = decision.labels_HW
            if CLASSES in files:
                files[CLASSES].add_rows(labels_HW)
            if CONFIDENCE in files:
                files[CONFIDENCE].add_rows(to_bytes(decision.confidence_HW))
            for one in shares:
                for rows_nWK in list_shares(decision):
                    one.add_rows(rows_nWK)
            if OVERLAY in files:
                files[OVERLAY].add_rows(_draw(to, data.image_HWC, labels_HW, above_1W))
            above_1W = labels_HW[-1:]
            counts_C += count_pixels(labels_HW, len(to.labels))
            samples.append(_take_sample(data, rows.start))
    return BandSummary(counts_C, _join(samples))


def _open_shares(
    kind: str, key: str, image: ImageFile, to: Destination
) -> AbstractContextManager[ShareRows]:
    path = to.folder / FOLDER / key
    return write_shares(path, image.size_HW, to.labels, kind=kind, tags=image.geotags)


def _open_rows(
    kind: str, path: Path, image: ImageFile, palette: NDArray[np.uint8]
) -> AbstractContextManager[Rows]:
    """The file of one kind: a TIFF for a map of an image with a georeference, else a PNG."""
    for suffix in (".tif", ".png"):  # an interrupted run may have written the other
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    colors, nodata = (palette, IGNORE) if kind == CLASSES else (heat_palette(), 0)
    if kind == OVERLAY or not image.geotags:
        png = path.with_name(f"{path.name}.png")
        return write_png_rows(png, image.size_HW, None if kind == OVERLAY else colors)
    tags = (*image.geotags, nodata_tag(nodata))
    return _write_tiff_rows(path.with_name(f"{path.name}.tif"), image.size_HW, colors, tags)


class _TiffRows:
    """Rows of a map on disk, from which a TIFF file is made when all are there."""

    def __init__(self, scratch: IO[bytes]) -> None:
        self._scratch = scratch

    def add_rows(self, rows: NDArray[np.uint8]) -> None:
        """Add rows, (n, W)."""
        self._scratch.write(rows.tobytes())


@contextmanager
def _write_tiff_rows(
    path: Path, size_HW: tuple[int, int], palette: NDArray[np.uint8], tags: Sequence[Tag]
) -> Iterator[_TiffRows]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=path.parent) as scratch:
        yield _TiffRows(scratch)
        scratch.flush()
        index_HW: NDArray[np.uint8] = np.memmap(scratch, np.uint8, "r", shape=size_HW)
        partial = path.with_name(f"{path.name}.tmp")
        try:
            with partial.open("wb") as file:
                write_indexed_tiff(
                    file, index_HW, palette, tags, where=path.name, tile=_TIFF_TILE
                )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _decide(
    model: Predictor, tiles: TiledImage, source: _Source, where: str
) -> Iterator[tuple[slice, PixelData, Decision]]:
    """Yield rows, their pixels and the decision on them."""
    start = 0
    for logits in tiles.run_bands(model.engine, model.card):
        rows = slice(start, start + logits.size_HW[0])
        data = source.read((rows, slice(0, tiles.size_HW[1])))
        decision = model.decide(logits, data.image_HWC, data.valid_HW, where=where)
        yield rows, data, decision
        start = rows.stop


def _draw(
    to: Destination, image_HWC: Image, labels_HW: LabelMap, above_1W: LabelMap | None
) -> RgbImage:
    """Rows of the overlay, with the borders to the last row of the band above."""
    rgb_HW3 = to.display.draw(image_HWC, labels_HW != IGNORE)
    overlay_HW3 = draw_overlay(rgb_HW3, labels_HW, to.labels.palette)
    if above_1W is not None:
        overlay_HW3[0, labels_HW[0] != above_1W[0]] = 255
    return overlay_HW3


def _take_sample(data: PixelData, start: int) -> tuple[Image, ValidMap]:
    part = np.s_[-start % _SAMPLE_STEP :: _SAMPLE_STEP, ::_SAMPLE_STEP]
    valid_HW = data.valid_HW
    if valid_HW is None:
        valid_HW = np.ones(data.image_HWC.shape[:2], np.bool_)
    return data.image_HWC[part].copy(), valid_HW[part].copy()


def _join(samples: Sequence[tuple[Image, ValidMap]]) -> PixelData:
    images, maps = zip(*samples, strict=True)
    valid_HW = np.concatenate(maps)
    return PixelData(np.concatenate(images), None if valid_HW.all() else valid_HW)
