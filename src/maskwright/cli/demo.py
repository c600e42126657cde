"""`maskwright demo`: the whole path on generated street scenes."""

import typer


def register(app: typer.Typer) -> None:
    """Add `demo`."""
    app.command()(demo)


def demo() -> None:
    """Make a small data set, then check, plan, train, evaluate and predict on it."""
