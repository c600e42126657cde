"""One recipe with several seeds: each is a run of its own, and the scores are told together.

    runs/a/  seed-0/ seed-1/ seed-2/   whole runs
             seeds.json   index.html   mean, spread and best of their scores

The spread is the sample standard deviation over seeds: what chance alone changes in a score of
this recipe on these images. A difference between two recipes that is not larger says little.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from statistics import fmean, stdev

from maskwright.core.atomic import write_json, write_text
from maskwright.core.errors import ConfigError
from maskwright.core.labels import LabelSpec
from maskwright.core.report import Report
from maskwright.core.versioned import Schema
from maskwright.pages.markup import render_class, render_number, render_table
from maskwright.pages.page import Section, render_page
from maskwright.pages.text import DASH, format_share

from .machine import get_processes
from .options import Callbacks, TrainOptions
from .recipe import read_recipe
from .run import Run, open_run, train
from .start import RECIPE, has_checkpoint

DOCUMENT, PAGE = "seeds.json", "index.html"
SCHEMA = Schema(kind=DOCUMENT, version=1)
TrainOne = Callable[[Path | str, Path, TrainOptions, Callbacks], Run]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation of a score over the runs that have it."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of the values that are not NaN; the deviation of fewer than two is NaN."""
        known = [value for value in values if not math.isnan(value)]
        std = stdev(known) if len(known) > 1 else math.nan
        return cls(fmean(known) if known else math.nan, std)

    def __str__(self) -> str:
        spread = DASH if math.isnan(self.std) else f"{100 * self.std:.1f}"
        return f"{format_share(self.mean)} ± {spread}"

    def to_json(self) -> dict[str, float | None]:
        """An object; None for NaN."""
        return {
            name: None if math.isnan(value) else value
            for name, value in (("mean", self.mean), ("std", self.std))
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRuns:
    """Finished runs of one recipe by seed, and the folder that holds them."""

    root: Path
    reports: Mapping[int, Report]

    @property
    def labels(self) -> LabelSpec:
        """The classes."""
        return next(iter(self.reports.values())).labels

    @property
    def miou(self) -> Spread:
        """Validation mIoU of the best weights of each run."""
        return Spread.of([report.miou for report in self.reports.values()])

    @property
    def ious(self) -> dict[str, Spread]:
        """IoU by class."""
        return {
            name: Spread.of([r.classes[i]["iou"].value for r in self.reports.values()])
            for i, name in enumerate(self.labels.names)
        }

    @property
    def best(self) -> int:
        """The seed with the largest mIoU; the first of several."""
        return max(self.reports, key=lambda seed: self.reports[seed].miou)

    def to_json(self) -> dict[str, object]:
        """The content of seeds.json."""
        rows = [
            {"seed": seed, "run": name_seed(seed), "miou": report.miou}
            for seed, report in self.reports.items()
        ]
        ious = {name: spread.to_json() for name, spread in self.ious.items()}
        best = {"best": name_seed(self.best), "miou": self.miou.to_json(), "iou": ious}
        return SCHEMA.stamp({"seeds": rows, **best})

    def write(self) -> None:
        """Write seeds.json and the page."""
        write_json(self.root / DOCUMENT, self.to_json())
        write_text(self.root / PAGE, self._render())

    def _render(self) -> str:
        rows = [
            [
                f'<a href="{name_seed(seed)}/report/report.html">{seed}</a>',
                render_number(format_share(report.miou)),
            ]
            for seed, report in self.reports.items()
        ]
        ious = [
            [render_class(entry.color, entry.name), render_number(str(self.ious[entry.name]))]
            for entry in self.labels.classes
        ]
        note = f"Mean ± sample standard deviation over {len(self.reports)} seeds, in points."
        runs = render_table("Runs by seed", ("seed", "mIoU"), rows)
        return render_page(
            f"Seeds of {self.root.resolve().name}",
            f"Validation mIoU {self.miou}; best: {escape(name_seed(self.best))}.",
            [
                Section(
                    "Runs", "IoU on the validation images; the seed leads to its report.", runs
                ),
                Section("Classes", note, render_table("IoU by class", ["class", "IoU"], ious)),
            ],
        )


def train_seeds(
    data: Path | str,
    out: Path | str,
    num: int,
    options: TrainOptions | None = None,
    callbacks: Callbacks | None = None,
    *,
    train_one: TrainOne = train,
) -> SeedRuns:
    """Train a recipe with `num` seeds, one after the other, and compare the runs.

    The first run plans the recipe, or takes that of `options`; the others take it from there.
    With `options.resume`, runs that have ended stay, one that has begun goes on.

    Raises:
        ConfigError: `num` is below 2, or there is a budget, which would fit every run
            to another length.
        Otherwise as `train`.
    """
    root, options, callbacks = Path(out), options or TrainOptions(), callbacks or Callbacks()
    if num < 2:
        raise ConfigError(f"--seeds {num}: give 2 or more; one run needs no --seeds")
    if options.budget_s is not None:
        raise ConfigError(
            "--budget fits each run to the machine, and --seeds repeats one recipe; plan it by "
            f"`maskwright plan DATA --budget ...`, then give --recipe recipe.yaml --seeds {num}"
        )
    first = _find_first_seed(root, options)
    reports: dict[int, Report] = {}
    for seed in range(first, first + num):
        callbacks.log(f"seed {seed}: run {len(reports) + 1} of {num}")
        run = root / name_seed(seed)
        if options.resume and (run / "bundle").exists():
            reports[seed] = open_run(run).report
            continue
        given = _choose_options(root, seed, first, options)
        reports[seed] = train_one(data, run, given, callbacks).report
    found = SeedRuns(root=root, reports=reports)
    if get_processes().is_main_process:
        found.write()
    return found


def name_seed(seed: int) -> str:
    """The folder of a seed."""
    return f"seed-{seed}"


def _find_first_seed(root: Path, options: TrainOptions) -> int:
    """The seed of the recipe: of the runs that are there, else the one given."""
    if options.resume:
        begun = [int(path.name.removeprefix("seed-")) for path in root.glob("seed-*/")]
        if not begun:
            raise ConfigError(f"{root}: no run to resume; start without --resume")
        return min(begun)
    given = options.settings.get("seed")
    if isinstance(given, int):
        return given
    return 0 if options.recipe is None else read_recipe(options.recipe).seed


def _choose_options(root: Path, seed: int, first: int, options: TrainOptions) -> TrainOptions:
    """Options of one run: resumed, planned as the first one, or with the recipe of that."""
    run = root / name_seed(seed)
    if options.resume and has_checkpoint(run):
        return replace(options, recipe=None, settings={})
    fresh = replace(options, resume=False)
    if seed == first:
        return fresh
    recipe = root / name_seed(first) / RECIPE
    return replace(fresh, recipe=recipe, settings={"seed": seed})
