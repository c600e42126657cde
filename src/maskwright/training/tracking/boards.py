"""Boards: where a run sends its numbers and pictures beside its own page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from maskwright.core.atomic import explain_write_errors


class Board(Protocol):
    """One place; `close` sends what is left."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Send numbers by name."""

    def log_pictures(self, pictures: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Send RGB pictures, H x W x 3, by name."""

    def close(self) -> None:
        """Send what is left; nothing is sent after it."""


class TensorBoard:
    """Event files in the folder `tensorboard` of a run, continued after `step`."""

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = run / "tensorboard"
        with explain_write_errors(self.folder):
            self.writer = SummaryWriter(str(self.folder), purge_step=step)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Write scalars."""
        with explain_write_errors(self.folder):
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

    def log_pictures(self, pictures: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Write images."""
        with explain_write_errors(self.folder):
            for name, picture_HW3 in pictures.items():
                self.writer.add_image(name, picture_HW3, step, dataformats="HWC")
            self.writer.flush()

    def close(self) -> None:
        """Flush and close the event file."""
        self.writer.close()
