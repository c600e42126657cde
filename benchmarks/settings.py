"""Settings of a short training: what each changes in the score at the same number of pixels.

    python benchmarks/settings.py ../shared/data --data camvid --only planned "crops that grow"

A row of recipes.jsonl for each setting and seed; recipes.py makes a table of them. What is not
a key of a recipe is changed in the code of the training, for these runs alone.
"""

import argparse
import csv
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import torch
from accelerate import Accelerator
from scipy.stats import t
from timm.layers.drop import DropPath
from torch import nn

from maskwright.core.confusion import Confusion
from maskwright.core.scores import iou, mean_iou
from maskwright.data.dataset import FolderDataset, open_dataset
from maskwright.inference.opening import open_ensemble
from maskwright.nn.any_size import AnySize
from maskwright.nn.loss import LossFunction
from maskwright.training.checkpoint import TrainingState
from maskwright.training.job import Job
from maskwright.training.loop import _Loop
from maskwright.training.optim import MovingAverage
from maskwright.training.options import Callbacks, TrainOptions
from maskwright.training.recipe import OptimOptions
from maskwright.training.run import plan, train_weights
from maskwright.training.samples.loader import Batch, Crops, Item, Normalize
from maskwright.training.setup import make_model
from maskwright.training.validate import OnPrediction, validate

RESULTS = Path(__file__).with_name("recipes.jsonl")

Row = dict[str, Any]
"""The length, the setting, the seed, and the scores of a training."""


@dataclass(frozen=True, slots=True)
class Length:
    """A training of so many steps, with crops of a fixed size (H, W) in px."""

    data: str
    crop_px: tuple[int, int]
    epochs: int
    scale: float = 0.5

    def plan(self, folder: Path) -> str:
        """The planned recipe of this length, as YAML; nothing in it depends on the machine."""
        settings: dict[str, object] = {
            "input.scale_ratio": self.scale,
            "data.crop_px": list(self.crop_px),
            "data.workers": 0,
            "optim.precision": "fp32",
            "schedule.epochs": self.epochs,
            "schedule.validate_every": self.epochs,
        }
        return plan(folder / self.data, settings=settings).to_yaml()


LENGTHS = {
    "camvid": Length("camvid", (128, 160), 3),
    "magnetic_tile": Length("magnetic_tile", (160, 160), 2),
}

PLANNED_DECAY = OptimOptions().ema_decay

RHO: Final = 0.05
"""Radius of sharpness-aware minimisation, that of the paper."""

SMALL_PX, LARGE_PX, SMALL_SHARE = (96, 128), (160, 192), 5 / 9
"""Crops of growing size, and the share of small ones that keeps the number of pixels."""


class GrowingCrops(Crops):
    """Crops that are small in the first steps and large in the last."""

    def __getitem__(self, n: int) -> Item:
        """Sample n of the run; those of a step have one size."""
        batch = self.data.batch_size
        is_small = n // batch < math.floor(SMALL_SHARE * (self.num_samples // batch))
        crop_HW = SMALL_PX if is_small else LARGE_PX
        self.augment = replace(self.augment, crop_HW=crop_HW)
        return super().__getitem__(n)


def grow_crops() -> AbstractContextManager[object]:
    """Train with `GrowingCrops`."""
    return patch("maskwright.training.loop.Crops", GrowingCrops)


def drop_paths(rate: float) -> AbstractContextManager[object]:
    """Skip blocks at random, the last with probability `rate`: Huang et al. 2016, eq. 4."""

    def make(job: Job, *, pretrained: bool) -> AnySize:
        model = make_model(job, pretrained=pretrained)
        blocks = [m for m in model.modules() if hasattr(m, "drop_path")]
        for index, block in enumerate(blocks):
            block.drop_path = DropPath(rate * index / (len(blocks) - 1))
        return model

    return patch("maskwright.training.loop.make_model", make)


def seek_flat_minimum() -> AbstractContextManager[object]:
    """Take the gradient at the worst weights within RHO: Foret et al. 2021, algorithm 1."""

    def train_batch(
        self: _Loop, batch: Batch, loss_function: LossFunction, normalize: Normalize
    ) -> None:
        learnt = [p for p in self.state.model.parameters() if p.requires_grad]
        self.accelerator.backward(self._compute_loss(batch, loss_function, normalize))
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in learnt]
        norm = float(nn.utils.get_total_norm(gradients))
        with torch.no_grad():
            for parameter, gradient in zip(learnt, gradients, strict=True):
                parameter.add_(gradient, alpha=RHO / norm)
        self.stepper.zero_grad()
        loss = self._compute_loss(batch, loss_function, normalize)
        self._require_finite(loss, batch["key"])
        self.accelerator.backward(loss)
        with torch.no_grad():
            for parameter, gradient in zip(learnt, gradients, strict=True):
                parameter.sub_(gradient, alpha=RHO / norm)
        nn.utils.clip_grad_norm_(learnt, self.job.recipe.optim.clip_norm)
        self.stepper.step()
        self.stepper.zero_grad()

    return patch.object(_Loop, "_train_batch", train_batch)


