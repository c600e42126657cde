"""`watch --replay`: how often the detector is wrong, and how soon it finds a change."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ConfigError
from ..pages.text import format_count, text_table
from .console import BAD_VERDICT, Console

if TYPE_CHECKING:
    from ..core.image import Image
    from ..core.observation import Observation
    from ..monitoring.groups import Observed
    from ..monitoring.replay import Delay, FalseCries, Replay
    from ..monitoring.shifts import Shift

_SQLITE = b"SQLite format 3"
_MOST_IMAGES = 8
_STREET_HW = (144, 192)
_HEADS = ("change", "severity", "images", "warned in 10", "in 20", "median", "alarm median")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What `watch --replay` is asked for; `log` may be a store, and `per_day` are images."""

    log: str
    per_day: float | None
    target: str
    model: str | None
    images: Path | None
    replays: int


def run_replay(options: ReplayOptions, console: Console) -> int:
    """Replay a log and print what was measured; the exit status of the verb."""
    from ..monitoring.replay import replay, require_groups
    from ..monitoring.target import Target

    if (options.model is None) != (options.images is None):
        raise ConfigError("--model and --images go together: the model predicts the images")
    target = Target.parse(options.target)
    log, per_day = _read_log(options)
    require_groups(log, images_per_day=per_day)
    found = replay(
        log,
        images_per_day=per_day,
        target=target,
        shifts=_make_shifts(log, options, console),
        num=options.replays,
        progress=console.progress,
    )
    console.say_all(_describe(found))
    console.result(found.to_json())
    return BAD_VERDICT if found.alarm.is_above else 0


def _read_log(options: ReplayOptions) -> tuple["Observed", float]:
    """The images of a store or of a file of observations, and how many come in a day."""
    from ..core.observation import read_observations
    from ..monitoring.groups import Observed
    from ..serving.watch.history import read_history
    from ..store.database import Database

    if "://" in options.log or _is_sqlite(Path(options.log)):
        database = Database.open(options.log)
        try:
            history = read_history(database)
        finally:
            database.close()
        return history.log, options.per_day or history.images_per_day
    if options.per_day is None:
        raise ConfigError(
            "--replay of a file needs --per-day: the images that come in a day, by which a "
            "rate of false alarms becomes a number of groups"
        )
    path = Path(options.log)
    return Observed.gather(read_observations(path), where=options.log), options.per_day


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(_SQLITE)) == _SQLITE


def _make_shifts(
    log: "Observed", options: ReplayOptions, console: Console
) -> Mapping[tuple[str, int], "Shift"]:
    """Shifts that images show, and twice the share of a rare class."""
    from ..monitoring.shifts import ScaledClass, find_rare_class, measure_shifts, to_differences

    shifts: dict[tuple[str, int], Shift] = {}
    if options.model is not None and options.images is not None:
        observe, images = _open_images(options.model, options.images)
        families = tuple(log.names)
    else:
        observe, images = _draw_images()
        families = ("image",)
        if log.names["image"] != tuple(observe(images[0]).families["image"]):
            images = []
            console.say("no --images, and no photographs: only shares of classes are changed")
        else:
            console.say(
                "no --images: corruptions are measured on drawn streets, in light, colours "
                "and sharpness alone"
            )
    if images:
        observed = measure_shifts(images, observe, progress=console.progress)
        shifts |= dict(to_differences(log, observed, families))
    rare = find_rare_class(log)
    return shifts | {(f"twice the {rare}", 0): ScaledClass(rare, 2.0)}


def _open_images(
    model: str, folder: Path
) -> tuple["Callable[[Image], Observation]", list["Image"]]:
    from ..data.pixels.images import read_image
    from ..inference.inputs import find_images
    from ..inference.observe import observe
    from ..inference.outputs import PredictedImage
    from ..inference.predictor import open_model

    predictor = open_model(model)
    found = list(find_images([folder]).images.items())
    chosen = np.unique(np.linspace(0, len(found) - 1, _MOST_IMAGES).round().astype(int))
    images = [read_image(found[index][1]) for index in chosen.tolist()]

    def look(image_HWC: "Image") -> "Observation":
        prediction = predictor.predict(image_HWC, where=str(folder))
        predicted = PredictedImage(key="", image_HWC=image_HWC, prediction=prediction)
        return observe(predicted, predictor.card.input)

    return look, images


def _draw_images() -> tuple["Callable[[Image], Observation]", list["Image"]]:
    """Drawn streets, of which the image alone is observed."""
    from ..core.inputspec import InputSpec
    from ..core.observation import FAMILIES, Observation
    from ..data.synth.streets import draw_street
    from ..inference.observe import choose_pixels, measure_families

    images: list[Image] = [
        draw_street(_STREET_HW, seed=0, number=n)[0] for n in range(_MOST_IMAGES)
    ]
    spec = InputSpec(channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)

    def look(image_HWC: "Image") -> Observation:
        blank_HW = np.zeros(image_HWC.shape[:2], np.uint8)
        sure_hw = np.ones(blank_HW.shape, np.float32)[choose_pixels(blank_HW.shape)]
        families = measure_families(image_HWC, blank_HW, sure_hw, spec, ("all",))
        return Observation(
            key="", model="", source="", families={name: families[name] for name in FAMILIES}
        )

    return look, images


def _describe(found: "Replay") -> Iterator[str]:
    yield (
        f"{format_count(found.num_replays, 'replay')} of {found.num_images} images, half of "
        f"them the reference: {format_count(found.num_reference, 'group')} of "
        f"{found.group_size} images, {found.groups_per_day:.3g} groups a day"
    )
    yield _describe_cries("false alarms", found.alarm)
    yield _describe_cries("false warnings", found.warning)
    rows = [
        (
            one.kind,
            str(one.severity or ""),
            f"{one.share:.0%}",
            f"{one.warning.within_10:.0%}",
            f"{one.warning.within_20:.0%}",
            _format_median(one.warning),
            _format_median(one.alarm),
        )
        for one in found.found
    ]
    if rows:
        yield "groups until a cry, where the change is on this share of the images:"
        yield from text_table(_HEADS, rows, words=(0,))


def _describe_cries(what: str, cries: "FalseCries") -> str:
    low, high = cries.interval
    above = "; above the target, beyond chance" if cries.is_above else ""
    return (
        f"{what}: {cries.num} in {cries.days:.3g} days, {cries.per_month:.2g} a month "
        f"({low:.2g} to {high:.2g}); the target is {cries.target:.2g}{above}"
    )


def _format_median(delay: "Delay") -> str:
    from ..monitoring.replay import MOST_GROUPS

    return f"> {MOST_GROUPS}" if delay.median is None else f"{delay.median:g}"
