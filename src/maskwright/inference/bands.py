"""Predict one large image and write its outputs a band of rows after the other.

Class map, overlay and confidence are those of the whole image. The next tiles are read and the
last band is written while the network runs. Beyond some bands, memory holds the
pixels of the image where its file cannot be read in windows. After each band, what is done is
noted (`bandstate`), so that an interrupted prediction goes on with the next band and ends with
the same bytes.
"""

import math
import shutil
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.decision import Decision
from ..core.image import Image, PixelData
from ..core.inputspec import InputSpec
from ..core.journal import BEGUN
from ..core.labels import IGNORE, LabelMap
from ..core.logits import Logits
from ..data.georef.geotags import Tag
from ..data.opening.stratify import count_pixels
from ..data.pixels.imagefile import ImageFile, Window
from ..pages.pictures import RgbImage, draw_overlay, heat_palette
from ..pages.pngfile import Mark, PngRows
from .area import ImageArea
from .bandstate import BandState, Tally, name_rows
from .mosaic import to_bytes
from .outputs import OVERLAY, Destination
from .overlap import write_behind
from .predictor import Predictor
from .probabilities import (
    FOLDER,
    PROBABILITIES,
    encode_shares,
    find_stored_type,
    write_shares,
)
from .rasters import RawRows, write_indexed_tiff
from .resolution import list_shares
from .tiledimage import Carry, TiledImage
from .tiling import TilePlan
from .volumes import CLASSES, CONFIDENCE, is_slice

KINDS = (CLASSES, OVERLAY, CONFIDENCE, *PROBABILITIES)
"""The kinds of files per image that are written by rows."""

_STRIP_PX = 1 << 22
"""Pixels that are decided, drawn and compressed at once."""

_SAMPLE_STEP, _SAMPLE_PX = 8, 1 << 20
"""Least step of the rows and columns of the sample by which an image is compared with those
learnt, and most pixels of it."""


class RowFile(Protocol):
    """A file to which the rows of a picture are added from top to bottom."""

    @abstractmethod
    def add_rows(self, rows: NDArray[Any]) -> None:
        """Add rows: (n, W) of indices, (n, W, 3) of RGB, or (n, W, K) of probabilities."""

    @abstractmethod
    def sync(self) -> Mark:
        """Bring what was added to the disk; from the mark the file can be continued."""

    @abstractmethod
    def close(self) -> None:
        """Close the file, complete or not."""


class BandSummary(NamedTuple):
    """Pixels by class, (C,), and a sample of the image: some of its rows and columns."""

    counts_C: NDArray[np.int64]
    sample: PixelData


