"""`maskwright demo`: run the commands one after the other on generated street scenes."""

import contextlib
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.results import WriteMode, open_results
from ..pages.text import format_share
from .console import Console
from .options import AsJson, Overwrite, Quiet, out_option, require_torch

SCENES = "scenes"
NUM_SCENES = 160
EPOCHS, EPOCHS_OF_EACH = 15, 8
"""Of the only training; of each where one with encoder weights and one without are run."""

RANDOM = "from-random-weights"


def demo(
    context: typer.Context,
    *,
    out: Annotated[Path, out_option("Folder for all results.")] = Path("demo"),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check, train, evaluate and predict on generated scenes."""
    require_torch()
    from ..data.synth.streets import write_street_scenes

    console = Console(as_json=as_json, quiet=quiet)
    started_s = time.monotonic()
    with open_results(out, "demo", WriteMode(overwrite=overwrite)) as results:
        console.say(f"Drawing street scenes into {out / SCENES}")
        console.say(f"(until the demo has ended, {out} is called {results.folder.name})")
        write_street_scenes(
            results.folder / SCENES, num_images=NUM_SCENES, progress=console.progress
        )
        weights = _find_weights()
        commands = zip(_commands(out, weights), _commands(results.folder, weights), strict=True)
        for shown, command in commands:
            console.say(f"\n$ maskwright {shlex.join(shown)}")
            _run(context, [*command, "--quiet"] if quiet else command, console)
    result = _summary(out, time.monotonic() - started_s)
    console.say(_in_words(result))
    console.result(result)


def _find_weights() -> str:
    """The encoder whose weights are installed (extra `weights`), "" for none."""
    from ..nn.packaged import PACKAGED, find_packaged

    return next((f"tu-{name}" for name in PACKAGED if find_packaged(name)), "")


def _commands(out: Path, encoder: str) -> list[list[str]]:
    """With an `encoder` that has weights, the same training without them follows."""
    scenes, run, recipe = str(out / SCENES), str(out / "run"), str(out / "recipe.yaml")
    bundle, photos = f"{run}/bundle", f"{scenes}/images/test"
    weights = f"model.encoder={encoder}" if encoder else "model.encoder_weights=none"
    epochs = EPOCHS_OF_EACH if encoder else EPOCHS
    quick = (weights, "input.scale_ratio=1", f"schedule.epochs={epochs}")
    commands = [
        ["check", scenes],
        ["plan", scenes, "-o", recipe, *(word for q in quick for word in ("--set", q))],
        ["train", scenes, "-o", run, "--recipe", recipe],
        ["evaluate", bundle, scenes, "--split", "test", "-o", str(out / "report")],
        ["predict", bundle, photos, "-o", str(out / "predictions")],
    ]
    if encoder:
        plain, report = str(out / RANDOM / "run"), str(out / RANDOM / "report")
        without = ("model.encoder_weights=none", "optim.encoder_lr_ratio=1")
        options = [word for value in without for word in ("--set", value)]
        commands += [
            ["train", scenes, "-o", plain, "--recipe", recipe, *options],
            ["evaluate", f"{plain}/bundle", scenes, "--split", "test", "-o", report],
        ]
    return commands


def _run(context: typer.Context, command: list[str], console: Console) -> None:
    root = context.find_root().command
    aside = (
        contextlib.redirect_stdout(sys.stderr) if console.as_json else contextlib.nullcontext()
    )
    with aside:
        code = root.main(args=command, prog_name="maskwright", standalone_mode=False)
    if code:
        raise typer.Exit(code)


def _summary(out: Path, took_s: float) -> dict[str, Any]:
    report = out / "report"
    random = out / RANDOM / "report"
    return {
        "miou": _read_miou(report),
        "miou_from_random_weights": _read_miou(random) if random.exists() else None,
        "took_s": round(took_s),
        "report": str(report / "report.html"),
        "predictions": str(out / "predictions"),
        "bundle": str(out / "run" / "bundle"),
    }


def _read_miou(report: Path) -> float:
    miou: float = json.loads((report / "report.json").read_bytes())["scores"]["miou"]
    return miou


def _in_words(result: dict[str, Any]) -> str:
    miou, random = format_share(result["miou"]), result["miou_from_random_weights"]
    beside = "" if random is None else f", {format_share(random)} from random weights"
    return (
        f"\nDone in {result['took_s']} s: mIoU {miou} on the test split{beside}.\n"
        f"  report       {result['report']}\n"
        f"  predictions  {result['predictions']}\n"
        f"  model        {result['bundle']}\n"
        f"Now with your own images: maskwright check FOLDER"
    )
