"""Accuracy of a view: the scores of its images whose truth has come, with intervals.

The loss of an image outlives its row: the test of losses needs the first ones for ever.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.confusion import Confusion
from ...core.scores import Margins, iou, mean_iou
from ...monitoring.risk import Risk, judge_risk, measure_loss
from ...store.database import Connection, read_meta, write_meta
from ...store.records import Record, RecordFilter, list_numbered, list_truth_counts
from .view import View

NUM_REFERENCE = 100
"""The first images with truth of a Bundle: the loss of later ones is tested against theirs."""

_BOOTSTRAPS, _LEAST_GROUPS = 499, 3
_ENDS = (0.025, 0.975)

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accuracy:
    """IoU of each class (C,) and its mean, with 95 % intervals, of `num_images`.

    Intervals come from a bootstrap of groups, the images of one source in one column of the
    view: images that follow each other are alike. They are NaN below three groups.
    `mean_N` is the mean IoU of each column, NaN without truth, and `mean_2N` its interval, from
    a bootstrap of the images of the column.
    """

    num_images: int
    names: tuple[str, ...]
    iou_C: Rows
    interval_2C: Rows
    mean: float
    mean_interval: tuple[float, float]
    mean_N: Rows
    mean_2N: Rows


def measure_accuracy(
    records: Sequence[Record], view: View, num_columns: int
) -> Accuracy | None:
    """The accuracy of records that have a score; None without any."""
    if not records:
        return None
    counts_NCC = np.array([record.score for record in records])
    columns = [int((record.at - view.start) // view.column_s) for record in records]
    keys = [(k, record.source) for k, record in zip(columns, records, strict=True)]
    index_of = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    groups_GCC = np.zeros((len(index_of), *counts_NCC.shape[1:]), np.int64)
    of_columns_NCC = np.zeros((num_columns, *counts_NCC.shape[1:]), np.int64)
    np.add.at(groups_GCC, [index_of[key] for key in keys], counts_NCC)
    np.add.at(of_columns_NCC, columns, counts_NCC)
    total = Margins.from_counts(groups_GCC.sum(0))
    interval_2C, (low, high) = _find_intervals(groups_GCC)
    return Accuracy(
        num_images=len(records),
        names=tuple(records[0].families["classes"]),
        iou_C=iou(total),
        interval_2C=interval_2C,
        mean=float(mean_iou(total)),
        mean_interval=(float(low), float(high)),
        mean_N=mean_iou(Margins.from_counts(of_columns_NCC)),
        mean_2N=_find_column_intervals(counts_NCC, np.array(columns), num_columns),
    )


def judge_losses(losses: Sequence[float]) -> Risk | None:
    """Whether the loss has risen since the first images with truth; None without later ones.

    `losses` are all of a Bundle, in the order of the images.
    """
    if len(losses) <= NUM_REFERENCE:
        return None
    return judge_risk(losses[:NUM_REFERENCE], losses[NUM_REFERENCE:])


def read_losses(connection: Connection, bundle: str) -> list[float]:
    """The loss of each image of a Bundle whose truth has come, in the order of the images."""
    found = _read_losses(connection, RecordFilter(bundle=bundle)).get(bundle, {})
    return [loss for _, loss in sorted((_read_kept(connection, bundle) | found).items())]


def list_worst(connection: Connection, bundle: str, most: int) -> list[Record]:
    """The images of the largest loss among the last `NUM_REFERENCE` with truth, worst first."""
    losses = _read_losses(connection, RecordFilter(bundle=bundle)).get(bundle, {})
    last = sorted(losses)[-NUM_REFERENCE:]
    return list_numbered(connection, sorted(last, key=lambda n: -losses[n])[:most])


def keep_losses(connection: Connection, going: RecordFilter) -> None:
    """Keep the losses of rows that are removed next."""
    for bundle, losses in _read_losses(connection, going).items():
        whole = _read_kept(connection, bundle) | losses
        write_meta(connection, _name(bundle), json.dumps(list(whole.items())))


def _read_losses(connection: Connection, chosen: RecordFilter) -> dict[str, dict[int, float]]:
    """By Bundle and number of the row."""
    found: dict[str, dict[int, float]] = {}
    for bundle, n, score in list_truth_counts(connection, chosen):
        loss = measure_loss(Confusion(np.array(score, np.int64)))
        found.setdefault(bundle, {})[n] = round(loss, 6)
    return found


def _read_kept(connection: Connection, bundle: str) -> dict[int, float]:
    """Those of rows that are gone."""
    return dict(json.loads(read_meta(connection, _name(bundle)) or "[]"))


def _name(bundle: str) -> str:
    """The name under which the store keeps losses."""
    return f"losses {bundle}"


def _find_column_intervals(
    counts_NCC: NDArray[np.int64], column_N: NDArray[np.int64], num_columns: int
) -> Rows:
    """The intervals (2, columns) of mean IoU; NaN below three images."""
    found_2N = np.full((2, num_columns), np.nan)
    for column in np.unique(column_N).tolist():
        _, found_2N[:, column] = _find_intervals(counts_NCC[column_N == column])
    return found_2N


def _find_intervals(groups_GCC: NDArray[np.int64]) -> tuple[Rows, Rows]:
    """The intervals of the IoU of each class (2, C) and of its mean (2,), by a bootstrap."""
    num, interval_2C = len(groups_GCC), np.full((2, groups_GCC.shape[-1]), np.nan)
    if num < _LEAST_GROUPS:
        return interval_2C, np.full(2, np.nan)
    rng = np.random.default_rng(0)
    weights_BG = rng.multinomial(num, np.full(num, 1 / num), size=_BOOTSTRAPS)
    drawn = Margins.from_counts(np.tensordot(weights_BG, groups_GCC, axes=1))
    iou_BC = iou(drawn)
    is_known_C = ~np.isnan(iou_BC).all(axis=0)
    interval_2C[:, is_known_C] = np.nanquantile(iou_BC[:, is_known_C], _ENDS, axis=0)
    return interval_2C, np.nanquantile(mean_iou(drawn), _ENDS)
