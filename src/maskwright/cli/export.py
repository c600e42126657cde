"""`maskwright export`: add a graph in another file format to a model."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import (
    AcceptLicence,
    AllowOutside,
    AsJson,
    KeepIds,
    Model,
    NoParityImages,
    Overwrite,
    Quiet,
    out_option,
)


def export(
    model: Model,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA", help="Test on its validation images, not on the kept ones."
        ),
    ] = None,
    *,
    to: Annotated[
        str, typer.Option(metavar="TARGET", help="File format of the graph, such as onnx.")
    ],
    out: Annotated[Path, out_option("Bundle to write.")],
    precision: Annotated[
        str | None, typer.Option(help="Precision of the graph (default: first of TARGET).")
    ] = None,
    no_parity_images: NoParityImages = False,
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    accept_licence: AcceptLicence = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Add a tested graph to MODEL, or make a Bundle of it."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..export.bundle import export_model

    console.say(f"writing the graph {to} and comparing it with the network")
    bundle = export_model(
        model,
        out,
        to=to,
        data=data,
        allow_outside=allow_outside,
        precision=precision,
        keep_parity_images=not no_parity_images,
        accept_licence=accept_licence,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
        log=console.say,
    )
    graph = bundle.graphs[-1]
    where = "the parity images of the bundle alone" if data is None else f"images of {data}"
    if graph.parity is not None:
        console.say(
            f"{graph.file}: largest difference of logits "
            f"{graph.parity.largest_logit_difference:.3g} on {graph.parity.num_images} images "
            f"({where})"
        )
    console.say(f"bundle  {bundle.root}  ({bundle.model_id})")
    console.result(
        {
            "bundle": str(bundle.root),
            "model_id": bundle.model_id,
            "graphs": [one.to_json() for one in bundle.graphs],
        }
    )
