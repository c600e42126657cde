"""`maskwright predict`: predict images with a model."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..pages.text import format_count, format_percent, text_table
from .console import Console, print_text
from .opening import How, Opening, Providers, RunDevice, RunsOn, Threads, Work, choose_how
from .options import (
    AcceptLicence,
    AllowDownload,
    AsJson,
    Dropout,
    Engine,
    KeepIds,
    MaxMemory,
    Model,
    Overlap,
    Overwrite,
    Precision,
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
    from collections.abc import Callable, Sequence

    from ..core.progress import Progress
    from ..core.results import WriteMode
    from ..inference.cluster import RayWorkers
    from ..inference.folds import FoldPredictors
    from ..inference.predictor import Predictor
    from ..inference.summary import PredictionSummary
    from ..inference.wanted import PredictOptions


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUTS",
        help="Images and folders of images, as paths or addresses (s3://...), and - for stdin: "
        "one image, or a list of paths.",
    ),
]
Glob = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN", help="Take from folders only images like this: '*_top.jpg'."
    ),
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
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="CLUSTER",
        help="Work on the cores of a Ray cluster: 'ray' starts one here, 'ray:ADDRESS' joins "
        "one.",
    ),
]


def predict(
    model: Model,
    inputs: Inputs,
    *,
    out: Annotated[
        str, out_option("Folder for the results, or an address (s3://...).")
    ] = "predictions",
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    device: RunDevice = "auto",
    providers: Providers = None,
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
    workers: Workers = None,
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
    on = RunsOn(threads, device, providers)
    opening = Opening(engine, precision, refine, trust, accept_licence=accept_licence, on=on)
    from ..core.results import WriteMode

    how = choose_how(tile, overlap, max_memory, tta, dropout)
    folds = inputs[0] if out_of_fold else None
    predictor = _open(opening, model, how, console, folds, num_images=_count_files(inputs))
    names = _list_kinds(write, mosaic=mosaic)
    inputs = _resolve(inputs)
    cluster = find_cluster(workers, opening)
    summary = _Prediction(inputs, out, cluster, allow_download=allow_download).run(
        predictor,
        opening.defer(model, **how),
        {"write": names, "glob": glob, "aoi": aoi, "vectorise": vectorise, "level": level},
        WriteMode(overwrite=overwrite, resume=resume),
        console.progress,
    )
    _print_summary(summary, out, names, console)


def _open(
    opening: Opening,
    model: str,
    how: How,
    console: Console,
    folds: str | None,
    *,
    num_images: int,
) -> "Predictor | FoldPredictors":
    """The model, or the runs on the folds of a dataset."""
    if folds is not None:
        return opening.open_folds(model, folds, **how)
    work: Work = {"num_images": num_images, "progress": console.progress}
    predictor = opening.open(model, work, **how)
    console.say_all(predictor.notes)
    return predictor


def find_cluster(workers: str | None, opening: Opening) -> "RayWorkers | None":
    """The cluster that `--workers` names, whose engines have the options of the verb."""
    from ..inference.cluster import RayWorkers

    return None if workers is None else RayWorkers.parse(workers, options=opening.options)


@dataclass(frozen=True, slots=True)
class _Prediction:
    """From where and to where images are predicted, and by what."""

    inputs: list[str]
    out: str
    workers: "RayWorkers | None"
    allow_download: bool

    @property
    def has_stores(self) -> bool:
        """Whether an input lies in a store; a single image at https is fetched as ever."""
        from ..core.storage import find_scheme
        from ..data.pixels.images import image_suffixes

        return any(
            find_scheme(name) not in {None, "https"}
            or (find_scheme(name) == "https" and not name.lower().endswith(image_suffixes()))
            for name in self.inputs
        )

    @property
    def is_in_shards(self) -> bool:
        """Whether the images are predicted on a cluster, from stores, or into one."""
        from ..core.storage import find_scheme

        return self.workers is not None or self.has_stores or find_scheme(self.out) is not None

    def run(
        self,
        model: "Predictor | FoldPredictors",
        open_model: "Callable[..., Predictor]",
        options: "PredictOptions",
        mode: "WriteMode",
        progress: "Progress",
    ) -> "PredictionSummary":
        """Predict the inputs by `model`, or by those that workers open by `open_model`."""
        from ..core.storage import to_path
        from ..inference.fetch import fetch_inputs
        from ..inference.predict import predict as predict_here

        fetched = [] if self.has_stores else self.inputs
        with fetch_inputs(
            fetched, stdin=sys.stdin.buffer, allow_download=self.allow_download
        ) as paths:
            if not self.is_in_shards:
                out = to_path(self.out)
                return predict_here(model, paths, out, mode=mode, progress=progress, **options)
            return self._run_in_shards(model, open_model, paths, options, mode, progress)

    def _run_in_shards(
        self,
        model: "Predictor | FoldPredictors",
        open_model: "Callable[..., Predictor]",
        paths: "list[Path]",
        options: "PredictOptions",
        mode: "WriteMode",
        progress: "Progress",
    ) -> "PredictionSummary":
        from ..core.errors import ConfigError
        from ..inference.fetch import HTTP, require_allowed
        from ..inference.folds import FoldPredictors
        from ..inference.scatter import predict_in_shards

        if isinstance(model, FoldPredictors):
            raise ConfigError(
                "--out-of-fold predicts from a folder into a folder, in one process; leave out "
                "--workers and addresses"
            )
        for name in self.inputs:
            require_allowed(name, HTTP, allow_download=self.allow_download)
        return predict_in_shards(
            (lambda **_: model) if self.workers is None else open_model,
            self.inputs if self.has_stores else paths,
            self.out,
            run=self.workers,
            mode=mode,
            progress=progress,
            **options,
        )


def _resolve(inputs: list[str]) -> list[str]:
    """Paths as paths, without file://; addresses as they are."""
    from ..core.storage import find_scheme, to_path

    return [name if find_scheme(name) else str(to_path(name)) for name in inputs]


def _count_files(inputs: list[str]) -> int:
    """The files of images among the inputs that lie here."""
    from ..core.storage import find_scheme, to_path
    from ..inference.inputs import count_files

    return count_files(to_path(name) for name in inputs if not find_scheme(name))


def _list_kinds(write: str | None, *, mosaic: bool) -> tuple[str, ...]:
    """The kinds of files of the options --write and --mosaic."""
    from ..inference.outputs import ALL, MOSAIC

    names: tuple[str, ...] = ALL
    if write is not None:
        names = tuple(write.split(",")) if write else ()
    return (*names, *([MOSAIC] if mosaic and MOSAIC not in names else []))


def _require_all(summary: "PredictionSummary", manifest: str) -> None:
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
    summary: "PredictionSummary", out: str, names: "Sequence[str]", console: Console
) -> None:
    """Print the share of each class, what was written, and what there is to say about it.

    Ends with status 1 where images could not be predicted.
    """
    from ..core.results import MANIFEST

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
    console.result({"out": out} | document)
    _require_all(summary, f"{out}/{MANIFEST}")
