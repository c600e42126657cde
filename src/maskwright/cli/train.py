"""`maskwright train`: train a model, with a live table of its progress."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.duration import budget_seconds
from ..pages.text import format_share
from .console import Console, print_text
from .options import (
    AllowOutside,
    Arch,
    AsJson,
    Batch,
    Budget,
    Crop,
    Data,
    Device,
    Encoder,
    Epochs,
    Fold,
    NoParityImages,
    Quiet,
    Resume,
    Seed,
    Settings,
    Trust,
    crop_size,
    fold_settings,
    out_option,
)

if TYPE_CHECKING:
    from ..training.options import TrainOptions


def train(
    data: Data,
    *,
    out: Annotated[Path, out_option("The run folder.")],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Use this recipe instead of planning one.")
    ] = None,
    settings: Settings = None,
    budget: Budget = None,
    fold: Fold = None,
    epochs: Epochs = None,
    batch: Batch = None,
    crop: Crop = None,
    arch: Arch = None,
    encoder: Encoder = None,
    seed: Seed = None,
    device: Device = None,
    resume: Resume = False,
    no_parity_images: NoParityImages = False,
    trust: Trust = None,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on DATA; writes a Bundle to OUT/bundle."""
    started_s = time.monotonic()  # before torch is imported
    budget_s = budget_seconds(budget)
    plain: dict[str, object] = {"epochs": epochs, "batch": batch, "crop": crop_size(crop)}
    plain |= {"arch": arch, "encoder": encoder, "seed": seed}
    is_first = os.environ.get("RANK", "0") == "0"  # of the processes of accelerate launch
    console = Console(as_json=as_json and is_first, quiet=quiet or not is_first)
    from ..evaluation.report.text import list_failures
    from ..training.options import Callbacks, TrainOptions, add_plain_options
    from ..training.recipe import parse_settings
    from ..training.run import train as run_training
    from ..training.start import has_checkpoint
    from .live import Live

    options = TrainOptions(
        recipe=recipe,
        settings=add_plain_options(parse_settings(settings or []), plain) | fold_settings(fold),
        budget_s=budget_s,
        started_s=started_s,
        device=device,
        resume=resume,
        keep_parity_images=not no_parity_images,
        trust=trust,
        allow_outside=allow_outside,
    )
    live = Live(console)
    callbacks = Callbacks(log=console.say, progress=console.progress, on_step=live.show)
    try:
        run = run_training(data, out, options, callbacks)
    except KeyboardInterrupt as stop:
        live.stop()
        if has_checkpoint(out):
            text = f"{stop or 'stopped'}; resume with: {_resume(data, out, options)}"
            print_text(text, err=True)
        raise
    finally:
        live.stop()
    console.say(f"best validation mIoU {format_share(run.report.miou, 2)}")
    for failure in list_failures(run.report):
        console.say(failure)
    console.say(f"report  {run.root / 'report' / 'report.html'}")
    console.say(f"bundle  {run.bundle.root}  ({run.bundle.model_id})")
    console.result(
        {
            "run": str(run.root),
            "bundle": str(run.bundle.root),
            "model_id": run.bundle.model_id,
            "graphs": [graph.to_json() for graph in run.bundle.graphs],
            "scores": run.report.to_json()["scores"],
        }
    )


def _resume(data: Path, out: Path, options: "TrainOptions") -> str:
    more = "" if options.keep_parity_images else " --no-parity-images"
    more += " --allow-outside" if options.allow_outside else ""
    more += f" --device {options.device}" if options.device else ""
    return f"maskwright train {data} -o {out} --resume{more}"
