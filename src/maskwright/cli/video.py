"""`maskwright video`: predict a video, a folder of frames in order, a stream or a camera."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BAD_VERDICT, Console, print_text
from .opening import LabelStream, Opening, Providers, RunDevice, RunsOn, Threads
from .options import (
    AcceptLicence,
    AsJson,
    Duration,
    Engine,
    Fps,
    KeyframesEvery,
    MinArea,
    MmPerPx,
    Model,
    Overwrite,
    Precision,
    Quiet,
    Refine,
    Roi,
    Rules,
    Smooth,
    Trust,
    out_option,
)

if TYPE_CHECKING:
    from ..inference.video.predict import StreamOptions, StreamSummary
    from ..measurement.events.watcher import WatchOptions

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
Realtime = Annotated[
    bool, typer.Option("--realtime", help="Drop frames that would be late; show the latency.")
]

WebhookUrl = Annotated[
    str | None,
    typer.Option("--webhook", metavar="URL", help="Post events to this http(s) address."),
]
BaselineFile = Annotated[
    Path | None, typer.Option(help="File of maskwright baseline; what differs is an event.")
]
Stay = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long it differs from the baseline: 10s.")
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
    rules: Rules = None,
    roi: Roi = None,
    mm_per_px: MmPerPx = None,
    min_area: MinArea = 0.0,
    baseline: BaselineFile = None,
    stay: Stay = None,
    webhook: WebhookUrl = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    device: RunDevice = "auto",
    providers: Providers = None,
    refine: Refine = None,
    trust: Trust = None,
    accept_licence: AcceptLicence = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict a video or a camera: pictures, coverage over time."""
    console = Console(as_json=as_json, quiet=quiet)
    on = RunsOn(threads, device, providers)
    opening = Opening(engine, precision, refine, trust, accept_licence=accept_licence, on=on)
    from ..calls import video as run
    from ..core.results import WriteMode

    options = _list_outputs(write, layout, codec, duration, realtime=realtime)
    watch = _choose_watch(
        rules, roi, baseline, mm_per_px=mm_per_px, min_area=min_area, stay=stay, webhook=webhook
    )
    summary = run(
        opening.open_for_frames(model, console),
        source,
        out,
        options,
        watch=watch,
        **LabelStream(smooth=smooth, keyframes=keyframes, fps=fps),
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
        say=console.say,
    )
    files = (*options.write, "events") if watch.is_watching else options.write
    _end(console, summary, f"{', '.join(files)} in {out}", out)


def _choose_watch(
    rules: Path | None,
    roi: Path | None,
    baseline: Path | None,
    *,
    mm_per_px: float | None,
    min_area: float,
    stay: str | None,
    webhook: str | None,
) -> "WatchOptions":
    from ..core.duration import budget_seconds
    from ..measurement.events.watcher import WatchOptions

    return WatchOptions(
        rules=rules,
        roi=roi,
        mm_per_px=mm_per_px,
        min_area=min_area,
        baseline=baseline,
        stay_s=budget_seconds(stay, option="--stay"),
        webhook=webhook,
    )


def _list_outputs(
    write: str, layout: str, codec: str, duration: str | None, *, realtime: bool
) -> "StreamOptions":
    from ..core.duration import budget_seconds
    from ..inference.video.predict import StreamOptions

    return StreamOptions(
        write=tuple(write.split(",")) if write else (),
        layout=layout,
        codec=codec,
        duration_s=budget_seconds(duration, option="--duration"),
        realtime=realtime,
    )


def _end(console: Console, summary: "StreamSummary", written: str, out: Path) -> None:
    """Say what was done; status 1 where something failed, 3 where an event occurred."""
    console.say_all((*summary.notes, summary.to_text(), written))
    console.result({"out": str(out)} | summary.to_json())
    for failed in summary.failed:
        print_text(failed.error, err=True)
    if summary.failed or summary.num_events:
        raise typer.Exit(1 if summary.failed else BAD_VERDICT)
