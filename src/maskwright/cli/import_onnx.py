"""`maskwright import-onnx`: make a Bundle of an ONNX file of others."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import AsJson, NoParityImages, Overwrite, Quiet, Trust, out_option


def import_onnx(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="ONNX file.")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGES", help="Images to compare on, beside noise."),
    ] = None,
    *,
    spec: Annotated[
        Path, typer.Option(metavar="FILE", help="The classes: dataset.yaml or classes.txt.")
    ],
    input_file: Annotated[
        Path,
        typer.Option("--input", metavar="FILE", help="YAML with mean, std and more."),
    ],
    out: Annotated[Path, out_option("Bundle to write.")],
    trust: Trust = None,
    no_parity_images: NoParityImages = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a Bundle of an ONNX file of others.

    Its layout is found, the graph is rewritten to give logits, and compared with the original.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..export.foreign.bundle import import_onnx as run

    imported = run(
        file,
        out,
        spec=spec,
        input_file=input_file,
        images=images or (),
        trust=trust,
        keep_parity_images=not no_parity_images,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
    )
    bundle = imported.bundle
    (graph,) = bundle.graphs
    console.say_all(imported.found)
    if graph.parity is not None:
        console.say(
            f"{graph.file}: largest difference of logits from the original "
            f"{graph.parity.largest_logit_difference:.3g} on {graph.parity.num_images} inputs"
        )
    console.say(f"bundle  {bundle.root}  ({bundle.model_id})")
    console.result(
        {
            "bundle": str(bundle.root),
            "model_id": bundle.model_id,
            "found": list(imported.found),
            "graphs": [graph.to_json()],
        }
    )
