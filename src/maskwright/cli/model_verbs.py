"""`maskwright evaluate` and `maskwright predict`: a model on labelled and on new images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import AsJson, Console, Quiet
from .score_verbs import (
    TOLERANCE,
    Attributes,
    Spacing,
    Surface,
    Tolerance,
    detail_of,
    tell,
)

if TYPE_CHECKING:
    from ..inference.dense_crf import DenseCRF

Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="A bundle (needs no torch), or a run folder (runs on torch)."
    ),
]

Refine = Annotated[
    str | None,
    typer.Option(
        metavar="crf",
        help="'crf': a fully connected CRF on each image; or with values, 'crf:w1=5,w2=1'.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add `evaluate` and `predict`."""
    app.command()(evaluate)
    app.command()(predict)


def evaluate(
    model: Model,
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A dataset folder, or its dataset.yaml.")
    ],
    split: Annotated[str, typer.Option(help="The split to score on.")] = "test",
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the report.")] = Path(
        "report"
    ),
    attributes: Attributes = None,
    tolerance: Tolerance = TOLERANCE,
    surface: Surface = None,
    spacing: Spacing = None,
    refine: Refine = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score MODEL on one split of DATA; report as JSON and HTML."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.atomic import require_writable
    from ..data.dataset import open_dataset
    from ..evaluation.evaluate import evaluate as score
    from ..evaluation.report.page import write_report
    from ..inference.predictor import open_model

    require_writable(out)
    predictor = open_model(model, refine=_refinement(refine))
    dataset = open_dataset(data, progress=console.progress).subset(split)
    report = score(
        predictor,
        dataset,
        detail=detail_of(tolerance, surface, spacing),
        attributes=attributes,
        progress=console.progress,
    )
    write_report(report, out)
    tell(report, out, console)


def predict(
    model: Model,
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUTS", help="Images, and folders of images.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")] = Path(
        "predictions"
    ),
    refine: Refine = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write class map, overlay and confidence of every image."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..inference.predict import predict as run
    from ..inference.predictor import open_model

    predictor = open_model(model, refine=_refinement(refine))
    coverage = run(predictor, inputs, out, progress=console.progress)
    document = coverage.to_json()
    for entry in document["classes"]:
        console.say(f"{entry['percent']:6.2f} %  {entry['name']}")
    console.say(
        f"{coverage.num_images} images: class maps, overlays, confidence maps and "
        f"coverage.csv in {out}"
    )
    console.result({"out": str(out)} | document)


def _refinement(text: str | None) -> "DenseCRF | None":
    from ..inference.dense_crf import DenseCRF

    return None if text is None else DenseCRF.parse(text)
