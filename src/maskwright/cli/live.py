"""The live table of a training run on a terminal; one line per epoch anywhere else."""

from typing import TYPE_CHECKING

from ..pages.text import format_share
from .console import Console

if TYPE_CHECKING:
    from rich.table import Table

    from ..training.job import Status


class Live:
    """Show the status after each step: `show` is the run's `on_step` callback."""

    def __init__(self, console: Console) -> None:
        from rich.console import Console as Terminal
        from rich.live import Live as Screen

        self.console = console
        terminal = Terminal(stderr=True)
        self.on_screen = terminal.is_terminal and not console.quiet
        self.screen = Screen(console=terminal, refresh_per_second=4, transient=False)
        self.running = False
        self.epoch = -1

    def show(self, status: "Status") -> None:
        """Refresh the table, or print a line when an epoch has ended."""
        if self.on_screen:
            if not self.running:
                self.screen.start()
                self.running = True
            self.screen.update(_table(status))
            if status.step == status.num_steps:
                self.stop()
        elif status.epoch != self.epoch:
            self.epoch = status.epoch
            self.console.say("  ".join(f"{k} {v}" for k, v in _cells(status).items()))

    def stop(self) -> None:
        """Leave the last table standing."""
        if self.running:
            self.screen.stop()
            self.running = False


def _cells(status: "Status") -> dict[str, str]:
    minutes, seconds = divmod(round(status.left_s), 60)
    return {
        "epoch": str(status.epoch),
        "step": f"{status.step}/{status.num_steps}",
        "loss": f"{status.loss:.4f}",
        "val mIoU": format_share(status.miou, 2),
        "best": format_share(status.best_miou, 2),
        "images/s": f"{status.images_per_s:.1f}",
        "left": f"{minutes}m{seconds:02d}s",
    }


def _table(status: "Status") -> "Table":
    from rich.table import Table

    cells = _cells(status)
    table = Table(*cells)
    table.add_row(*cells.values())
    return table
