"""Truth, A, B and where they differ, for images of two reports whose files can still be read.

Only `score` says where its files lay. Each map that is shown was counted again and has the
counts of its report, so a picture never shows another file than the numbers speak of.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.confusion import Confusion
from ...core.errors import DataError, MaskwrightError
from ...core.labels import IGNORE, LabelMap
from ...data.classmaps import ClassMapPair, find_spec
from ...metrics import region
from ...pages.pictures import indexed_png, jpeg
from ..extremes import IGNORED_RGB, WRONG_RGB, marked, panel_colors, shown_size, smaller
from .read import Pair, Side

LOST_RGB = WRONG_RGB
GAINED_RGB = (0, 114, 178)
"""Blue of Okabe and Ito; what was lost is striped beside it."""
BOTH_WRONG_RGB = (110, 110, 110)

_STRIPE_RGB = (255, 220, 190)
_STRIPE_PX = 4


def pictures(pair: Pair, keys: list[str]) -> tuple[dict[str, dict[str, bytes]], str]:
    """Encoded panels by key, and why there are none, which is "" where there are."""
    if not keys:
        return {}, ""
    try:
        sources = [_open(side) for side in (pair.a, pair.b)]
        return {key: _panels(pair, sources, key) for key in keys}, ""
    except MaskwrightError as error:
        return {}, f"No pictures: {error}"


def _open(side: Side) -> ClassMapPair:
    """Truth and predictions of one report, as `score` read them."""
    source = side.report.provenance.maps
    if source is None:
        raise DataError(f"{side.folder} is not a report of `maskwright score`")
    predictions, truth = Path(source.predictions), Path(source.truth)
    for root in (predictions, truth):
        if not root.exists():
            raise DataError(
                f"{root} is not there; run `compare` in the folder where `score` ran"
            )
    spec = Path(source.spec) if source.spec else find_spec(truth) or find_spec(predictions)
    if spec is None:
        raise DataError(f"{truth} has no dataset.yaml or classes.txt")
    maps = ClassMapPair.open(truth, predictions, spec=spec, other_raw=source.raw)
    if maps.reference.spec.names != side.labels.names:
        raise DataError(f"{spec} lists other classes than {side.folder}")
    return maps


def _panels(pair: Pair, sources: list[ClassMapPair], key: str) -> dict[str, bytes]:
    maps = [
        _read_as_counted(side, source, key)
        for side, source in zip((pair.a, pair.b), sources, strict=True)
    ]
    truth_HW = maps[0][1]
    size_hw = shown_size(truth_HW.shape)
    a_hw, b_hw, truth_hw = (smaller(m, size_hw) for m in (maps[0][0], maps[1][0], truth_HW))
    colors = panel_colors(pair.a.labels.palette)
    return {
        "truth": indexed_png(truth_hw, colors),
        "A": indexed_png(a_hw, colors),
        "B": indexed_png(b_hw, colors),
        "change": jpeg(_changed(truth_hw, a_hw, b_hw, colors)),
    }


def _read_as_counted(side: Side, source: ClassMapPair, key: str) -> tuple[LabelMap, LabelMap]:
    if key not in source.keys:
        raise DataError(f"{source.reference.root} no longer holds {key!r}")
    predicted_HW, truth_HW = source.other.read(key), source.reference.read(key)
    counts = region.count(Confusion.from_labels(truth_HW, predicted_HW, len(side.labels)))
    place = side.keys.index(key)
    if any((counts[n] != side.counts[n][place]).any() for n in ("truth", "predicted", "hit")):
        raise DataError(f"{key!r} has changed since {side.folder} was written")
    return predicted_HW, truth_HW


def _changed(
    truth_hw: LabelMap, a_hw: LabelMap, b_hw: LabelMap, colors: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """What was lost (striped), gained and wrong in both, on the pale shapes of truth."""
    right_a, right_b = a_hw == truth_hw, b_hw == truth_hw
    lost_hw, ignored_hw = right_a & ~right_b, truth_hw == IGNORE
    shown_hw3 = marked(
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