class _Source:
    """The pixels of an image, by windows where the file can be read so, else read once.

    Pixels outside of `area`, where one is given, count as pixels without data.
    """

    def __init__(self, file: ImageFile, spec: InputSpec, area: ImageArea | None) -> None:
        self._file, self._spec, self._area, self.name = file, spec, area, str(file.ref)
        self._whole = None if file.reads_windows else file.read_data()
        self._reading = Lock()  # a file is read for the network and for what is written

    def read(self, window: Window) -> PixelData:
        image_HWC, valid_HW = self._read_file(window)
        if self._area is not None:
            inside_HW = self._area.mask(window)
            valid_HW = inside_HW if valid_HW is None else valid_HW & inside_HW
        return PixelData(image_HWC, valid_HW)

    def read_input(self, rows: slice, columns: slice) -> Image:
        """The pixels as the network takes them, those outside of the area too."""
        image_HWC, valid_HW = self._read_file((rows, columns))
        return self._spec.prepare(image_HWC, valid_HW, where=self.name)

    def _read_file(self, window: Window) -> PixelData:
        if self._whole is None:
            with self._reading:
                return self._file.read_data(window)
        image_HWC, valid_HW = self._whole
        return PixelData(image_HWC[window], None if valid_HW is None else valid_HW[window])


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
    *,
    content: object,
    area: ImageArea | None = None,
) -> BandSummary:
    """Predict the image and write the outputs `kinds` of it.

    What an interrupted call has left of the same `content` of the file is continued. Pixels
    outside of `area` are IGNORE.

    Raises:
        DataError: As `Predictor.predict`.
        BundleError: The model's logits are NaN or infinite.
    """
    source = _Source(file, model.card.input, area)
    tiles = TiledImage(
        plan=plan,
        size_HW=file.size_HW,
        read=source.read_input,
        scaling=model.card.input.measure_scaling(source.read_input(slice(0, 1), slice(0, 1))),
        needs=None if area is None else area.touches,
    )
    begun = to.folder / BEGUN / key
    begun.mkdir(parents=True, exist_ok=True)
    state = BandState.load(begun, content)
    with ExitStack() as stack:
        files: dict[str, RowFile] = {}
        for kind in kinds:
            opened = _open_rows(kind, name_rows(begun, kind), file, to, state)
            files[kind] = stack.enter_context(closing(opened))
        writer = _BandWriter(model, source, files, to, file.geotags)
        tally = writer.start_tally(file) if state is None else state.tally
        carry = None if state is None else state.carry

        def write(band: tuple[Logits, Carry]) -> None:
            nonlocal tally
            logits, after = band
            tally = writer.add_band(logits, tally)
            marks = {kind: rows.sync() for kind, rows in files.items()}
            BandState(after, tally, marks).save(begun, content)

        with write_behind(write, depth=1) as give:
            for logits, after in tiles.run_bands(model.engine, model.card, carry):
                give((logits, after._replace(sum_Khw=after.sum_Khw.copy())))
        for kind, rows in files.items():
            _finish(kind, rows, name_rows(begun, kind), file, to, key)
    shutil.rmtree(begun)
    valid_hw = tally.valid_hw
    sample = PixelData(tally.sample_hwC, None if valid_hw.all() else valid_hw)
    return BandSummary(tally.counts_C, sample)


def _open_rows(
    kind: str, path: Path, image: ImageFile, to: Destination, state: BandState | None
) -> RowFile:
    """The rows of one kind: those of a TIFF for a map on the ground, else of a PNG."""
    mark = None if state is None else state.marks[kind]
    if kind in PROBABILITIES:
        size = find_stored_type(kind, image.geotags).itemsize
        return RawRows(path, image.size_HW[1] * len(to.labels) * size, mark)
    if kind != OVERLAY and image.geotags:
        return RawRows(path, image.size_HW[1], mark)
    palette = None if kind == OVERLAY else _find_palette(kind, to)
    return PngRows(path, image.size_HW, palette, mark=mark)


def _find_palette(kind: str, to: Destination) -> NDArray[np.uint8]:
    return to.labels.palette if kind == CLASSES else heat_palette()


def _finish(
    kind: str, rows: RowFile, path: Path, image: ImageFile, to: Destination, key: str
) -> None:
    """Complete the file of one kind, and give it its place and name."""
    base = to.folder / kind / key
    for suffix in (".tif", ".png"):  # an interrupted run may have written the other
        base.with_name(base.name + suffix).unlink(missing_ok=True)
    base.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(rows, PngRows):
        rows.end()
        path.replace(base.with_name(f"{base.name}.png"))
    elif kind in PROBABILITIES and isinstance(rows, RawRows):
        _finish_shares(kind, rows, image, to, key)
    elif isinstance(rows, RawRows):
        complete = path.with_name(f"{kind}.tif")
        with complete.open("wb") as file:
            write_indexed_tiff(
                file,
                rows.read_rows,
                image.size_HW,
                _find_palette(kind, to),
                image.geotags,
                nodata=IGNORE if kind == CLASSES else 0,
                where=key,
            )
        complete.replace(base.with_name(f"{base.name}.tif"))