AVERAGES = {
    "optim.ema_decay 0": (0.0, 1),
    "optim.ema_decay 0.9": (0.9, 1),
    "optim.ema_decay 0.95": (0.95, 1),
    "average of weights over twice the steps": (PLANNED_DECAY, 2),
    "average of weights over four times the steps": (PLANNED_DECAY, 4),
}
"""Decay, and the count of a step: the decay is no more than 1 - 9 / (10 + count * step)."""


class Averages(MovingAverage):
    """The planned average of the weights, and others of the same training."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, decay)
        self.others = {name: MovingAverage(model, d) for name, (d, _) in AVERAGES.items()}

    def update(self, model: nn.Module, step: int) -> None:
        """Update all of them."""
        super().update(model, step)
        for name, (_, count) in AVERAGES.items():
            self.others[name].update(model, count * step)


@contextmanager
def score_averages(scores: dict[str, Confusion]) -> Iterator[None]:
    """Score every average of `Averages`; `scores` has them after the training."""

    def validate_all(
        job: Job,
        state: TrainingState,
        accelerator: Accelerator,
        show: OnPrediction | None = None,
        *,
        images: Sequence[int] | None = None,
    ) -> Confusion:
        if images is None and isinstance(state.average, Averages):
            for name, other in state.average.others.items():
                scores[name] = validate(job, replace(state, average=other), accelerator)
        return validate(job, state, accelerator, show, images=images)

    loop = "maskwright.training.loop."
    with patch(loop + "MovingAverage", Averages), patch(loop + "validate", validate_all):
        yield


@dataclass(frozen=True, slots=True)
class Setting:
    """A change of the planned recipe: values by dotted key, or another training."""

    name: str
    values: Mapping[str, object] = field(default_factory=dict)
    change: Callable[[], AbstractContextManager[object]] = nullcontext


PLANNED = Setting("planned")
SCALES = "0.75:1.25"
"""Scales at which the planned run is scored too, beside 1."""

SETTINGS = (
    PLANNED,
    Setting("optim.layer_decay 0.8", {"optim.layer_decay": 0.8}),
    Setting("optim.layer_decay 0.9", {"optim.layer_decay": 0.9}),
    Setting("data.class_mix 0.5", {"data.class_mix": 0.5}),
    Setting("data.copy_paste 0.5", {"data.copy_paste": 0.5}),
    Setting("loss.sum border_relax+dice", {"loss.sum": "border_relax+dice"}),
    Setting("loss.sum ce+dice+0..0.1*boundary", {"loss.sum": "ce+dice+0..0.1*boundary"}),
    Setting("stochastic depth, up to 0.1", change=lambda: drop_paths(0.1)),
    Setting("crops that grow", {"data.crop_px": list(LARGE_PX)}, grow_crops),
    Setting(
        "sharpness-aware, half the steps", {"schedule.steps_per_epoch": 46}, seek_flat_minimum
    ),
)


def main() -> None:
    """Run what is asked for, and add its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the datasets")
    parser.add_argument("--data", choices=LENGTHS, default="camvid")
    names = [setting.name for setting in SETTINGS]
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--rows", type=Path, default=RESULTS, help="where rows are added")
    asked = parser.parse_args()
    length = LENGTHS[asked.data]
    with TemporaryDirectory() as out:
        recipe = Path(out, "recipe.yaml")
        recipe.write_text(length.plan(asked.folder))
        for seed, setting in itertools.product(asked.seeds, SETTINGS):
            if setting.name in asked.only:
                rows = run(setting, seed, length, recipe, asked.folder / length.data)
                with asked.rows.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in rows)


def run(setting: Setting, seed: int, length: Length, recipe: Path, data: Path) -> list[Row]:
    """Train, and score the averaged weights on `val` at source resolution."""
    options = TrainOptions(recipe=recipe, settings={**setting.values, "seed": seed})
    scores: dict[str, Confusion] = {}
    watch = score_averages(scores) if setting is PLANNED else nullcontext()
    with TemporaryDirectory() as out:
        root = Path(out, "run")
        with setting.change(), watch:
            train_weights(data, root, options, Callbacks())
        dataset = open_dataset(data)
        names = dataset.spec.names
        *_, last = csv.DictReader((root / "iou.csv").open())
        if setting is PLANNED:
            scores[f"scored at scales {SCALES} too"] = score_scales(root, dataset)
    plain = {name: float(last[name] or "nan") for name in names}
    rows = [{"setting": setting.name, "miou": float(last["miou"]), "iou": plain}]
    for name, total in scores.items():
        ious = dict(zip(names, iou(total).round(6).tolist(), strict=True))
        rows.append({"setting": name, "miou": round(float(mean_iou(total)), 6), "iou": ious})
    return [asdict(length) | {"seed": seed} | row for row in rows]


