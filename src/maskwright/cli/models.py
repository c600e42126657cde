"""`maskwright models`: what can be chosen as model.arch, and what each choice costs."""

from typing import TYPE_CHECKING, Annotated

import typer

from .console import Console
from .options import AsJson, Quiet

if TYPE_CHECKING:
    from ..nn.catalogue import Listed


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Architectures; without, all.", show_default=False),
    ] = None,
    bench: Annotated[
        bool, typer.Option("--bench", help="Also measure time and memory on this machine.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the architectures: size, cost, licence, use.

    The licence is that of the pretrained weights.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..nn.catalogue import NUM_CLASSES, SIZE_HW
    from ..nn.catalogue import models as run

    found = run(tuple(names or ()), bench=bench, progress=console.progress)
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
    failed = [f"{entry.name}: {entry.error}" for entry in found if entry.error]
    for line in failed:
        typer.echo(line, err=True)
    if failed:
        raise typer.Exit(1)


def _table(found: "tuple[Listed, ...]") -> list[str]:
    measured = any(entry.measured for entry in found)
    head = ["name", "encoder", "Mparam", "GFLOPs", *(["ms", "MB"] if measured else [])]
    rows = [
        [*head, "licence of the weights", "good for"],
        *(_cells(entry, measured=measured) for entry in found),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = range(2, len(head))
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cells(entry: "Listed", *, measured: bool) -> list[str]:
    cells = [
        entry.name,
        entry.encoder,
        _number(entry.num_parameters, 1e6, digits=2),
        _number(entry.flops, 1e9, digits=1),
    ]
    if measured:
        found = entry.measured
        cells += [_number(found.latency_ms if found else None)]
        cells += [_number(found.peak_memory_mb if found else None)]
    return [*cells, entry.weights_licence, entry.good_for]


def _number(value: float | None, unit: float = 1, *, digits: int = 0) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
