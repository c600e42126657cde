"""The page of a run and its curves, drawn from its tables and pictures.

index.html  one file with its pictures inside; while the run trains, it loads itself again
curves/     loss.svg  learning-rate.svg  miou.svg  iou.svg  machine.svg
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from maskwright.core.atomic import write_text
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelSpec, Rgb
from maskwright.evaluation.drawing.gallery import render_gallery
from maskwright.evaluation.extremes import IGNORED_RGB
from maskwright.pages.markup import render_class, render_number, render_table
from maskwright.pages.page import Section, render_opening, render_page, render_tile
from maskwright.pages.plot import Curve, draw_plot, draw_plot_file, draw_spark
from maskwright.pages.text import DASH, format_number, format_share

from .history import IOU, IOU_COLUMNS, STEP_COLUMNS, STEPS, read_columns
from .previews import Previews

PAGE, CURVES = "index.html", "curves"
RELOAD_S = 15
_RELOAD = (
    "setInterval(() => { if (!document.hidden && !document.querySelector(':popover-open')) "
    f"location.reload(); }}, {1000 * RELOAD_S});"
)
_STYLE = (
    "@media (min-width: 641px) { #training-samples figure { display: inline-block; "
    "width: calc(50% - 9px); } #training-samples figure:nth-of-type(odd) "
    "{ margin-right: 14px; } }\n.spark { width: 160px; height: 28px; }\n"
)
_BLUE, _VERMILLION, _GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)
_ORANGE, _PURPLE = (230, 159, 0), (204, 121, 167)
_MACHINE: Mapping[str, tuple[str, Rgb]] = {
    "gpu": ("GPU", _GREEN),
    "gpu_memory": ("GPU memory", _ORANGE),
    "cpu": ("processor", _BLUE),
    "memory": ("memory", _PURPLE),
    "wait": ("waiting for data", _VERMILLION),
}
_MACHINE_NOTE = (
    "Shares of the whole machine, other programs included; waiting for data is the share of "
    "the time in which training stood still until the next batch was there."
)
_MOST_CLASSES = 14
"""Classes in iou.svg: those that score lowest."""

State = Literal["training", "stopped", "finishing", "finished"]
Columns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is; `left_s` is the time to its end where it trains."""

    state: State
    step: int
    num_steps: int
    left_s: float = math.nan


@dataclass(frozen=True, slots=True)
class _Plot:
    """One chart: its file, its title, the number beside it, and its curves."""

    name: str
    title: str
    latest: str
    curves: tuple[Curve, ...]
    is_share: bool = False
    can_be_log: bool = False


def write_page(run: Path, labels: LabelSpec, spec: InputSpec, standing: Standing) -> None:
    """Draw the page and the curves of a run from the files that it has written so far."""
    steps = read_columns(run / STEPS, STEP_COLUMNS)
    ious = read_columns(run / IOU, (*IOU_COLUMNS, *labels.names))
    previews = Previews.open(run, labels, spec)
    plots = [*_plot_training(steps, ious), _plot_machine(steps)]
    for plot in (*plots, _plot_classes(ious, labels)):
        chart = draw_plot_file(
            plot.title,
            plot.curves,
            num_steps=standing.num_steps,
            is_share=plot.is_share,
            can_be_log=plot.can_be_log,
        )
        if chart:
            write_text(run / CURVES / f"{plot.name}.svg", chart)
    *training, machine = plots
    marks = {"ignored": IGNORED_RGB}
    sections = [
        Section("Curves", "", _render_charts(training, standing)),
        Section(
            "Classes",
            "IoU on the validation images; the line is from 0 to 100 % over the run.",
            _render_classes(ious, labels, standing),
        ),
        Section(
            "Validation images",
            previews.describe(),
            render_gallery("val", previews.list_images(), labels, marks),
        ),
        Section(
            "Training samples",
            "The first crops of the run, with augmentation.",
            render_gallery("sample", previews.list_samples(), labels, marks),
        ),
        Section("Machine", _MACHINE_NOTE, _render_charts([machine], standing)),
        Section("Files", "", _render_files(run)),
    ]
    text = render_page(
        f"Run {run.resolve().name}",
        _describe(standing),
        sections,
        opening=render_opening(sections, _render_tiles(steps, ious, standing)),
        style=_STYLE,
        script=_RELOAD if standing.state in {"training", "finishing"} else "",
    )
    write_text(run / PAGE, text)


def _describe(standing: Standing) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    step = f"step {standing.step:,} of {standing.num_steps:,}"
    if standing.state == "training":
        return f"Training, {step}. Drawn {now}; the page loads itself every {RELOAD_S} s."
    if standing.state == "finishing":
        return f"Trained, {step}. Report and Bundle are being made. Drawn {now}."
    if standing.state == "stopped":
        return f"Stopped at {step}; continue with --resume. Drawn {now}."
    return f"Finished, {step}. Drawn {now}."


