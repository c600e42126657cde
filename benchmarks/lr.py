"""Learning rates of AdamW at several batch sizes: what is learnt from the same crops.

    python benchmarks/lr.py ../shared/data --batch 16 --lr 5e-4 2e-3 --seeds 0 1

A row of lr.jsonl for each training; lr.md is made of them.
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from settings import Length, Setting, run

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "lr.jsonl", HERE / "lr.md"
LENGTH, NUM_CROPS = Length("camvid", (128, 160), epochs=1), 3680

INTRO = f"""\
# Learning rate by batch size

From `benchmarks/lr.py`: the recipe that `plan` writes for CamVid on a CPU where the extra
`weights` is installed (FPN on EfficientNet-lite0, AdamW, the encoder at half the rate), at
scale {LENGTH.scale}, fp32, {NUM_CROPS:,} crops of {LENGTH.crop_px[0]} x {LENGTH.crop_px[1]} px
in all: more in a batch are fewer steps. mIoU of val at source resolution, in %: mean over the
seeds, in brackets the least and the greatest. Two cores of an AMD EPYC; nothing here is from a
GPU.

The plan takes 0.002 for runs of up to 20,000 crops, on every device; it took 0.0005 on a GPU
before. These runs have {NUM_CROPS:,}: if the best rate falls with the crops to the power 0.32
(Bjorck et al. 2025, arXiv:2409.19913), 0.002 at 20,000 is 0.0034 here, and a longer run takes
less than 0.002 by the same rule. Longer runs and higher rates were not tried.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A training and its mIoU, in 0..1."""

    batch: int
    lr: float
    seed: int
    miou: float


def main() -> None:
    """Run what is asked for, add its rows, and write the page of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the datasets")
    parser.add_argument("--batch", type=int, nargs="*", default=[])
    parser.add_argument("--lr", type=float, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    asked = parser.parse_args()
    for seed, batch, lr in itertools.product(asked.seeds, asked.batch, asked.lr):
        row = Row(batch=batch, lr=lr, seed=seed, miou=train(asked.folder, batch, lr, seed))
        print(row, flush=True)
        with RESULTS.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
    rows = [Row(**json.loads(line)) for line in RESULTS.read_text().splitlines()]
    PAGE.write_text(make_page(rows))


def train(folder: Path, batch: int, lr: float, seed: int) -> float:
    """The mIoU of the averaged weights at the end."""
    values = {
        "data.batch_size": batch,
        "optim.lr": lr,
        "schedule.steps_per_epoch": NUM_CROPS // batch,
    }
    with TemporaryDirectory() as out:
        recipe = Path(out, "recipe.yaml")
        recipe.write_text(LENGTH.plan(folder))
        setting = Setting(f"{lr:g}", values)
        (row,) = run(setting, seed, LENGTH, recipe, folder / LENGTH.data)
    return float(row["miou"])


def make_page(rows: Sequence[Row]) -> str:
    """One line a batch size, one column a rate."""
    rates = sorted({row.lr for row in rows})
    lines = [
        *INTRO.splitlines(),
        "",
        f"| crops in a batch | steps | {' | '.join(f'{rate:g}' for rate in rates)} |",
        "|---:" * (2 + len(rates)) + "|",
    ]
    for batch in sorted({row.batch for row in rows}):
        cells = [
            _format([100 * row.miou for row in rows if (row.batch, row.lr) == (batch, rate)])
            for rate in rates
        ]
        lines.append(f"| {batch} | {NUM_CROPS // batch} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _format(scores: Sequence[float]) -> str:
    if not scores:
        return ""
    if len(scores) == 1:
        return f"{scores[0]:.1f}"
    return f"{mean(scores):.1f} ({min(scores):.1f} to {max(scores):.1f})"


if __name__ == "__main__":
    main()
