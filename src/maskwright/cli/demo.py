"""`maskwright demo`: the whole path on generated street scenes, by the very commands."""

import contextlib
import json
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import OutputError
from .console import AsJson, Console, Quiet

SCENES = "scenes"
"""The folder of generated scenes; where it is missing, a folder is not an earlier demo."""


def register(app: typer.Typer) -> None:
    """Add `demo`."""
    app.command()(demo)


def demo(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for everything; an earlier demo goes.")
    ] = Path("demo"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a small data set of street scenes, then check, plan, train, evaluate and predict."""
    from ..data.synth import write_street_scenes

    console = Console(as_json=as_json, quiet=quiet)
    started_s = time.monotonic()
    _clear(out)
    console.say(f"Drawing street scenes into {out / SCENES}")
    write_street_scenes(out / SCENES, progress=console.progress)
    for command in _commands(out):
        console.say(f"\n$ maskwright {shlex.join(command)}")
        _run(context, [*command, "--quiet"] if quiet else command, console)
    result = _summary(out, time.monotonic() - started_s)
    console.say(_in_words(result))
    console.result(result)


def _commands(out: Path) -> list[list[str]]:
    scenes, run, recipe = str(out / SCENES), str(out / "run"), str(out / "recipe.yaml")
    bundle, photos = f"{run}/bundle", f"{scenes}/images/test"
    no_download = ["--set", "model.encoder_weights=none"]
    return [
        ["check", scenes],
        ["plan", scenes, "-o", recipe, "--budget", "80s", *no_download],
        ["train", scenes, "-o", run, "--recipe", recipe],
        ["evaluate", bundle, scenes, "--split", "test", "-o", str(out / "report")],
        ["predict", bundle, photos, "-o", str(out / "predictions")],
    ]


def _run(context: typer.Context, command: list[str], console: Console) -> None:
    root = context.find_root().command
    aside = (
        contextlib.redirect_stdout(sys.stderr) if console.as_json else contextlib.nullcontext()
    )
    with aside:
        code = root.main(args=command, prog_name="maskwright", standalone_mode=False)
    if code:
        raise typer.Exit(code)


def _clear(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        if not (out / SCENES).is_dir():
            raise OutputError(
                f"{out}: holds files, and no earlier demo; choose another folder with -o"
            )
        shutil.rmtree(out)


def _summary(out: Path, took_s: float) -> dict[str, Any]:
    report = out / "report"
    scores = json.loads((report / "report.json").read_bytes())["scores"]
    return {
        "miou": scores["miou"],
        "took_s": round(took_s),
        "report": str(report / "report.html"),
        "predictions": str(out / "predictions"),
        "bundle": str(out / "run" / "bundle"),
    }


def _in_words(result: dict[str, Any]) -> str:
    return (
        f"\nDone in {result['took_s']} s: mIoU {result['miou']:.1%} on the test split.\n"
        f"  report       {result['report']}\n"
        f"  predictions  {result['predictions']}\n"
        f"  model        {result['bundle']}\n"
        f"Now with your own images: maskwright check FOLDER"
    )
