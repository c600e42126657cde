"""`maskwright VERB ...`: list the verbs and turn errors into exit statuses.

0 done, 1 refused or failed with a message, 2 wrong usage, 3 done with a bad verdict, 130
interrupted. An error that a user can cause is printed bare, and so is what the system refuses
(a full disk behind stdout, no memory); any other exception is a bug and shows its traceback.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer

from ..core.errors import MaskwrightError, first_line
from ..core.extras import explain_missing
from ..core.files import describe_read_error
from ..core.memory import is_out_of_memory, keep_freed_memory
from ..core.spelling import speaks_command_line
from .baseline import baseline
from .bench import bench
from .chart import chart
from .check import check
from .compare import compare
from .compress import compress
from .console import print_text
from .convert import convert
from .decide import decide
from .demo import demo
from .diff import diff
from .distil import distil
from .drift import drift
from .env import env
from .estimate import estimate
from .evaluate import evaluate
from .export import export
from .import_onnx import import_onnx
from .measure import measure
from .models import models
from .plan import plan
from .predict import predict
from .prune import prune
from .runs import runs
from .schema import schema
from .score import score
from .serve import serve
from .soup import soup
from .split import split
from .store import store
from .studio import studio
from .sweep import sweep
from .train import train
from .tune_refine import tune_refine
from .verbs import Verb, Verbs
from .video import video
from .watch import watch

INTERRUPTED = 130
_NO_MEMORY = "out of memory; use smaller images, or a machine with more"

app = typer.Typer(
    name="maskwright",
    help="Semantic segmentation in production: check, train, evaluate, predict.",
    cls=Verbs,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_PANELS: dict[str, dict[Callable[..., None], str]] = {
    "Data": {
        check: "check my-data",
        split: "split my-data --val 0.15 --test 0.15",
        convert: "convert cvat-export.zip my-data --to mask_folder --verify",
        diff: "diff my-data-spring my-data -o changes",
        studio: "studio my-data",
    },
    "Models": {
        plan: "plan my-data --budget 40m",
        train: "train my-data -o runs/a --budget 40m",
        distil: "distil my-data --teacher runs/large --arch fastscnn -o runs/small",
        prune: "prune runs/a my-data --target-flops 0.5 -o runs/small",
        runs: "runs runs",
        sweep: "sweep my-data --over optim.lr=1e-4:1e-2:log --time 2h -o search",
        evaluate: "evaluate runs/a my-data --split test -o report",
        decide: "decide runs/a my-data --miss 1% -o bundle",
        estimate: "estimate runs/a my-data -o bundle",
        tune_refine: "tune-refine runs/a my-data -o bundle",
        soup: "soup runs/a+runs/b my-data -o averaged",
        export: "export runs/a --to onnx -o bundle",
        compress: "compress runs/a my-data --target-ms 33 --max-drop 1 -o small",
        import_onnx: "import-onnx net.onnx --spec classes.txt --input input.yaml -o bundle",
        predict: "predict runs/a photos -o out",
        video: "video runs/a drive.mp4 -o labelled",
        baseline: "baseline runs/a monday.mp4 tuesday.mp4 -o camera-1.npz",
        serve: "serve runs/a/bundle --port 8000",
        watch: "watch --store rows.sqlite",
        bench: "bench runs/a --size 512x1024 --threads 1,2 -o speed",
        drift: "drift out-spring out-today",
        models: "models unet segformer",
    },
    "Class maps": {
        score: "score predictions truth --full -o report",
        compare: "compare report-a report-b --fail-if-worse",
        measure: "measure out/classes --mm-per-px 0.05 --regions scratch",
        chart: "chart measurements/coverage.csv --figure percent --where class=scratch",
    },
    "This program": {
        schema: "schema recipe -o .",
        demo: "demo -o demo",
        store: "store backup rows.zip",
        env: "env --json",
    },
}
"""The verbs in the order of the help, each with the example at the end of its help."""

for panel, verbs in _PANELS.items():
    for verb, example in verbs.items():
        app.command(cls=Verb, rich_help_panel=panel, epilog=f"Example: maskwright {example}")(
            verb
        )


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"maskwright {version('maskwright')}")
        raise typer.Exit


@app.callback()
def _top(
    *,
    wanted: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


def main() -> None:
    """Run the command line; the console script `maskwright`."""
    speaks_command_line.set(True)
    _escape_undecodable_names()
    keep_freed_memory()
    _stop_on_signals()
    try:
        app(prog_name="maskwright")
    except MaskwrightError as error:
        print_text(str(error), err=True)
        _print_notes(error)
        sys.exit(1)
    except ModuleNotFoundError as error:
        print_text(str(explain_missing(error)), err=True)
        sys.exit(1)
    except OSError as error:
        _leave_stdout()
        print_text(_describe_system_error(error), err=True)
        sys.exit(1)
    except (MemoryError, ImportError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print_text(_NO_MEMORY, err=True)
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo("Interrupted.", err=True)
            _print_notes(end)
        raise


def _stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP stop a command as Ctrl-C does, so that it cleans up."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # no SIGHUP on Windows; nohup ignores it
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _print_notes(error: BaseException | None) -> None:
    """Print what was noted on an error, or on the one that it was raised from."""
    while error is not None:
        for note in getattr(error, "__notes__", ()):
            print_text(note, err=True)
        error = error.__cause__ or error.__context__


def _describe_system_error(error: OSError) -> str:
    """One line for a file, a folder or an output that no reader or writer has explained."""
    if is_out_of_memory(error):
        return _NO_MEMORY
    if error.errno is None and error.filename is None:  # of ctypes
        text = f"a library could not be loaded: {first_line(error)}"
        return f"{text}; give the program more memory, or install the package again"
    if error.filename is None:
        return f"the output cannot be written: {error.strerror or error}"
    return f"{os.fsdecode(error.filename)}: {describe_read_error(error)}"


def _leave_stdout() -> None:
    """Forget what could not be printed: Python would try again when it ends, and fail."""
    with suppress(OSError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_undecodable_names() -> None:
    """Escape bytes of file names that are not UTF-8, where printing them would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