def _finish_shares(
    kind: str, rows: RawRows, image: ImageFile, to: Destination, key: str
) -> None:
    path, (height, _) = to.folder / FOLDER / key, image.size_HW
    with write_shares(path, image.size_HW, to.labels, kind=kind, tags=image.geotags) as target:
        for row in range(height):
            target.file.write(rows.read_rows(row, row + 1).tobytes())


@dataclass(frozen=True, slots=True)
class _BandWriter:
    """Decides bands of logits and adds them to the files by kind."""

    model: Predictor
    source: _Source
    files: Mapping[str, RowFile]
    to: Destination
    tags: Sequence[Tag]

    def start_tally(self, file: ImageFile) -> Tally:
        """The Tally before the first row."""
        height, width = file.size_HW
        sample_hwC = self.source.read((slice(0, 1), slice(0, width))).image_HWC[:0]
        step = max(_SAMPLE_STEP, math.ceil(math.sqrt(height * width / _SAMPLE_PX)))
        return Tally(
            counts_C=np.zeros(len(self.to.labels), np.int64),
            sample_hwC=sample_hwC[:, ::step],
            valid_hw=np.zeros((0, len(range(0, width, step))), np.bool_),
            above_1W=np.zeros((0, width), np.uint8),
            step=step,
        )

    def add_band(self, logits: Logits, tally: Tally) -> Tally:
        """Write the rows of a band, some at a time."""
        num, width = logits.size_HW
        start, step = logits.rows.first, max(1, _STRIP_PX // width)
        for top in range(0, num, step):
            strip = logits.crop_rows(top, min(top + step, num))
            rows = slice(start + top, start + top + strip.size_HW[0])
            data = self.source.read((rows, slice(0, width)))
            tally = self._add_strip(strip, data, rows.start, tally)
        return tally

    def _add_strip(self, logits: Logits, data: PixelData, start: int, tally: Tally) -> Tally:
        """Write some rows, of which `start` is the first of the image."""
        image_HWC, valid_HW = data
        decision = self.model.decide(logits, image_HWC, valid_HW, where=self.source.name)
        labels_HW = decision.labels_HW
        if CLASSES in self.files:
            self.files[CLASSES].add_rows(labels_HW)
        if CONFIDENCE in self.files:
            self.files[CONFIDENCE].add_rows(to_bytes(decision.confidence_HW))
        if OVERLAY in self.files:
            self.files[OVERLAY].add_rows(self._draw(image_HWC, labels_HW, tally.above_1W))
        self._add_shares(decision)
        part = np.s_[-start % tally.step :: tally.step, :: tally.step]
        if valid_HW is None:
            valid_HW = np.ones(labels_HW.shape, np.bool_)
        return Tally(
            counts_C=tally.counts_C + count_pixels(labels_HW, len(self.to.labels)),
            sample_hwC=np.concatenate([tally.sample_hwC, image_HWC[part]]),
            valid_hw=np.concatenate([tally.valid_hw, valid_HW[part]]),
            above_1W=labels_HW[-1:],
            step=tally.step,
        )

    def _add_shares(self, decision: Decision) -> None:
        for kind in set(PROBABILITIES) & set(self.files):
            dtype = find_stored_type(kind, self.tags)
            for rows_nWK in list_shares(decision):
                self.files[kind].add_rows(encode_shares(rows_nWK, kind, dtype))

    def _draw(self, image_HWC: Image, labels_HW: LabelMap, above_1W: LabelMap) -> RgbImage:
        """Rows of the overlay, with the borders to the last row of the strip above."""
        rgb_HW3 = self.to.display.draw(image_HWC, labels_HW != IGNORE)
        overlay_HW3 = draw_overlay(rgb_HW3, labels_HW, self.to.labels.palette)
        if len(above_1W):
            overlay_HW3[0, labels_HW[0] != above_1W[0]] = 255
        return overlay_HW3
