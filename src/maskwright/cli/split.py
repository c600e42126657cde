"""`maskwright split`: draw the training, validation and test split."""

from typing import Annotated

import typer

from ..pages.text import format_count
from .console import Console
from .options import AllowOutside, AsJson, Data, Group, Quiet


def split(
    data: Data,
    *,
    val: Annotated[float, typer.Option(help="Share of the images for val.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share of the images for test.")] = 0.15,
    group: Group = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other splits.")] = 0,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw train, val and test by group, with rare classes in each."""
    from ..data.opening.resolve import EACH_IMAGE
    from ..data.splits import make_split

    console = Console(as_json=as_json, quiet=quiet)
    drawn = make_split(
        data,
        val=val,
        test=test,
        group=group,
        seed=seed,
        allow_outside=allow_outside,
        progress=console.progress,
    )
    for name, keys in drawn.file.splits.items():
        missing = drawn.missing[name]
        lacks = f", without {', '.join(missing)} (in too few groups)" if missing else ""
        console.say(f"{name}: {format_count(len(keys), 'image')}{lacks}")
    if drawn.file.group == EACH_IMAGE:
        console.say("each image is drawn by itself: frames of one video are too alike for that")
    for note in drawn.notes:
        console.say(note)
    console.say(f"{drawn.num_groups} groups; written to {drawn.path}")
    console.result(drawn.to_json())
