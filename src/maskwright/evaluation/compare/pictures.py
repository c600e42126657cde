"""Pictures of truth, A, B and their differences, where the files of both reports still exist.

Only reports of `score` name the folders of their files. Every map is counted again before it is
shown and must have the counts of its report, so that pictures and numbers are of the same file.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.confusion import Confusion
from ...core.errors import DataError, MaskwrightError
from ...core.labels import IGNORE, LabelMap
from ...data.classmaps import ClassMapPair, find_spec
from ...metrics import region
from ...pages.pictures import encode_indexed_png, encode_jpeg
from ..extremes import (
    IGNORED_RGB,
    WRONG_RGB,
    compute_shown_size,
    draw_marks,
    panel_colors,
    resize_labels,
)
from .read import ReportFolder, ReportPair

LOST_RGB = WRONG_RGB
GAINED_RGB = (0, 114, 178)
"""Blue of Okabe and Ito; lost pixels are also striped, so that colour alone decides nothing."""
BOTH_WRONG_RGB = (110, 110, 110)

_STRIPE_RGB = (255, 220, 190)
_STRIPE_PX = 4


def draw_pictures(pair: ReportPair, keys: list[str]) -> tuple[dict[str, dict[str, bytes]], str]:
    """Encoded panels by key, and the reason where there are none, else ""."""
    if not keys:
        return {}, ""
    try:
        sources = [_open(folder) for folder in (pair.a, pair.b)]
        return {key: _panels(pair, sources, key) for key in keys}, ""
    except MaskwrightError as error:
        return {}, f"No pictures: {error}"


def _open(folder: ReportFolder) -> ClassMapPair:
    """Truth and predictions of one report, as `score` read them."""
    source = folder.report.provenance.maps
    if source is None:
        raise DataError(f"{folder.path} is not a report of `maskwright score`")
    predictions, truth = Path(source.predictions), Path(source.truth)
    for root in (predictions, truth):
        if not root.exists():
            raise DataError(
                f"{root} does not exist; run `compare` in the folder where `score` ran"
            )
    spec = Path(source.spec) if source.spec else find_spec(truth) or find_spec(predictions)
    if spec is None:
        raise DataError(f"{truth} has no dataset.yaml or classes.txt")
    maps = ClassMapPair.open(truth, predictions, spec=spec, other_raw=source.raw)
    if maps.reference.spec.names != folder.labels.names:
        raise DataError(f"{spec} lists other classes than {folder.path}")
    return maps


def _panels(pair: ReportPair, sources: list[ClassMapPair], key: str) -> dict[str, bytes]:
    maps = [
        _read_as_counted(folder, source, key)
        for folder, source in zip((pair.a, pair.b), sources, strict=True)
    ]
    truth_HW = maps[0][1]
    size_hw = compute_shown_size(truth_HW.shape)
    a_hw, b_hw, truth_hw = (
        resize_labels(m, size_hw) for m in (maps[0][0], maps[1][0], truth_HW)
    )
    colors = panel_colors(pair.a.labels.palette)
    return {
        "truth": encode_indexed_png(truth_hw, colors),
        "A": encode_indexed_png(a_hw, colors),
        "B": encode_indexed_png(b_hw, colors),
        "change": encode_jpeg(_draw_changes(truth_hw, a_hw, b_hw, colors)),
    }


def _read_as_counted(
    folder: ReportFolder, source: ClassMapPair, key: str
) -> tuple[LabelMap, LabelMap]:
    if key not in source.keys:
        raise DataError(f"{source.reference.root} no longer holds {key!r}")
    predicted_HW, truth_HW = source.other.read(key), source.reference.read(key)
    counts = region.count(Confusion.from_labels(truth_HW, predicted_HW, len(folder.labels)))
    index = folder.keys.index(key)
    if any((counts[n] != folder.counts[n][index]).any() for n in ("truth", "predicted", "hit")):
        raise DataError(f"{key!r} has changed since {folder.path} was written")
    return predicted_HW, truth_HW


def _draw_changes(
    truth_hw: LabelMap, a_hw: LabelMap, b_hw: LabelMap, colors: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Pixels lost (striped), gained and wrong in both, on the pale shapes of truth."""
    right_a, right_b = a_hw == truth_hw, b_hw == truth_hw
    lost_hw, ignored_hw = right_a & ~right_b, truth_hw == IGNORE
    shown_hw3 = draw_marks(
        colors[truth_hw],
        {
            BOTH_WRONG_RGB: ~right_a & ~right_b,
            GAINED_RGB: right_b & ~right_a,
            LOST_RGB: lost_hw,
            IGNORED_RGB: ignored_hw,
        },
    )
    y, x = np.indices(truth_hw.shape)
    stripes_hw = (x + y) // _STRIPE_PX % 2 == 0
    shown_hw3[lost_hw & stripes_hw & ~ignored_hw] = _STRIPE_RGB
    return shown_hw3
