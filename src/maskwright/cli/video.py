"""`maskwright video`: predict a video, a folder of frames in order, a stream or a camera."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console, print_text
from .opening import Opening
from .options import (
    AcceptLicence,
    AsJson,
    Engine,
    Model,
    Overwrite,
    Quiet,
    Refine,
    Trust,
    out_option,
)

SourceName = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A video file, a folder of frames, the URL of a stream (rtsp://...), or camera:0.",
    ),
]
Kinds = Annotated[
    str,
    typer.Option(
        metavar="KINDS", help="What to write, by commas: video, classes, rle, coverage."
    ),
]
Layout = Annotated[
    str, typer.Option(metavar="NAME", help="Of the video: overlay, or side (both pictures).")
]
CodecName = Annotated[str, typer.Option(metavar="NAME", help="Of the video: av1, vp9 or ffv1.")]
Fps = Annotated[
    float | None, typer.Option(help="Frames per second of a folder of frames (default: 25).")
]
Duration = Annotated[
    str | None, typer.Option(metavar="TIME", help="Stop after this time: 90s, 2h.")
]
Realtime = Annotated[
    bool, typer.Option("--realtime", help="Drop frames that would be late; show the latency.")
]


Smooth = Annotated[
    float,
    typer.Option(
        metavar="SHARE", help="Smooth over time: the weight of earlier frames, 0 to below 1."
    ),
]
KeyframesEvery = Annotated[
    int,
    typer.Option(metavar="N", help="Run the network on every Nth frame, earlier on changes."),
]


def video(
    model: Model,
    source: SourceName,
    *,
    out: Annotated[Path, out_option("Folder for the results.")] = Path("labelled"),
    write: Kinds = "video,coverage",
    layout: Layout = "overlay",
    codec: CodecName = "av1",
    fps: Fps = None,
    duration: Duration = None,
    realtime: Realtime = False,
    smooth: Smooth = 0.0,
    keyframes: KeyframesEvery = 1,
    engine: Engine = None,
    refine: Refine = None,
    trust: Trust = None,
    accept_licence: AcceptLicence = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict a video or a camera: pictures, coverage over time."""
    console = Console(as_json=as_json, quiet=quiet)
    opening = Opening(engine=engine, refine=refine, trust=trust, accept_licence=accept_licence)
    from ..core.duration import budget_seconds
    from ..core.results import WriteMode
    from ..inference.tiling import Tiling
    from ..inference.video.predict import StreamOptions, predict_stream
    from ..inference.video.source import open_source
    from ..inference.video.temporal import choose_labeller

    options = StreamOptions(
        write=tuple(write.split(",")) if write else (),
        layout=layout,
        codec=codec,
        duration_s=budget_seconds(duration, option="--duration"),
        realtime=realtime,
    )
    opened = open_source(source, fps=fps, say=console.say)
    predictor = opening.open(model, tiling=Tiling(), tta=None, dropout=0)
    console.say_all(predictor.notes)
    summary = predict_stream(
        predictor,
        opened,
        out,
        options,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
        say=console.say,
        labeller=choose_labeller(predictor, smooth=smooth, keyframes=keyframes),
    )
    console.say_all((*summary.notes, summary.to_text(), f"{', '.join(options.write)} in {out}"))
    console.result({"out": str(out)} | summary.to_json())
    if summary.failed:
        for failed in summary.failed:
            print_text(failed.error, err=True)
        raise typer.Exit(1)
