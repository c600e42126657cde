"""A network that is compared: its graphs in a Bundle, and what was tried with it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from maskwright.core.errors import BundleError, ConfigError, DataError
from maskwright.core.progress import Progress
from maskwright.core.versioned import Document
from maskwright.data.protocol import Dataset
from maskwright.export.bundle import export_scored
from maskwright.export.quality import QualityTest, choose_split
from maskwright.export.source import Source
from maskwright.inference.engine import FP32

from .candidates import Candidate, Wish

SMALLER = ("fp16", "int8")
"""Precisions that graphs are written in after fp32; an engine may cast to others."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How engines are timed: which ones (None: all), the size of the input, and threads."""

    engines: Sequence[str] | None
    size_HW: tuple[int, int]
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How networks are compared: data, what may be lost, and how they are timed.

    `trains_int8_s` are seconds of training for int8 that loses too much by calibration, where
    the wish names none.
    """

    dataset: Dataset
    wish: Wish
    timed: Timing
    trains_int8_s: float | None
    keep_parity_images: bool
    progress: Progress
    log: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What one network gave: its candidates, what did not run, and the seconds that it took.

    `how` says how the network was made, `judging_s` are the seconds without its training.
    """

    network: str
    how: str
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    seconds: float
    judging_s: float

    def to_json(self) -> Document:
        """A line of the journal; `from_json` undoes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Document) -> Self:
        """Undo `to_json`."""
        candidates = tuple(Candidate(**one) for one in line["candidates"])
        return cls(**line | {"candidates": candidates, "notes": tuple(line["notes"])})


def open_test(model: Path | str, setting: Setting) -> QualityTest:
    """Run the network of a model on the validation split, beside which graphs are scored.

    Raises:
        BundleError: Not a model.
        DataError: The data have no labels, or other classes than the model.
    """
    network = Source.open(model, accept_licence=False).load()
    data, split = choose_split(setting.dataset.with_input(network.card.input))
    lacking = sum(not data.has_labels(index) for index in range(len(data)))
    if lacking:
        raise DataError(
            f"{data.source}: {lacking} of {len(data)} images ({split}) have no labels; "
            f"compress scores every graph on labels"
        )
    return QualityTest(network.engine, network.card, data, split, setting.progress)


def write_graphs(
    model: Path | str,
    path: Path,
    setting: Setting,
    test: QualityTest,
    *,
    whole_miou: float | None = None,
) -> list[str]:
    """Write the Bundle `path` with a graph in each precision, and say which could not be.

    The graph of int8 may lose what the wish leaves of the mIoU `whole_miou` of the network
    given; None where it is the network itself. `path` may be `model`, `test` is of its network.

    Raises:
        BundleError: Not a model, or its ONNX graph disagrees with the network.
        ConfigError: The network cannot be exported.
    """
    setting.log("writing the graph in fp32")
    _export(model, path, FP32, setting, test)
    allowed = setting.wish.max_drop_points
    lost = 0.0 if whole_miou is None else 100 * (whole_miou - test.network_miou)
    if lost <= allowed:
        allowed -= lost
    notes = []
    for precision in SMALLER:
        setting.log(f"writing the graph in {precision}")
        try:
            _export(path, path, precision, setting, test, max_drop_points=allowed)
        except (BundleError, ConfigError) as error:
            notes.append(f"no {precision}: {error}")
    return notes


def _export(
    model: Path | str,
    path: Path,
    precision: str,
    setting: Setting,
    test: QualityTest,
    *,
    max_drop_points: float = 0.0,
) -> None:
    qat_s = setting.wish.qat_s or setting.trains_int8_s
    export_scored(
        model,
        path,
        setting.dataset,
        test,
        precision=precision,
        max_drop_points=max_drop_points,
        qat_s=qat_s if precision == "int8" else None,
        keep_parity_images=setting.keep_parity_images,
        progress=setting.progress,
        log=setting.log,
    )
