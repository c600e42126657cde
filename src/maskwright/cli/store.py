"""`maskwright store`: back up, restore and upgrade the database of services."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UnknownNameError
from .console import Console
from .options import AsJson, Overwrite, Quiet, Store

ACTIONS = ("backup", "restore", "upgrade")

Action = Annotated[
    str, typer.Argument(metavar="ACTION", help=f"What to do: {', '.join(ACTIONS)}.")
]
BackupFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The backup; upgrade writes it before it begins.")
]


def store(
    action: Action,
    file: BackupFile,
    *,
    store: Store = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Back up, restore or upgrade the store of services."""
    from ..store.backup import Backup, back_up, restore, upgrade
    from ..store.place import find_default_store

    console = Console(as_json=as_json, quiet=quiet)
    where = store or find_default_store()

    def tell(done: Backup, words: str) -> None:
        num = sum(done.rows.values())
        console.say(f"{num:,} rows {words} {file}")
        console.result({"file": str(file), "version": done.version, "rows": dict(done.rows)})

    if action == "backup":
        tell(back_up(where, file, overwrite=overwrite), "written to")
    elif action == "restore":
        tell(restore(file, where), "restored from")
    elif action == "upgrade":
        version = upgrade(where, file)
        console.say(f"upgraded from version {version}; the store of before is in {file}")
        console.result({"file": str(file), "from": version})
    else:
        raise UnknownNameError("action", action, ACTIONS)
