"""`maskwright predict`: predict images with a model."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..pages.text import format_count, format_percent, text_table
from .console import Console, print_text
from .opening import Opening
from .options import (
    AcceptLicence,
    AsJson,
    Dropout,
    Engine,
    KeepIds,
    MaxMemory,
    Model,
    Overlap,
    Overwrite,
    Quiet,
    Refine,
    ResumeFolder,
    Tile,
    Trust,
    Tta,
    Write,
    out_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..inference.folds import FoldPredictors
    from ..inference.predictor import Predictor
    from ..inference.summary import PredictionSummary


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUTS",
        help="Images, folders of images, and - for stdin: one image, or a list of paths.",
    ),
]
Glob = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN", help="Take from folders only images like this: '*_top.jpg'."
    ),
]
AllowDownload = Annotated[
    bool, typer.Option("--allow-download", help="Fetch INPUTS that begin with https://.")
]
OutOfFold = Annotated[
    bool,
    typer.Option(
        "--out-of-fold",
        help="MODEL is a folder of runs on folds, INPUTS their dataset: predict each image "
        "by the run that did not see it.",
    ),
]

Mosaic = Annotated[
    bool,
    typer.Option(
        "--mosaic", help="Join the class maps of georeferenced tiles on one grid: mosaic.tif."
    ),
]
Aoi = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Polygons (GeoJSON, GeoPackage, shapefile) outside of which nothing is predicted.",
    ),
]
Vectorise = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help="Also write class maps as polygons: 'geojson' or 'gpkg'."
    ),
]
Level = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL", help="Level of slides and pyramids: 0 is the finest, or '0.5um'."
    ),
]


def predict(
    model: Model,
    inputs: Inputs,
    *,
    out: Annotated[Path, out_option("Folder for the results.")] = Path("predictions"),
    engine: Engine = None,
    refine: Refine = None,
    tile: Tile = "auto",
    overlap: Overlap = None,
    max_memory: MaxMemory = "4GB",
    tta: Tta = None,
    dropout: Dropout = 0,
    write: Write = None,
    trust: Trust = None,
    glob: Glob = None,
    allow_download: AllowDownload = False,
    out_of_fold: OutOfFold = False,
    accept_licence: AcceptLicence = False,
    mosaic: Mosaic = False,
    aoi: Aoi = None,
    vectorise: Vectorise = None,
    level: Level = None,
    overwrite: Overwrite = False,
    resume: ResumeFolder = False,
    _keep_ids: KeepIds = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict images: class maps, overlays, confidence.

    `--write cvat` (or another format of `convert`) writes labels for a labelling tool.
    """
    console = Console(as_json=as_json, quiet=quiet)
    opening = Opening(engine=engine, refine=refine, trust=trust, accept_licence=accept_licence)
    from ..core.results import MANIFEST, WriteMode
    from ..inference.fetch import fetch_inputs
    from ..inference.predict import predict as run
    from ..inference.tiling import Tiling

    tiling = Tiling.from_text(tile, overlap=overlap, max_memory=max_memory)
    predictor: Predictor | FoldPredictors
    if out_of_fold:
        predictor = opening.open_folds(
            model, inputs[0], tiling=tiling, tta=tta, dropout=dropout
        )
    else:
        predictor = opening.open(model, tiling=tiling, tta=tta, dropout=dropout)
        console.say_all(predictor.notes)
    names = _list_kinds(write, mosaic=mosaic)
    mode = WriteMode(overwrite=overwrite, resume=resume)
    call = partial(run, predictor, glob=glob, aoi=aoi, vectorise=vectorise, level=level)
    with fetch_inputs(inputs, stdin=sys.stdin.buffer, allow_download=allow_download) as paths:
        summary = call(paths, out, write=names, mode=mode, progress=console.progress)
    _print_summary(summary, out, names, console)
    _require_all(summary, out / MANIFEST)


def _list_kinds(write: str | None, *, mosaic: bool) -> tuple[str, ...]:
    """The kinds of files of the options --write and --mosaic."""
    from ..inference.outputs import ALL, MOSAIC

    names: tuple[str, ...] = ALL
    if write is not None:
        names = tuple(write.split(",")) if write else ()
    return (*names, *([MOSAIC] if mosaic and MOSAIC not in names else []))


def _require_all(summary: "PredictionSummary", manifest: Path) -> None:
    """End with status 1 where images could not be predicted, and print why."""
    if not summary.failed:
        return
    for failed in summary.failed:
        print_text(failed.error, err=True)
    typer.echo(
        f"{len(summary.failed)} of {summary.num_images + len(summary.failed)} images "
        f"could not be predicted; {manifest} lists them",
        err=True,
    )
    raise typer.Exit(1)


def _print_summary(
    summary: "PredictionSummary", out: Path, names: "Sequence[str]", console: Console
) -> None:
    """Print the share of each class, what was written, and what there is to say about it."""
    document = summary.to_json()
    rows = [(format_percent(entry["percent"]), entry["name"]) for entry in document["classes"]]
    for line in text_table(("share", "class"), rows, words=(1,)):
        console.say(line)
    console.say(f"{format_count(summary.num_images, 'image')}: {', '.join(names)} in {out}")
    if summary.verdicts:
        console.say(", ".join(f"{count:,} {name}" for name, count in summary.verdicts.items()))
    for account in summary.accounts.values():
        console.say(account.to_text())
    for remark in summary.remarks:
        console.say(remark)
    if summary.passed_over:
        console.say(f"{len(summary.passed_over)} folders of earlier results are passed over")
    console.result({"out": str(out)} | document)
