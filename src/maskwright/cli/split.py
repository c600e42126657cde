"""`maskwright split`: draw the training, validation and test split."""

from pathlib import Path
from typing import Annotated

import typer

from ..pages.text import format_count
from .console import Console
from .options import AllowOutside, AsJson, Data, Group, GroupBy, GroupFile, KeepIds, Quiet

Val = Annotated[float | None, typer.Option(help="Share of the images for val (default: 0.15).")]
Test = Annotated[
    float | None,
    typer.Option(help="Share of the images for test (default: 0.15; with --folds 0)."),
]
Folds = Annotated[
    int | None, typer.Option(metavar="N", help="Draw N folds, for N runs of `train --fold`.")
]
SplitTable = Annotated[
    Path | None, typer.Option(metavar="CSV", help="Take the splits from a table of key,split.")
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SPLIT", help="Leave this split as it is and draw the others; repeatable."
    ),
]
Redraw = Annotated[
    bool, typer.Option("--redraw", help="Draw all anew, though there are splits.")
]


def split(
    data: Data,
    *,
    val: Val = None,
    test: Test = None,
    folds: Folds = None,
    split_file: SplitTable = None,
    group: Group = None,
    group_file: GroupFile = None,
    group_by: GroupBy = None,
    keep: Keep = None,
    redraw: Redraw = False,
    seed: Annotated[int, typer.Option(help="Another seed draws other splits.")] = 0,
    _keep_ids: KeepIds = False,
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
        folds=folds,
        split_file=split_file,
        group=group,
        group_file=group_file,
        group_by=group_by,
        keep=keep or (),
        redraw=redraw,
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
