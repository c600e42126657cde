"""`maskwright studio`: label images in the browser."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BAD_VERDICT, Console, print_text
from .options import (
    AllowOutside,
    AsJson,
    Form,
    Host,
    KeepIds,
    Overwrite,
    Port,
    Quiet,
    out_option,
)

if TYPE_CHECKING:
    from ..studio.project import Project

Classes = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="The classes of images that have no labels yet."),
]
Export = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="Write the accepted images as FORMAT, and end."),
]
Tag = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Export the images of a tag, as they were then."),
]
TrainedOn = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="MODEL",
        help="Export what a run or a Bundle was trained on, as it was then.",
    ),
]
NewUser = Annotated[
    str | None,
    typer.Option(
        "--add-user",
        metavar="NAME:ROLE",
        help="Add a user, or give one a new role and password, and end.",
    ),
]
Backup = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Copy the store to FILE, also while it runs, and end."),
]
Hook = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Post to URL what is submitted, accepted and commented."),
]
Proposer = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL", help="A Bundle, run or published model that proposes labels."
    ),
]
Sam = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER|FILE",
        help="Encoder and decoder of Segment Anything as ONNX: their folder, or the files "
        "(repeatable).",
    ),
]
Place = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Keep the labels in postgresql+pg8000://USER:PASSWORD@HOST/NAME.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The address of a proxy before the studio, as https://lab.example.org/studio/.",
    ),
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--import",
        metavar="DATASET",
        help="Import labels of images with the same keys, and end.",
    ),
]
OpensBrowser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the link in the browser.")
]
Verify = Annotated[bool, typer.Option("--verify", help="Verify log and class maps, and end.")]
Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="A folder: a dataset, or images alone.")
]


def studio(
    data: Data,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    address: Address = None,
    browser: OpensBrowser = True,
    classes: Classes = None,
    new_user: NewUser = None,
    backup: Backup = None,
    webhook: Hook = None,
    model: Proposer = None,
    sam: Sam = None,
    store: Place = None,
    verify: Verify = False,
    source: Source = None,
    export: Export = None,
    tag: Tag = None,
    run: TrainedOn = None,
    out: Annotated[Path | None, out_option("The folder that --export writes.")] = None,
    form: Form = None,
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Label the images of DATA in the browser.

    Class maps are kept in DATA/studio; files of DATA are never changed. Accepted images are a
    dataset in DATA/studio, which `check` and `train` take.
    """
    from ..studio.project import open_project
    from ..studio.server import serve

    _require_pairs(export, out, tag, run)
    console = Console(as_json=as_json, quiet=quiet)
    if backup is not None:
        _back_up(data, backup, console, store=store, overwrite=overwrite)
        return
    with open_project(
        data,
        form=form,
        classes=classes.split(",") if classes else (),
        store_url=store,
        allow_outside=allow_outside,
        may_share=new_user is not None or verify or export is not None,
        progress=console.progress,
    ) as project:
        if new_user is not None:
            _add_user(project, new_user, console)
        elif verify:
            _verify(project, console)
        elif source is not None:
            _import(project, source, console)
        elif export is not None and out is not None:
            _export(project, console, export, out, tag=tag, run=run, overwrite=overwrite)
        else:
            start = partial(serve, host=host, port=port, address=address, opens_browser=browser)
            start(project, print_text, webhook=webhook, model=model, sam=sam or ())


def _require_pairs(
    export: str | None, out: Path | None, tag: str | None, run: Path | None
) -> None:
    from ..core.errors import ConfigError

    if (export is None) != (out is None):
        raise ConfigError("--export FORMAT and -o FOLDER are given together")
    if tag is not None and run is not None:
        raise ConfigError("--tag NAME and --run MODEL both say what is written; give one")
    if (tag is not None or run is not None) and export is None:
        given = "--run MODEL" if tag is None else "--tag NAME"
        raise ConfigError(f"{given} says what --export FORMAT writes; give both")


def _add_user(project: "Project", text: str, console: Console) -> None:
    from ..studio.people import LOCAL, add_user, parse_user

    name, role = parse_user(text)
    password = add_user(project.store, name, role, actor=LOCAL)
    console.result({"name": name, "role": role, "password": password})
    console.say(f"{name} ({role}) logs in with the password {password}\nIt is not shown again.")


def _back_up(
    data: Path, file: Path, console: Console, *, store: str | None, overwrite: bool
) -> None:
    from ..core.errors import ConfigError
    from ..studio.backup import back_up

    if store is not None:
        raise ConfigError("--backup copies a file; use `maskwright store backup` for --store")
    num_bytes = back_up(data, file, overwrite=overwrite)
    console.result({"file": str(file), "bytes": num_bytes})
    console.say(f"{file}: {num_bytes:,} bytes; to restore, put it in DATA/studio/studio.sqlite")


def _verify(project: "Project", console: Console) -> None:
    from ..studio.verify import verify

    verification = verify(project, console.progress)
    console.result(verification.to_json())
    console.say(verification.to_text())
    if verification.faults:
        raise typer.Exit(BAD_VERDICT)


def _import(project: "Project", path: Path, console: Console) -> None:
    from ..studio.importing import import_labels

    imported = import_labels(project, path, console.progress)
    console.result(imported.to_json())
    console.say(imported.to_text())


def _export(
    project: "Project",
    console: Console,
    form: str,
    out: Path,
    *,
    tag: str | None,
    run: Path | None,
    overwrite: bool,
) -> None:
    from ..core.results import WriteMode
    from ..inference.choice import open_source
    from ..studio.export import export_accepted, export_tag, export_trained

    mode = WriteMode(overwrite=overwrite)
    if tag is not None:
        account = export_tag(project, tag, form, out, mode, console.progress)
    elif run is not None:
        card = open_source(run).card
        account = export_trained(project, card, form, out, mode, console.progress)
    else:
        account = export_accepted(project, form, out, mode, console.progress)
    console.result(account.to_json())
    console.say(account.to_text())
