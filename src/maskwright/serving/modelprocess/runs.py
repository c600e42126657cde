"""Run lengths of a whole class map in one pass, down the columns or along the rows."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConfigError
from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...core.versioned import Document
from ...data.shapes.runs import encode_coco_text

COLUMNS, ROWS = "columns", "rows"
ORDERS = (COLUMNS, ROWS)


def require_order(order: str) -> None:
    """Refuse another order of pixels.

    Raises:
        ConfigError: Neither columns nor rows.
    """
    if order not in ORDERS:
        raise ConfigError(f"order is {order!r}; choose from {', '.join(ORDERS)}")


def encode_classes(labels_HW: LabelMap, spec: LabelSpec, order: str) -> Document:
    """Each class that is there by name, as counts in COCO's compressed text.

    With the order `columns` these are the `counts` of COCO's RLE, which pycocotools reads; with
    `rows` the same text counts along the rows. Pixels that are IGNORE belong to no class.
    """
    lines = cv2.transpose(labels_HW) if order == COLUMNS else labels_HW
    flat = np.asarray(lines, np.uint8).ravel()
    starts, values = _find_runs(flat)
    ends = np.append(starts[1:], flat.size)
    return {
        spec.names[index]: encode_coco_text(_count(starts, ends, values == index, flat.size))
        for index in np.unique(values).tolist()
        if index != IGNORE
    }


def _find_runs(flat: LabelMap) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Where runs of one value begin, and their values."""
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], changes)).astype(np.int64)
    return starts, flat[starts]


def _count(
    starts: NDArray[np.int64], ends: NDArray[np.int64], is_class: NDArray[Any], size: int
) -> NDArray[np.int64]:
    """Counts of zeros, ones, zeros ... of one class; two runs of it never touch."""
    edges = np.column_stack((starts[is_class], ends[is_class])).ravel()
    last = [size] if edges[-1] < size else []
    return np.diff(np.concatenate(([0], edges, last))).astype(np.int64)
