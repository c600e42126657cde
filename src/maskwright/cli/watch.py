"""`maskwright watch`: the dashboard of a store that servers of models write, or a replay."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Console
from .options import AsJson, Host, KeepIn, Port, Quiet, Store, TokenFile

if TYPE_CHECKING:
    from ..serving.watch.keeper import KeepOptions

ReplayLog = Annotated[
    str | None,
    typer.Option(
        "--replay",
        metavar="LOG",
        help="Measure the detector on observations, or on a store, of a time without change.",
    ),
]
PerDay = Annotated[
    float | None,
    typer.Option(metavar="N", min=1e-9, help="Images of the log in a day; a store knows it."),
]
AlarmTarget = Annotated[
    str, typer.Option(metavar="N/TIME", help="False alarms that are accepted in a replay.")
]
ReplayModel = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="Predicts these images."),
]
ReplayImages = Annotated[
    Path | None, typer.Option("--images", help="Images like those of the log, to corrupt.")
]
Replays = Annotated[int, typer.Option(metavar="N", min=1, help="Random cuts of the log.")]
Relabel = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Write kept images worth labelling as a dataset, and end."
    ),
]
Most = Annotated[int, typer.Option(metavar="N", help="Images of --relabel.", min=1)]


Truth = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Score kept class maps by the KEY.png here, and end."),
]


def watch(
    *,
    store: Store = None,
    truth: Truth = None,
    relabel: Relabel = None,
    keep_in: KeepIn = None,
    most: Most = 100,
    host: Host = "127.0.0.1",
    port: Port = 8001,
    token_file: TokenFile = None,
    replay: ReplayLog = None,
    per_day: PerDay = None,
    target: AlarmTarget = "1/90d",
    model: ReplayModel = None,
    images: ReplayImages = None,
    replays: Replays = 20,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what served models see, or how right alarms are."""
    console = Console(as_json=as_json, quiet=quiet)
    if replay is not None:
        from .replay import ReplayOptions, run_replay

        options = ReplayOptions(
            log=replay,
            per_day=per_day,
            target=target,
            model=model,
            images=images,
            replays=replays,
        )
        raise typer.Exit(run_replay(options, console))
    if truth is not None:
        _add_truth(console, store, keep_in, truth)
    elif relabel is not None:
        _relabel(console, store, keep_in, relabel, most)
    else:
        _show_dashboard(store, keep_in, host, port, token_file, console)


def _show_dashboard(
    store: str | None,
    keep_in: Path | None,
    host: str,
    port: int,
    token_file: Path | None,
    console: Console,
) -> None:
    from ..serving.access import Access, read_tokens
    from ..serving.endpoints import WATCHING
    from ..serving.log import ignore, write_log
    from ..serving.run import ServeOptions, serve
    from ..serving.watch.watching import WatchOptions
    from ..store.place import make_default_store

    def announce(_names: object, address: str) -> None:
        console.say(f"the dashboard is at {address}/watch; stop with Ctrl-C")
        console.result({"address": f"{address}/watch"})

    serve(
        [],
        ServeOptions(
            host=host,
            port=port,
            drain_s=0,
            grace_s=2,
            watch=WatchOptions(
                store=store or make_default_store(), keep=_find_kept(keep_in), records=False
            ),
        ),
        Access(host, tokens=None if token_file is None else read_tokens(token_file)),
        announce=announce,
        log=ignore if console.quiet else write_log,
        table=WATCHING,
    )


def _find_kept(folder: Path | None) -> "KeepOptions | None":
    """The images that a server has kept, to be shown; None where there are none."""
    from ..core.errors import DataError
    from ..serving.watch.keeper import KeepOptions, find_kept_folder

    found = folder or find_kept_folder()
    if found.is_dir():
        return KeepOptions(folder=found, share=1.0, quota_bytes=sys.maxsize)
    if folder is not None:
        raise DataError(f"{folder}: there is no such folder; name that of serve --keep-in")
    return None


def _add_truth(console: Console, store: str | None, kept: Path | None, folder: Path) -> None:
    from ..pages.text import format_count, list_names
    from ..serving.watch.keeper import find_kept_folder
    from ..serving.watch.truthfolder import add_truth_folder
    from ..store.database import Database
    from ..store.place import find_default_store

    database = Database.open(store or find_default_store())
    try:
        found = add_truth_folder(database, kept or find_kept_folder(), folder)
    finally:
        database.close()
    console.say(f"{format_count(len(found.added), 'image')} with truth added")
    if found.missing:
        console.say(
            f"no class map is kept of {list_names(found.missing)}; --keep 100% of serve keeps "
            f"all, within its quota"
        )
    console.result({"added": list(found.added), "missing": list(found.missing)})


def _relabel(
    console: Console, store: str | None, kept: Path | None, out: Path, most: int
) -> None:
    from ..serving.watch.keeper import find_kept_folder
    from ..serving.watch.relabel import DRIFT, write_relabel
    from ..store.database import Database
    from ..store.place import find_default_store

    database = Database.open(store or find_default_store())
    try:
        queue = write_relabel(database, kept or find_kept_folder(), out, most)
    finally:
        database.close()
    num_drifting = sum(one.reason == DRIFT for one in queue)
    console.say(f"{len(queue)} images in {out}, {num_drifting} of them from an alarm of drift")
    console.result({"folder": str(out), "images": len(queue), "drifting": num_drifting})
