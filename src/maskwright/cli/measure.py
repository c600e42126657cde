"""`maskwright measure`: areas, widths, lengths and gaps from class maps alone."""

from pathlib import Path
from typing import Annotated

import typer

from .console import BAD_VERDICT, Console, print_text
from .options import (
    Align,
    AsJson,
    KeepIds,
    MinArea,
    MmPerPx,
    Overwrite,
    Quiet,
    Roi,
    Rules,
    Spec,
    out_option,
)

Maps = Annotated[Path, typer.Argument(metavar="MAPS", help="A class map, or a folder of them.")]
Images = Annotated[Path | None, typer.Option(help="The photographs, under the overlays.")]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLASS", help="List the regions of CLASS, or of all classes: all; repeatable."
    ),
]
Gaps = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B", help="Least distance between two classes; repeatable."),
]
Thin = Annotated[
    list[str] | None,
    typer.Option(metavar="CLASS", help="Measure length and width of a thin class; repeatable."),
]
Before = Annotated[
    Path | None, typer.Option(help="Class maps of the same places at an earlier date.")
]


def measure(
    maps: Maps,
    *,
    spec: Spec = None,
    images: Images = None,
    mm_per_px: MmPerPx = None,
    roi: Roi = None,
    regions: Regions = None,
    gap: Gaps = None,
    thin: Thin = None,
    min_area: MinArea = 0.0,
    before: Before = None,
    align: Align = False,
    rules: Rules = None,
    out: Annotated[Path, out_option("Folder for the results.")] = Path("measurements"),
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure class maps: coverage, change, gaps, regions, cracks."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..measurement.measure import measure as run
    from ..measurement.output.text import list_failures, to_text
    from ..measurement.series import MeasureOptions

    options = MeasureOptions(
        spec=spec,
        images=images,
        before=before,
        align=align,
        mm_per_px=mm_per_px,
        roi=roi,
        rules=rules,
        regions=tuple(regions or ()),
        gaps=tuple(_pair(text) for text in gap or ()),
        thin=tuple(thin or ()),
        min_area=min_area,
    )
    mode = WriteMode(overwrite=overwrite)
    measurements = run(maps, options, out=out, mode=mode, progress=console.progress)
    console.say(to_text(measurements))
    console.say(f"{out / 'report.html'} shows it; the tables are beside it")
    console.result({"out": str(out)} | measurements.to_json())
    if not measurements.passed:
        print_text(list_failures(measurements), err=True)
        raise typer.Exit(BAD_VERDICT)


def _pair(text: str) -> tuple[str, str]:
    first, comma, second = text.partition(",")
    if not comma or not first.strip() or not second.strip():
        raise typer.BadParameter(f"{text!r}: give two classes, A,B", param_hint="--gap")
    return first.strip(), second.strip()