def score_scales(root: Path, dataset: FolderDataset) -> Confusion:
    """Count the pixels of `val` by the mean over scales."""
    model, val = open_ensemble(root, tta=f"scales={SCALES}"), dataset.subset("val")
    total = Confusion.zero(len(dataset.spec))
    for index in range(len(val)):
        sample = val[index]
        predicted_HW = model.label(sample.image_HWC, sample.valid_HW, where=sample.key)
        total += Confusion.from_labels(val.labels(index), predicted_HW, len(dataset.spec))
    return total


INTRO = """
## Settings

From `benchmarks/settings.py`: the recipe that `plan` writes where the extra `weights` is
installed (FPN on EfficientNet-lite0) at a fixed length, scale 0.5, fp32, and one change at a
time. camvid: 276 steps of four crops of 128 x 160, 23 Mpx; magnetic_tile: 238 of 160 x 160, 24
Mpx. The difference is that of the mIoU on val from the planned recipe with the same seed, in
points: mean over the seeds, and its 95 % interval by Student's t where there are several.

These are runs of a minute of one core, about a ninetieth of the pixels of the run of 40 minutes
above: what gains here need not gain in a long run, nor what loses lose there. They end while
the network still learns fast, so that what makes the task harder or takes steps costs most. All
settings were tried with seed 0 on camvid, and those that looked best with others, so that the
mean of these is a little too good.

- `data.copy_paste` gained most: 0 to 2.4 points with five seeds on camvid, two more than were
  meant at first, and 2.3 to 11.4 with four on magnetic_tile. Both intervals include 0, and a
  longer run on magnetic_tile ended 6 points lower with it (above), so the plan leaves it at 0.
  No other gained over 0.2 points on average.
- Average of weights: its decay rises as (1 + step) / (10 + step), so that it is over about the
  last ninth of the steps, whatever the length, and reaches the planned 0.998 at step 4,490. In
  these runs it ends at 0.969: 0.99 and 0.995 would change nothing before steps 890 and 1,790.
  All averages are of one training.
- Crops that grow: 96 x 128 for 153 steps, then 160 x 192, which are as many pixels.
- `border_relax` requires nothing of what is no wider than its window of 3 px, as poles are.
- The FPN has no auxiliary head; those of other architectures are in their own recipes.
"""


def make_table(rows: Sequence[Row]) -> list[str]:
    """Markdown: what every setting changes against the planned one, the best first."""
    lines = [
        *INTRO.splitlines(),
        "",
        "| dataset | setting | seeds | val mIoU | difference | 95 % interval |",
        "|---|---|---:|---:|---:|---|",
    ]
    for data in LENGTHS:
        of_data = [row for row in rows if row["data"] == data]
        gains = {row["setting"]: list_gains(of_data, row["setting"]) for row in of_data}
        best_first = sorted(gains, key=lambda name: mean(gains[name]), reverse=True)
        lines += [_make_line(of_data, name, gains[name]) for name in best_first]
    return lines


def list_gains(rows: Sequence[Row], setting: str) -> list[float]:
    """The gains in mIoU over the planned recipe, in points, by seed; rows of one dataset."""
    planned = {row["seed"]: row["miou"] for row in rows if row["setting"] == PLANNED.name}
    changed = (row for row in rows if row["setting"] == setting)
    return [100 * (row["miou"] - planned[row["seed"]]) for row in changed]


def compute_interval(gains: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of two values or more, by Student's t."""
    half = float(t.ppf(0.975, len(gains) - 1)) * stdev(gains) / math.sqrt(len(gains))
    return mean(gains) - half, mean(gains) + half


def _make_line(rows: Sequence[Row], setting: str, gains: Sequence[float]) -> str:
    """The line of a setting; the planned one has no difference."""
    score = mean(100 * row["miou"] for row in rows if row["setting"] == setting)
    difference = interval = ""
    if setting != PLANNED.name:
        difference = f"{mean(gains):+.2f}"
        if len(gains) > 1:
            interval = "{:+.2f} to {:+.2f}".format(*compute_interval(gains))
    cells = (rows[0]["data"], setting, len(gains), f"{score:.1f}", difference, interval)
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