def _plot_training(steps: Columns, ious: Columns) -> Iterator[_Plot]:
    at_N, loss_N, lr_N = steps["step"], steps["loss"], steps["lr"]
    curve = Curve("loss", _BLUE, at_N, loss_N)
    yield _Plot("loss", "Loss", _latest(loss_N, 4), (curve,), can_be_log=True)
    miou_N = ious["miou"]
    curve = Curve("mIoU", _GREEN, ious["step"], miou_N)
    shown = format_share(miou_N[-1]) if len(miou_N) else DASH
    yield _Plot("miou", "Validation mIoU", shown, (curve,), is_share=True)
    curve = Curve("lr", _VERMILLION, at_N, lr_N)
    rate = f"{lr_N[-1]:.3g}" if len(lr_N) else DASH
    yield _Plot("learning-rate", "Learning rate", rate, (curve,))


def _plot_machine(steps: Columns) -> _Plot:
    curves = tuple(
        Curve(name, color, steps["step"], steps[column])
        for column, (name, color) in _MACHINE.items()
    )
    speed_N = steps["images_per_s"]
    speed = f"{_latest(speed_N, 1)} images/s"
    return _Plot("machine", "Use of the machine", speed, curves, is_share=True)


def _plot_classes(ious: Columns, labels: LabelSpec) -> _Plot:
    curves = [
        Curve(entry.name, entry.color, ious["step"], ious[entry.name])
        for entry in labels.classes
    ]
    known = [curve for curve in curves if len(curve.known_N)]
    lowest = sorted(known, key=lambda curve: float(curve.known_N[-1]))[:_MOST_CLASSES]
    return _Plot("iou", "IoU of the lowest classes", "", tuple(lowest), is_share=True)


def _latest(values_N: NDArray[np.float64], decimals: int) -> str:
    return format_number(float(values_N[-1]), decimals) if len(values_N) else DASH


def _render_charts(plots: Sequence[_Plot], standing: Standing) -> str:
    figures = []
    for plot in plots:
        chart = draw_plot(
            plot.title,
            plot.curves,
            num_steps=standing.num_steps,
            is_share=plot.is_share,
            can_be_log=plot.can_be_log,
        )
        if chart:
            head = f"<b>{escape(plot.title)}</b>{render_number(plot.latest)}"
            figures.append(f"<figure><figcaption>{head}</figcaption>{chart}</figure>")
    return f'<div class="charts">{"".join(figures)}</div>' if figures else ""


def _render_classes(ious: Columns, labels: LabelSpec, standing: Standing) -> str:
    rows = []
    for entry in labels.classes if len(ious["step"]) else ():
        values_N = ious[entry.name]
        curve = Curve(entry.name, entry.color, ious["step"], values_N)
        best = float(np.nanmax(values_N)) if len(curve.known_N) else None
        numbers = [float(values_N[0]), best, float(values_N[-1])]
        rows.append(
            [
                render_class(entry.color, entry.name),
                draw_spark(curve, num_steps=standing.num_steps),
                *(render_number(format_share(number)) for number in numbers),
            ]
        )
    heads = ("class", "over the run", "first", "best", "latest")
    return render_table("IoU by class", heads, rows, words=(0, 1))


def _render_tiles(steps: Columns, ious: Columns, standing: Standing) -> Iterator[str]:
    done = standing.step / max(1, standing.num_steps)
    left = ""
    if standing.state == "training" and math.isfinite(standing.left_s):
        minutes, seconds = divmod(round(standing.left_s), 60)
        left = f"{minutes} min {seconds:02d} s left to train"
    yield render_tile("Trained", render_number(format_share(done, 0)), left)
    miou_N = ious["miou"]
    if len(miou_N) and np.isfinite(miou_N).any():
        best = int(np.nanargmax(miou_N))
        note = f"best {format_share(miou_N[best])} at step {ious['step'][best]:,.0f}"
        yield render_tile(
            "Validation mIoU",
            render_number(format_share(float(miou_N[-1]))),
            render_number(note),
        )
    if len(steps["step"]):
        yield render_tile("Loss", _latest(steps["loss"], 3))
        wait = f"{format_share(float(steps['wait'][-1]), 0)} of the time waiting for data"
        yield render_tile("Images per second", _latest(steps["images_per_s"], 1), wait)


def _render_files(run: Path) -> str:
    files = {
        "report/report.html": "report of the best weights",
        "recipe.yaml": "recipe, with reasons",
        "log.csv": "one row per epoch",
        "iou.csv": "one row per validation",
        "steps.csv": "loss, speed and use of the machine over the steps",
    }
    items = "".join(
        f'<li><a href="{name}">{name}</a>: {what}</li>'
        for name, what in files.items()
        if (run / name).is_file()
    )
    return f'<ul class="facts">{items}</ul>'
