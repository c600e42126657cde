"""The log of a run: log.csv with one row per epoch, and the same numbers for TensorBoard."""

import csv
import io
import time
from pathlib import Path

from maskwright.core.atomic import explain_write_errors, write_text

from .checkpoint import RunProgress

FILE_NAME = "log.csv"
COLUMNS = ("epoch", "step", "loss", "lr", "val_miou", "seconds")


class RunLog:
    """Writes the log in the main process; a resumed run drops the rows after its checkpoint."""

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = run / FILE_NAME
        self.rows = _read_rows(self.path, step)
        self.earlier_s = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.started_s = time.monotonic()
        with explain_write_errors(self.path):
            self.board = SummaryWriter(str(run / "tensorboard"), purge_step=step)

    def close(self) -> None:
        """Flush TensorBoard; log.csv is always complete."""
        self.board.close()

    def add_epoch(
        self, progress: RunProgress, loss: float, lr: float, miou: float | None
    ) -> None:
        """Add the row of an epoch that ended; `miou` is None without a validation."""
        seconds = self.earlier_s + time.monotonic() - self.started_s
        row = {
            "epoch": str(progress.epoch),
            "step": str(progress.step),
            "loss": f"{loss:.6g}",
            "lr": f"{lr:.6g}",
            "val_miou": "" if miou is None else f"{miou:.6f}",
            "seconds": f"{seconds:.1f}",
        }
        self.rows.append(row)
        write_text(self.path, _format_csv(self.rows))
        with explain_write_errors(self.path):
            for name in ("loss", "lr", "val_miou"):
                if row[name]:
                    self.board.add_scalar(name, float(row[name]), progress.step)
            self.board.flush()


def _read_rows(path: Path, step: int) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= step]


def _format_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
