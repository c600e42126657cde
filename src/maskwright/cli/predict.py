"""`maskwright predict`: predict images with a model."""

from pathlib import Path
from typing import Annotated

import typer

from ..pages.text import format_percent, text_table
from .console import Console
from .options import AsJson, Engine, Model, Quiet, Refine, Write, out_option


def predict(
    model: Model,
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUTS", help="Images and folders of images.")
    ],
    *,
    out: Annotated[Path, out_option("Folder for the results.")] = Path("predictions"),
    engine: Engine = None,
    refine: Refine = None,
    write: Write = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict images: class maps, overlays, confidence and coverage."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..inference.outputs import ALL
    from ..inference.predict import predict as run
    from ..inference.predictor import open_model

    predictor = open_model(model, engine=engine, refine=refine)
    names = ALL
    if write is not None:
        names = tuple(write.split(",")) if write else ()
    summary = run(predictor, inputs, out, write=names, progress=console.progress)
    document = summary.to_json()
    rows = [(format_percent(entry["percent"]), entry["name"]) for entry in document["classes"]]
    for line in text_table(("share", "class"), rows, words=(1,)):
        console.say(line)
    console.say(f"{summary.num_images} images: {', '.join(names)} in {out}")
    console.result({"out": str(out)} | document)
