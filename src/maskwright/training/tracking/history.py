"""The history of a run, in three tables that a resumed run continues.

    log.csv    one row per epoch
    steps.csv  means of some steps: loss, learning rate, speed, and use of the machine
    iou.csv    one row per validation: mIoU, then IoU of each class, empty without any of it

Shares of the machine are of 1; a cell is empty where a share is not known.
"""

import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskwright.core.atomic import write_text
from maskwright.pages.csvfile import read_rows, write_rows

from ..checkpoint import RunProgress

LOG, STEPS, IOU = "log.csv", "steps.csv", "iou.csv"
LOG_COLUMNS = ("epoch", "step", "loss", "lr", "val_miou", "seconds")
IOU_COLUMNS = ("step", "seconds", "miou")
"""Before those of the classes."""

NUM_POINTS = 200
"""Rows of steps.csv of a run of the planned length, or fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPoint:
    """Means of some steps, the last of which is `step`; NaN where a value is not known.

    `wait` is the share of the time in which training waited for data, `memory` and
    `gpu_memory` are those in use of all.
    """

    step: int
    seconds: float
    loss: float
    lr: float
    images_per_s: float
    wait: float
    cpu: float
    memory: float
    gpu: float = math.nan
    gpu_memory: float = math.nan


STEP_COLUMNS = tuple(column.name for column in fields(StepPoint))


@dataclass(slots=True)
class Table:
    """Rows of text below `columns`; `path` is written whole."""

    path: Path
    columns: tuple[str, ...]
    rows: list[list[str]] = field(default_factory=list)

    @classmethod
    def resume(cls, path: Path, columns: Sequence[str], step: int) -> "Table":
        """The table of a run that continues after `step`: later rows are dropped."""
        table = cls(path, tuple(columns), read_table(path, columns))
        at = table.columns.index("step")
        table.rows = [row for row in table.rows if int(row[at]) <= step]
        return table

    def write(self) -> None:
        """Write the file under a temporary name, then rename it."""
        text = io.StringIO()
        write_row = write_rows(text)
        write_row(self.columns)
        for row in self.rows:
            write_row(row)
        write_text(self.path, text.getvalue())


class History:
    """The tables of one run, written in the main process; `step` is that of its checkpoint."""

    def __init__(self, run: Path, class_names: Sequence[str], step: int) -> None:
        self.log = Table.resume(run / LOG, LOG_COLUMNS, step)
        self.steps = Table.resume(run / STEPS, STEP_COLUMNS, step)
        self.iou = Table.resume(run / IOU, (*IOU_COLUMNS, *class_names), step)
        self.earlier_s = float(self.log.rows[-1][-1]) if self.log.rows else 0.0
        self.started_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training up to now, those before a resumption included."""
        return self.earlier_s + time.monotonic() - self.started_s

    def add_epoch(
        self, progress: RunProgress, loss: float, lr: float, miou: float | None
    ) -> None:
        """Add and write the row of an epoch that ended; `miou` is None without validation."""
        shown = "" if miou is None else f"{miou:.6f}"
        numbers = (f"{loss:.6g}", f"{lr:.6g}", shown, f"{self.seconds:.1f}")
        self.log.rows.append([str(progress.epoch), str(progress.step), *numbers])
        self.log.write()

    def add_point(self, point: StepPoint) -> None:
        """Add a row to steps.csv, which `write_steps` writes."""
        values = [getattr(point, name) for name in self.steps.columns[1:]]
        cells = ("" if math.isnan(value) else f"{value:.6g}" for value in values)
        self.steps.rows.append([str(point.step), *cells])

    def write_steps(self) -> None:
        """Write steps.csv."""
        self.steps.write()

    def add_validation(self, step: int, miou: float, ious: Sequence[float]) -> None:
        """Add and write the row of a validation: shares of 1, NaN where a class is absent."""
        cells = ("" if math.isnan(iou) else f"{iou:.6f}" for iou in (miou, *ious))
        self.iou.rows.append([str(step), f"{self.seconds:.1f}", *cells])
        self.iou.write()


def read_table(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """The rows of a table with these columns; none where it is missing or has others."""
    if not path.is_file():
        return []
    head, *rows = list(read_rows(path)) or [[]]
    return rows if head == list(columns) else []


def read_columns(path: Path, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The columns of numbers of a table by name, (N,) each, NaN where a cell is empty."""
    rows = [[float(cell or "nan") for cell in row] for row in read_table(path, columns)]
    values_NK = np.array(rows, np.float64).reshape(len(rows), len(columns))
    return dict(zip(columns, values_NK.T, strict=True))
