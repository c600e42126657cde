"""Console: where the text, the result and the progress bars of a command go."""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import typer

from ..pages.text import escape_controls, wrap_lines

BAD_VERDICT = 3
"""Exit status of a command that ran to its end and whose verdict is bad."""

T = TypeVar("T")
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Output of one command, as its `--json` and `--quiet` ask."""

    as_json: bool = False
    quiet: bool = False

    def say(self, text: str) -> None:
        """A line for people: on stdout, on stderr with `--json`, nowhere with `--quiet`."""
        if not self.quiet:
            print_text(text, err=self.as_json)

    def say_all(self, lines: Iterable[str]) -> None:
        """Lines for people, as `say` prints each."""
        for line in lines:
            self.say(line)

    def result(self, document: Any) -> None:
        """The command's one JSON document, printed only with `--json`; None stands for NaN."""
        if self.as_json:
            typer.echo(json.dumps(document, indent=1, allow_nan=False))

    def progress(self, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:
        """A core Progress: a bar on stderr, on terminals, once the work has lasted 2 s.

        One item alone has a bar from the start, with the time that has passed.
        """
        remaining = iter(items)
        if self.quiet:
            yield from remaining
            return
        if total == 1:  # one long step, of which no part is seen
            yield from _show_bar(remaining, done=0, total=None, what=what)
            return
        started_s = time.monotonic()
        for done, item in enumerate(remaining, start=1):
            yield item
            if time.monotonic() - started_s > _PATIENCE_S:
                yield from _show_bar(remaining, done=done, total=total, what=what)


def print_text(text: str, *, err: bool = False) -> None:
    """Print text for people; control characters in names of files and classes are escaped.

    On a terminal, long lines are wrapped between words.
    """
    text = escape_controls(text)
    if (sys.stderr if err else sys.stdout).isatty():
        text = wrap_lines(text, shutil.get_terminal_size().columns)
    typer.echo(text, err=err)


def _show_bar(items: Iterator[T], *, done: int, total: int | None, what: str) -> Iterator[T]:
    """Show a bar while the items are worked on; one that only moves where `total` is None."""
    from rich.console import Console as Terminal
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns: tuple[ProgressColumn, ...] = (TextColumn("{task.description}"), BarColumn())
    if total is None:
        columns += (TimeElapsedColumn(),)
    else:
        columns += (MofNCompleteColumn(), TimeRemainingColumn())
    terminal = Terminal(stderr=True)
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal) as bar:
        task = bar.add_task(what, total=total, completed=done)
        for item in items:
            yield item
            bar.advance(task)
