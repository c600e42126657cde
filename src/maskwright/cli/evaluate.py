"""`maskwright evaluate`: score a model on one split of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Console
from .opening import How, Opening, Providers, RunDevice, RunsOn, Threads, choose_how
from .options import (
    AcceptLicence,
    AllowDownload,
    AllowOutside,
    AsJson,
    DataOrAddress,
    Dropout,
    Engine,
    Group,
    KeepIds,
    MaxMemory,
    Model,
    Overlap,
    Overwrite,
    Precision,
    ProposeMapping,
    Quiet,
    Refine,
    Tile,
    Trust,
    Tta,
    out_option,
)
from .predict import Workers, find_cluster
from .scoring import (
    TOLERANCE,
    Attributes,
    Spacing,
    Surface,
    Tolerance,
    parse_detail,
    print_report,
)

if TYPE_CHECKING:
    from ..data.dataset import FolderDataset
    from ..evaluation.remote import Remote

Gallery = Annotated[
    bool, typer.Option("--gallery", help="Write gallery.html: predictions to browse.")
]


def evaluate(
    model: Model,
    data: DataOrAddress,
    *,
    split: Annotated[str, typer.Option(help="The split to score on.")] = "test",
    out: Annotated[Path, out_option("Folder for the report.")] = Path("report"),
    group: Group = None,
    attributes: Attributes = None,
    gallery: Gallery = False,
    tolerance: Tolerance = TOLERANCE,
    surface: Surface = None,
    spacing: Spacing = None,
    engine: Engine = None,
    precision: Precision = None,
    refine: Refine = None,
    tile: Tile = "auto",
    overlap: Overlap = None,
    max_memory: MaxMemory = "4GB",
    tta: Tta = None,
    dropout: Dropout = 0,
    threads: Threads = None,
    device: RunDevice = "auto",
    providers: Providers = None,
    workers: Workers = None,
    trust: Trust = None,
    accept_licence: AcceptLicence = False,
    propose_mapping: ProposeMapping = None,
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    allow_download: AllowDownload = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score MODEL on one split of DATA: a report."""
    console = Console(as_json=as_json, quiet=quiet)
    on = RunsOn(threads, device, providers)
    opening = Opening(engine, precision, refine, trust, accept_licence=accept_licence, on=on)
    from ..core.results import WriteMode
    from ..evaluation.evaluate import evaluate as score
    from ..evaluation.report.page import add_report, open_report

    detail = parse_detail(full=True, tolerance=tolerance, surface=surface, spacing=spacing)
    how = choose_how(tile, overlap, max_memory, tta, dropout)
    remote = _find_workers(workers, data, opening, model, how)
    with open_report(out, WriteMode(overwrite=overwrite)) as results:
        predictor = opening.open(model, **how)
        console.say_all(predictor.notes)
        report = score(
            predictor,
            _open(data, split, console, outside=allow_outside, download=allow_download),
            detail=detail,
            group=group,
            attributes=attributes,
            gallery_in=results.folder if gallery else None,
            remote=remote,
            progress=console.progress,
        )
        add_report(results, report)
    print_report(report, out, console, propose_mapping=propose_mapping, has_gallery=gallery)


def _open(
    data: str, split: str, console: Console, *, outside: bool, download: bool
) -> "FolderDataset":
    from ..data.dataset import open_dataset
    from ..inference.fetch import HTTP, require_allowed

    require_allowed(data, HTTP, allow_download=download)
    dataset = open_dataset(data, allow_outside=outside, progress=console.progress)
    return dataset.subset(split)


def _find_workers(
    workers: str | None, data: str, opening: Opening, model: str, how: How
) -> "Remote | None":
    """The workers of a cluster, which read the data themselves; None where none is asked for.

    Raises:
        ConfigError: An unknown cluster, or data that machines of another one cannot reach.
    """
    from ..core.errors import ConfigError
    from ..core.storage import find_scheme
    from ..data.reading.archive import SUFFIXES
    from ..evaluation.remote import Remote

    run = find_cluster(workers, opening)
    if run is None:
        return None
    is_copied = find_scheme(data) is not None or data.lower().endswith(SUFFIXES)
    if run.address is not None and is_copied:
        raise ConfigError(
            f"{data}: is copied or unpacked on this machine, where the others of the cluster "
            f"cannot read it; give a folder on a disk that all of them have, or --workers ray"
        )
    return Remote(opening.defer(model, **how), run)
