"""`maskwright plan`: write a recipe for a dataset and this machine."""

import time
from pathlib import Path
from typing import Annotated

from ..core.atomic import write_text
from ..core.duration import budget_seconds
from .console import Console
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
    Quiet,
    Seed,
    Settings,
    crop_size,
    fold_settings,
    out_option,
)


def plan(
    data: Data,
    *,
    out: Annotated[Path, out_option("The recipe file.")] = Path("recipe.yaml"),
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
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a recipe for DATA and this machine, with reasons."""
    started_s = time.monotonic()  # before torch is imported
    budget_s = budget_seconds(budget)
    plain: dict[str, object] = {"epochs": epochs, "batch": batch, "crop": crop_size(crop)}
    plain |= {"arch": arch, "encoder": encoder, "seed": seed}
    console = Console(as_json=as_json, quiet=quiet)
    from ..training.options import add_plain_options
    from ..training.recipe import parse_settings
    from ..training.run import plan as run

    planned = run(
        data,
        settings=add_plain_options(parse_settings(settings or []), plain) | fold_settings(fold),
        budget_s=budget_s,
        started_s=started_s,
        device=device,
        allow_outside=allow_outside,
        progress=console.progress,
    )
    write_text(out, planned.to_yaml())
    console.say(planned.to_yaml())
    console.say(f"written to {out}; train with: maskwright train {data} --recipe {out} -o RUN")
    console.result(
        {
            "recipe": planned.recipe.to_json(),
            "reasons": planned.reasons,
            "path": str(out),
        }
    )
