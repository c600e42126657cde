"""`maskwright evaluate` and `maskwright predict`: a model on labelled and on new images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import AsJson, Console, Quiet

if TYPE_CHECKING:
    from ..core.report import Report

Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="A bundle (needs no torch), or a run folder (runs on torch)."
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
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score MODEL on one split of DATA; report as JSON and HTML."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.atomic import require_writable
    from ..data.dataset import open_dataset
    from ..evaluation.evaluate import evaluate as score
    from ..evaluation.files import write_report
    from ..inference.predictor import open_model

    require_writable(out)
    predictor = open_model(model)
    dataset = open_dataset(data, progress=console.progress).subset(split)
    report = score(predictor, dataset, progress=console.progress)
    write_report(report, out)
    console.say(_score_table(report))
    console.say(f"{out / 'report.html'} shows it with pictures; the numbers: report.json")
    console.result(report.to_json())


def predict(
    model: Model,
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUTS", help="Images, and folders of images.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")] = Path(
        "predictions"
    ),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write class map, overlay and confidence of every image."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..inference.predict import predict as run
    from ..inference.predictor import open_model

    coverage = run(open_model(model), inputs, out, progress=console.progress)
    document = coverage.to_json()
    for entry in document["classes"]:
        console.say(f"{entry['percent']:6.2f} %  {entry['name']}")
    console.say(
        f"{coverage.num_images} images: class maps, overlays, confidence maps and "
        f"coverage.csv in {out}"
    )
    console.result({"out": str(out)} | document)


def _score_table(report: "Report") -> str:
    document = report.to_json()
    scores = document["scores"]
    width = max(len(c["name"]) for c in document["classes"])
    lines = [f"{'class':{width}}     IoU  precision  recall    Dice"]
    for c in document["classes"]:
        iou, precision, recall, dice = (
            _percent(c[key]) for key in ("iou", "precision", "recall", "dice")
        )
        lines.append(
            f"{c['name']:{width}}  {iou:>6}     {precision:>6}  {recall:>6}  {dice:>6}"
        )
    lines.append(
        f"mIoU {_percent(scores['miou'])} %, pixel accuracy "
        f"{_percent(scores['pixel_accuracy'])} %, frequency-weighted IoU "
        f"{_percent(scores['frequency_weighted_iou'])} %"
    )
    absent = document["absent_classes"]
    if absent:
        lines.append(f"{document['absent_rule']} Absent here: {', '.join(absent)}.")
    return "\n".join(lines)


def _percent(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
