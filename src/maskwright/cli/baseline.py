"""`maskwright baseline`: learn what a fixed camera usually sees."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .opening import LabelStream, Opening
from .options import (
    AcceptLicence,
    AsJson,
    Duration,
    Engine,
    Fps,
    KeyframesEvery,
    Model,
    Overwrite,
    Quiet,
    Refine,
    Smooth,
    Trust,
    out_option,
)

SourceNames = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCES...",
        help="Videos, folders of frames, or streams of one camera, without anything unusual.",
    ),
]


def baseline(
    model: Model,
    sources: SourceNames,
    *,
    out: Annotated[Path, out_option("File for the baseline.")] = Path("baseline.npz"),
    engine: Engine = None,
    refine: Refine = None,
    trust: Trust = None,
    accept_licence: AcceptLicence = False,
    fps: Fps = None,
    duration: Duration = None,
    smooth: Smooth = 0.0,
    keyframes: KeyframesEvery = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Learn what a fixed camera usually sees, by day and by night."""
    console = Console(as_json=as_json, quiet=quiet)
    opening = Opening(engine, None, refine, trust, accept_licence=accept_licence)
    from ..calls import baseline as learn
    from ..core.duration import budget_seconds
    from ..core.errors import OutputError

    if out.exists() and not overwrite:
        raise OutputError(f"{out}: exists already; add --overwrite to replace it")
    how: LabelStream = {"smooth": smooth, "keyframes": keyframes, "fps": fps}
    learned = learn(
        opening.open_for_frames(model, console),
        sources,
        out,
        **how,
        duration_s=budget_seconds(duration, option="--duration"),
        progress=console.progress,
        say=console.say,
    )
    console.say_all((*learned.describe(), f"{out} is the baseline"))
    console.result(
        {
            "out": str(out),
            "lights": {
                light: {"frames": one.num_frames, "seconds": round(one.seconds, 3)}
                for light, one in learned.lights.items()
            },
        }
    )
