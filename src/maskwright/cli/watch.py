"""`maskwright watch`: the dashboard of a store that servers of models write."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import AsJson, Host, Port, Quiet, Store

TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Hashes of the tokens that people need, with scopes."),
]


def watch(
    *,
    store: Store = None,
    host: Host = "127.0.0.1",
    port: Port = 8001,
    token_file: TokenFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what served models see: traffic, drift, alarms."""
    from ..serving.access import Access, read_tokens
    from ..serving.endpoints import WATCHING
    from ..serving.log import ignore, write_log
    from ..serving.run import ServeOptions, serve
    from ..serving.watch.watching import WatchOptions
    from ..store.place import find_default_store

    console = Console(as_json=as_json, quiet=quiet)

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
            watch=WatchOptions(store=store or find_default_store(), records=False),
        ),
        Access(host, tokens=None if token_file is None else read_tokens(token_file)),
        announce=announce,
        log=ignore if quiet else write_log,
        table=WATCHING,
    )
