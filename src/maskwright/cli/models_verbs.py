"""`maskwright models`: what can be chosen as model.arch, and what each choice costs."""

from typing import TYPE_CHECKING, Annotated

import typer

from .console import AsJson, Console, Quiet

if TYPE_CHECKING:
    from ..nn.catalogue import Listed


def register(app: typer.Typer) -> None:
    """Add `models`."""
    app.command()(models)


def models(
    bench: Annotated[
        bool, typer.Option("--bench", help="Also measure time and memory on this machine.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the architectures: size, cost, licence of the weights, what each is good for."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..nn.catalogue import NUM_CLASSES, SIZE_HW
    from ..nn.catalogue import models as run

    found = run(bench=bench, progress=console.progress)
    for line in _table(found):
        console.say(line)
    console.say("")
    console.say(
        f"One image of {SIZE_HW[0]} x {SIZE_HW[1]}, {NUM_CLASSES} classes, default settings; a "
        f"multiply-add counts as 2 FLOPs. Choose with --set model.arch=NAME"
    )
    console.result(
        {
            "size_HW": SIZE_HW,
            "num_classes": NUM_CLASSES,
            "models": [entry.to_json() for entry in found],
        }
    )


def _table(found: "tuple[Listed, ...]") -> list[str]:
    head = ["name", "encoder", "Mparam", "GFLOPs"]
    head += ["ms", "MB"] if any(entry.measured for entry in found) else []
    rows = [[*head, "licence of the weights", "good for"], *map(_cells, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = range(2, len(head))
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cells(entry: "Listed") -> list[str]:
    cells = [
        entry.name,
        entry.encoder,
        f"{entry.num_parameters / 1e6:.2f}",
        f"{entry.flops / 1e9:.1f}",
    ]
    if entry.measured:
        memory_mb = entry.measured.peak_memory_mb
        cells += [f"{entry.measured.latency_ms:.0f}"]
        cells += ["-" if memory_mb is None else f"{memory_mb:.0f}"]
    return [*cells, entry.weights_licence, entry.good_for]
