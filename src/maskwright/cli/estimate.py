"""`maskwright estimate`: let a Bundle say how accurate it is where there are no labels."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import AllowOutside, AsJson, Data, Engine, Model, Overwrite, Quiet, out_option


def estimate(
    model: Model,
    data: Data,
    *,
    out: Annotated[Path, out_option("Bundle to write, with the estimator.")],
    split: Annotated[str, typer.Option(help="The split to fit the estimator on.")] = "val",
    images: Annotated[
        int, typer.Option(metavar="N", min=4, help="Images of the split, evenly spread.")
    ] = 24,
    engine: Engine = None,
    overwrite: Overwrite = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit an estimator of mIoU without labels.

    It lies in the Bundle, and a server of the Bundle shows estimates at /watch.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..data.dataset import open_dataset
    from ..evaluation.estimator import estimate as run
    from ..pages.text import format_share

    bundle, estimator = run(
        model,
        open_dataset(data, allow_outside=allow_outside, progress=console.progress),
        out,
        split=split,
        most_images=images,
        engine=engine,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
    )
    low, high = estimator.range
    miou = estimator.lines["soft"].miou
    console.say(
        f"mIoU of the images {format_share(miou)}; estimates where the mean confidence is "
        f"from {format_share(max(0.0, low))} to {format_share(min(1.0, high))}"
    )
    console.say(f"bundle  {bundle.root}  ({bundle.model_id})")
    console.result(
        {
            "bundle": str(bundle.root),
            "id": bundle.model_id,
            "miou": miou,
            "confidence": [low, high],
            "group_images": estimator.group_images,
        }
    )
