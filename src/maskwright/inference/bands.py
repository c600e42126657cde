"""Predict one large image and write its outputs a band of rows after the other.

Class map, overlay and confidence are those of the whole image. Each block of logits is decided
as soon as it is there; the next tiles are read, and blocks decided and bands written, while the
network runs. Beyond the class indices of a band, memory holds the pixels of the image where its
file cannot be read in windows. After each band, what is done is noted (`bandstate`), so that an
interrupted prediction goes on with the next band and ends with the same bytes.
"""

import math
import shutil
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..core.decision import Decision
from ..core.image import Image, PixelData
from ..core.inputspec import InputSpec
from ..core.journal import BEGUN
from ..core.labels import IGNORE, LabelMap
from ..core.logits import Logits
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
from .tiledimage import Block, TiledImage
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
    plan = model.tiling.plan(model.engine, model.card, file.size_HW)
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
    content = [content, plan.to_json()]
    begun = to.folder / BEGUN / key
    begun.mkdir(parents=True, exist_ok=True)
    state = BandState.load(begun, content)
    with ExitStack() as stack:
        files: dict[str, RowFile] = {}
        for kind in kinds:
            opened = _open_rows(kind, name_rows(begun, kind), file, to, state)
            files[kind] = stack.enter_context(closing(opened))
        tally = _start_tally(source, file, to) if state is None else state.tally
        writer = _BandWriter(model, source, files, to, file, tally)

        def write(block: Block) -> None:
            writer.add_block(block.logits)
            if block.after is not None:
                writer.end_band()
                marks = {kind: rows.sync() for kind, rows in files.items()}
                BandState(block.after, writer.tally, marks).save(begun, content)

        carry = None if state is None else state.carry
        with write_behind(write, depth=plan.batch) as give:
            for block in tiles.run_blocks(model.engine, model.card, carry):
                give(block)
        for kind, rows in files.items():
            _finish(kind, rows, name_rows(begun, kind), file, to, key)
    shutil.rmtree(begun)
    counts_C, sample_hwC, valid_hw, *_ = writer.tally
    return BandSummary(counts_C, PixelData(sample_hwC, None if valid_hw.all() else valid_hw))


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


def _start_tally(source: _Source, file: ImageFile, to: Destination) -> Tally:
    """The Tally before the first row."""
    height, width = file.size_HW
    sample_hwC = source.read((slice(0, 1), slice(0, width))).image_HWC[:0]
    step = max(_SAMPLE_STEP, math.ceil(math.sqrt(height * width / _SAMPLE_PX)))
    return Tally(
        counts_C=np.zeros(len(to.labels), np.int64),
        sample_hwC=sample_hwC[:, ::step],
        valid_hw=np.zeros((0, len(range(0, width, step))), np.bool_),
        above_1W=np.zeros((0, width), np.uint8),
        step=step,
    )


