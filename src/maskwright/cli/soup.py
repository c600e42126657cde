"""`maskwright soup`: average the weights of several models of one architecture."""

from pathlib import Path
from typing import Annotated

import typer

from ..pages.text import format_share
from .console import Console
from .options import AllowOutside, AsJson, Data, Overwrite, Quiet, out_option, require_torch


def soup(
    models: Annotated[
        str, typer.Argument(metavar="MODELS", help="Runs or checkpoints, joined by +.")
    ],
    data: Data,
    *,
    out: Annotated[Path, out_option("Checkpoint to write.")],
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Leave out models that lower the mIoU on val.")
    ] = False,
    overwrite: Overwrite = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Average the weights of models.

    They are runs or checkpoints of one architecture; batch normalisation is measured again.
    """
    require_torch()
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..data.dataset import open_dataset
    from ..training.soup import make_soup

    made = make_soup(
        models,
        open_dataset(data, allow_outside=allow_outside, progress=console.progress),
        out,
        greedy=greedy,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
    )
    for name, score in made.scores.items():
        note = "" if name in (*made.members, "soup") else "  (left out)"
        console.say(f"{format_share(score, 2)} mIoU on val  {name}{note}")
    if advice := made.compare_with_best():
        console.say(advice)
    console.say(f"checkpoint  {out}")
    console.result(made.to_json())
