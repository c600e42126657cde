"""`maskwright models`: list the values of model.arch with the cost of each."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..pages.text import format_number, text_table
from .console import Console, print_text
from .options import AsJson, Quiet, require_torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..nn.catalogue import ListedModel


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAMES", help="Architectures (default: all).", show_default=False
        ),
    ] = None,
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the architectures: size, cost, licence, use.

    The licence is that of the pretrained weights.
    """
    show_architectures(names or (), Console(as_json=as_json, quiet=quiet), bench=False)


def show_architectures(names: "Sequence[str]", console: Console, *, bench: bool) -> None:
    """Print the table of architectures, with `bench` their time and memory here too."""
    require_torch()
    from ..nn.catalogue import NUM_CLASSES, SIZE_HW
    from ..nn.catalogue import models as run

    listed = run(tuple(names), bench=bench, progress=console.progress)
    for line in _table(listed):
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
            "models": [entry.to_json() for entry in listed],
        }
    )
    failed = [f"{entry.name}: {entry.error}" for entry in listed if entry.error]
    for line in failed:
        print_text(line, err=True)
    if failed:
        raise typer.Exit(1)


def _table(models: "Sequence[ListedModel]") -> list[str]:
    measured = any(model.measured for model in models)
    heads = ["name", "encoder", "Mparam", "GFLOPs", *(["ms", "MB"] if measured else [])]
    heads += ["licence of the weights", "good for"]
    rows = (_cells(model, measured=measured) for model in models)
    return text_table(heads, rows, words=(0, 1, len(heads) - 2, len(heads) - 1))


def _cells(model: "ListedModel", *, measured: bool) -> list[str]:
    cells = [
        model.name,
        model.encoder,
        _format_in(1e6, model.num_parameters, decimals=2),
        _format_in(1e9, model.flops, decimals=1),
    ]
    if measured:
        figures = model.measured
        cells += [format_number(figures.latency_ms if figures else None)]
        cells += [format_number(figures.peak_memory_mb if figures else None)]
    return [*cells, model.weights_licence, model.good_for]


def _format_in(unit: float, value: int | None, *, decimals: int) -> str:
    return format_number(None if value is None else value / unit, decimals)