@dataclass(frozen=True, slots=True)
class _Band:
    """Rows of an image at its full width, of which the blocks arrive from the left.

    `tally` counts the blocks that are there, and has the samples of earlier bands above.
    """

    rows: slice
    labels_HW: LabelMap
    confidence_HW: NDArray[np.uint8]
    rgb_HW3: RgbImage
    tally: Tally

    @classmethod
    def start(cls, rows: slice, width: int, kinds: Collection[str], before: Tally) -> Self:
        """An empty band; a kind that is not written takes no memory."""
        size_HW = rows.stop - rows.start, width
        num = len(range(-rows.start % before.step, size_HW[0], before.step))
        padding = ((0, num), (0, 0), (0, 0))
        samples: Any = np.pad(before.sample_hwC, padding)
        tally = before._replace(
            counts_C=before.counts_C.copy(),
            sample_hwC=samples,
            valid_hw=np.pad(before.valid_hw, padding[:2]),
        )
        return cls(
            rows=rows,
            labels_HW=np.empty(size_HW, np.uint8),
            confidence_HW=np.empty(size_HW if CONFIDENCE in kinds else (0, 0), np.uint8),
            rgb_HW3=np.empty((*size_HW, 3) if OVERLAY in kinds else (0, 0, 3), np.uint8),
            tally=tally,
        )

    def sample(self, columns: slice, data: PixelData) -> None:
        """Take every `step`-th row and column of a block."""
        step = self.tally.step
        part = np.s_[-self.rows.start % step :: step, -columns.start % step :: step]
        sample_hwC = data.image_HWC[part]
        num, left = len(sample_hwC), -(-columns.start // step)
        place = np.s_[len(self.tally.valid_hw) - num :, left : left + sample_hwC.shape[1]]
        self.tally.sample_hwC[place] = sample_hwC
        self.tally.valid_hw[place] = True if data.valid_HW is None else data.valid_HW[part]


@dataclass(slots=True)
class _BandWriter:
    """Decides blocks of logits, and adds the bands that they make to the files by kind."""

    model: Predictor
    source: _Source
    files: Mapping[str, RowFile]
    to: Destination
    image: ImageFile
    tally: Tally
    band: _Band | None = None

    def add_block(self, logits: Logits) -> None:
        """Decide a block, the first of a band or the one at the right of the last."""
        (height, width), top, left = logits.size_HW, logits.rows.first, logits.columns.first
        rows, columns = slice(top, top + height), slice(left, left + width)
        if self.band is None:
            full = self.image.size_HW[1]
            self.band = _Band.start(rows, full, self.files, self.tally)
        data = self.source.read((rows, columns))
        image_HWC, valid_HW = data
        decision = self.model.decide(logits, image_HWC, valid_HW, where=self.source.name)
        labels_HW = decision.labels_HW
        self.band.labels_HW[:, columns] = labels_HW
        if CONFIDENCE in self.files:
            self.band.confidence_HW[:, columns] = to_bytes(decision.confidence_HW)
        if OVERLAY in self.files:
            shown_HW3 = self.to.display.draw(image_HWC, labels_HW != IGNORE)
            self.band.rgb_HW3[:, columns] = shown_HW3
        self._write_shares(decision, left)
        self.band.sample(columns, data)
        counts_C = self.band.tally.counts_C
        counts_C += count_pixels(labels_HW, len(counts_C))

    def end_band(self) -> None:
        """Add the rows of the band to the files."""
        band, self.band = self.band, None
        if band is None:
            return
        if CLASSES in self.files:
            self.files[CLASSES].add_rows(band.labels_HW)
        if CONFIDENCE in self.files:
            self.files[CONFIDENCE].add_rows(band.confidence_HW)
        if OVERLAY in self.files:
            self._add_overlay(band)
        self.tally = band.tally._replace(above_1W=band.labels_HW[-1:])

    def _write_shares(self, decision: Decision, left: int) -> None:
        for kind, file in self.files.items():
            if kind not in PROBABILITIES or not isinstance(file, RawRows):
                continue
            dtype = find_stored_type(kind, self.image.geotags)
            top = decision.logits.rows.first
            for rows_nWK in list_shares(decision):
                file.write_part(top, left, encode_shares(rows_nWK, kind, dtype))
                top += len(rows_nWK)

    def _add_overlay(self, band: _Band) -> None:
        """Draw a band some rows at a time, with the borders to the rows above."""
        palette, above_1W = self.to.labels.palette, self.tally.above_1W
        num, width = band.labels_HW.shape
        for top in range(0, num, step := max(1, _STRIP_PX // width)):
            labels_HW = band.labels_HW[top : top + step]
            overlay_HW3 = draw_overlay(band.rgb_HW3[top : top + step], labels_HW, palette)
            if len(above_1W):
                overlay_HW3[0, labels_HW[0] != above_1W[0]] = 255
            self.files[OVERLAY].add_rows(overlay_HW3)
            above_1W = labels_HW[-1:]
