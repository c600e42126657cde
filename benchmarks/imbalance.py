"""Remedies for class imbalance, one at a time against plain cross-entropy.

    python benchmarks/imbalance.py ../shared/data                  hours
    python benchmarks/imbalance.py ../shared/data --size reduced   an hour on one core

Two sets: magnetic_tile (defects down to 0.02 % of the pixels; it may not be shipped, SOURCE.txt
in it says where it comes from) and drawn streets with 0.1 % traffic sign. Every run has the
same model, steps, crops and augmentation; the last weights are scored on val, so nothing is
chosen by what is scored. Steps are counted, not timed: what else the machine does changes no
number. Each finished run goes into benchmarks/imbalance.json at once and is not run again: stop
it at any time, or do a piece of it (`--sets`, `--remedies`, `--seeds`, `--minutes`). The page
benchmarks/imbalance.md shows what there is.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskwright.core.atomic import write_json, write_text
from maskwright.core.card import ModelCard
from maskwright.core.codec import LabelCodec
from maskwright.core.confusion import Confusion
from maskwright.core.inputspec import InputSpec
from maskwright.core.progress import silent
from maskwright.core.scores import iou, mean_iou, precision, recall
from maskwright.data.classes.codec import write_dataset_file
from maskwright.data.classes.dataset_yaml import FILE_NAME, DatasetFile
from maskwright.data.dataset import Dataset, open_dataset
from maskwright.data.facts import Facts, measure_facts
from maskwright.data.synth.scene import STREET
from maskwright.data.synth.streets import draw_street
from maskwright.inference.predictor import open_model
from maskwright.nn.build import newest
from maskwright.training.job import Job
from maskwright.training.loop import fit
from maskwright.training.recipe import Recipe, override
from maskwright.training.setup import make_accelerator
from maskwright.training.splits import select_labelled

HERE = Path(__file__).parent
WEIGHTS = "weights/mobilenet_v2_imagenet_from_tf2_ptq.pth"
RARE_SHARE = 0.002
STREETS = {"train": 120, "val": 120}
STREET_HW = (96, 128)
SETS = ("magnetic_tile", "streets")
SIZES: dict[str, dict[str, Any]] = {
    "full": {
        "steps": {"magnetic_tile": 600, "streets": 600},
        "crop_px": {"magnetic_tile": (224, 224), "streets": STREET_HW},
    },
    "reduced": {
        "steps": {"magnetic_tile": 120, "streets": 75},
        "crop_px": {"magnetic_tile": (128, 128), "streets": STREET_HW},
    },
}

FIXED: dict[str, Any] = {
    "model.arch": "fpn",
    "model.encoder": "mobilenet_v2",
    "model.config": {"pyramid_channels": 128, "decoder_channels": 64},
    "data.batch_size": 8,
    "data.rare_share": 0.0,
    "loss.sum": "ce",
}

REMEDIES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("cross-entropy alone", {}),
    "weights": ("weights 1 / pixel share", {"loss.class_weights": "inverse"}),
    "effective": ("weights by effective number", {"loss.class_weights": "effective"}),
    "focal": ("focal instead of cross-entropy", {"loss.sum": "focal"}),
    "dice": ("Dice added", {"loss.sum": "ce+dice"}),
    "lovasz": ("Lovász added", {"loss.sum": "ce+lovasz"}),
    "rare_crops": ("half of the crops hold a rare class", {"data.rare_share": 0.5}),
    "copy_paste": ("rare objects put into half of the crops", {"data.copy_paste": 0.5}),
    "dice_rare_crops": (
        "Dice and rare crops",
        {"loss.sum": "ce+dice", "data.rare_share": 0.5},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One run: which set, which remedy, which seed."""

    name: str
    remedy: str
    seed: int

    @property
    def key(self) -> str:
        """Name in the results."""
        return f"{self.name}/{self.remedy}/{self.seed}"


def main() -> None:
    """Run what is asked for and not yet done; write results and page after each run."""
    asked = _arguments()
    out = asked.out / "imbalance.json"
    results = json.loads(out.read_text()) if out.exists() else {"size": asked.size, "runs": {}}
    if results["size"] != asked.size:
        raise SystemExit(f"{out} holds runs of size {results['size']}; use --size or --out")
    started_s = time.monotonic()
    with TemporaryDirectory() as folder:
        for piece in _pieces(asked):
            if piece.key in results["runs"]:
                continue
            if time.monotonic() - started_s > asked.minutes * 60:
                break
            results["runs"][piece.key] = found = run_piece(piece, asked, Path(folder))
            write_json(out, results)
            write_text(asked.out / "imbalance.md", page(results))
            miou = mean_iou(Confusion(np.array(found["confusion"])))
            print(f"{piece.key}: mIoU {miou:.1%}, {found['seconds']:.0f} s", flush=True)
    print(page(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of magnetic_tile and weights")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--remedies", nargs="+", choices=REMEDIES, default=list(REMEDIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after these")
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


def _pieces(asked: argparse.Namespace) -> Iterator[Piece]:
    """Seed by seed, so that a stopped benchmark compares all remedies."""
    for seed in asked.seeds:
        for name in asked.sets:
            for remedy in asked.remedies:
                yield Piece(name=name, remedy=remedy, seed=seed)


def run_piece(piece: Piece, asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train, and count the confusion of the last weights on val at source resolution."""
    started_s = time.monotonic()
    root = _streets(folder) if piece.name == "streets" else asked.data / piece.name
    train, val, facts = read_set(root)
    job = _job(piece, asked, root, folder / piece.key)
    job.run.mkdir(parents=True)
    fit(job, make_accelerator(job.recipe), lambda _status: None, resume=False)
    model, total = open_model(job.run), Confusion.zero(len(val.spec))
    for i in range(len(val)):
        found = model.predict(val.image(i), where=val.keys[i]).labels_HW
        total += Confusion.from_labels(val.labels(i), found, len(val.spec))
    return {
        "classes": [c.name for c in val.spec.classes],
        "images": [len(train), len(val)],
        "train_share": list(facts.class_share_C),
        "steps": job.num_steps,
        "confusion": total.counts_CC.tolist(),
        "seconds": round(time.monotonic() - started_s, 1),
    }


@cache
def read_set(root: Path) -> tuple[Dataset, Dataset, Facts]:
    """Training and validation images, and the facts of the former."""
    dataset = open_dataset(root)
    train, val = select_labelled(dataset, "train"), select_labelled(dataset, "val")
    return train, val, measure_facts(train, silent)


def _job(piece: Piece, asked: argparse.Namespace, root: Path, run: Path) -> Job:
    """Its `val` is one image: what the loop scores at its end decides nothing here."""
    train, val, facts = read_set(root)
    size = SIZES[asked.size]
    epochs = round(size["steps"][piece.name] * FIXED["data.batch_size"] / len(train))
    learnt = facts.channels == 3
    settings = {
        "seed": piece.seed,
        "model.encoder_weights": str(asked.data / WEIGHTS),
        "input.channels": facts.channels,
        "input.mean": Recipe().input.mean if learnt else facts.mean,
        "input.std": Recipe().input.std if learnt else facts.std,
        "data.crop_px": size["crop_px"][piece.name],
        "schedule.epochs": epochs,
        "schedule.validate_every": epochs,
    }
    recipe = override(Recipe(), FIXED | settings | REMEDIES[piece.remedy][1])
    spec = recipe.input
    card = ModelCard(
        labels=train.spec,
        input=InputSpec(channels=spec.channels, mean=spec.mean, std=spec.std),
        arch=newest(recipe.model.graph),
    )
    return Job(
        run=run,
        recipe=recipe,
        card=card,
        train=train,
        val=replace(val, entries=val.entries[:1]),
        counts_NC=facts.counts_NC,
    )


def _streets(folder: Path) -> Path:
    """Drawn streets of which every sixth has traffic signs; written once."""
    root = folder / "streets"
    if root.exists():
        return root
    number = 0
    for split, count in STREETS.items():
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for _ in range(count):
            drawn = 3 * number if number % 6 == 0 else 3 * number + 1 + number % 2
            image_HW3, labels_HW = draw_street(STREET_HW, seed=7, number=drawn)
            name = f"{split}/street_{number:04d}.png"
            cv2.imwrite(str(root / "images" / name), image_HW3[..., ::-1])
            cv2.imwrite(str(root / "masks" / name), labels_HW)
            number += 1
    document = DatasetFile(format="mask_folder", source="drawn by benchmarks/imbalance.py")
    write_dataset_file(root / FILE_NAME, document, LabelCodec.identity(STREET))
    return root


def page(results: dict[str, Any]) -> str:
    """Markdown: for each set the rare classes first, then the IoU of every class."""
    setting = (
        f"From `benchmarks/imbalance.py --size {results['size']}`: batches of "
        f"{FIXED['data.batch_size']} crops, {FIXED['model.arch']} on {FIXED['model.encoder']} "
        f"with ImageNet weights, scored on val at source resolution. Mean over the seeds, in "
        f"brackets the least and the greatest; %. Rare is a class with under {RARE_SHARE:.1%} "
        f"of the training pixels; of several, the mean. The last column is the difference to "
        f"plain cross-entropy under the same seed, in points of rare IoU."
    )
    lines = ["# Class imbalance: each remedy against plain cross-entropy", "", setting]
    if results["size"] != "full":
        lines += ["", "**A reduced size, for a CPU: short training of small crops.**"]
    for name in SETS:
        runs = {k: v for k, v in results["runs"].items() if k.startswith(f"{name}/")}
        if runs:
            lines += _set_lines(name, runs, SIZES[results["size"]]["crop_px"][name])
    return "\n".join(lines) + "\n"


def _set_lines(name: str, runs: dict[str, Any], crop_px: tuple[int, int]) -> list[str]:
    first = next(iter(runs.values()))
    classes, share_C = first["classes"], np.array(first["train_share"])
    rare_C = (share_C > 0) & (share_C < RARE_SHARE)
    named = (
        f"{c} {s:.2%}" for c, s, rare in zip(classes, share_C, rare_C, strict=True) if rare
    )
    setting = (
        f"{first['steps']} steps, crops of {crop_px[0]} x {crop_px[1]} px; "
        f"{first['images'][0]} training images, {first['images'][1]} scored. "
        f"Rare: {', '.join(named)}."
    )
    lines = ["", f"## {name}", "", setting, "", *_head()]
    each = ["", "| remedy, IoU | " + " | ".join(classes) + " |"]
    each.append("|---" * (len(classes) + 1) + "|")
    plain = _confusions(runs, "plain")
    for remedy, (what, _) in REMEDIES.items():
        found = _confusions(runs, remedy)
        if found:
            base = {} if remedy == "plain" else plain
            lines.append(f"| {what} | " + " | ".join(_cells(found, base, rare_C)) + " |")
            by_class = np.array([iou(c) for c in found.values()])
            cells = (_spread(list(v)) for v in by_class.T)
            each.append(f"| {what} | " + " | ".join(cells) + " |")
    return lines + each


def _head() -> list[str]:
    names = ("recall", "precision", "IoU")
    cells = ["remedy", "seeds", *(f"rare: {n}" for n in names), "mIoU", "rare IoU - plain"]
    return [f"| {' | '.join(cells)} |", "|---" * len(cells) + "|"]


def _confusions(runs: dict[str, Any], remedy: str) -> dict[int, Confusion]:
    """Of one remedy, by seed."""
    return {
        int(key.split("/")[2]): Confusion(np.array(run["confusion"]))
        for key, run in runs.items()
        if key.split("/")[1] == remedy
    }


def _cells(
    found: dict[int, Confusion], plain: dict[int, Confusion], rare_C: NDArray[np.bool_]
) -> list[str]:
    """One line of the first table: over the seeds, the means of the rare classes."""
    rare = {
        score: {seed: _mean(score(c)[rare_C]) for seed, c in found.items()}
        for score in (recall, precision, iou)
    }
    gained = [rare[iou][s] - _mean(iou(plain[s])[rare_C]) for s in found if s in plain]
    cells = [str(len(found)), *(_spread(list(one.values())) for one in rare.values())]
    cells.append(_spread([float(mean_iou(c)) for c in found.values()]))
    return [*cells, _spread(gained, sign="+") if gained else "-"]


def _mean(values: NDArray[np.float64]) -> float:
    """A class that is never predicted has no precision: it counts as 0 here."""
    return float(np.nan_to_num(values).mean())


def _spread(values: list[float], sign: str = "-") -> str:
    """Mean (least to greatest) in percent; the mean alone of one value."""
    shown = [f"{100 * v:{sign}.1f}" for v in (float(np.mean(values)), min(values), max(values))]
    return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


if __name__ == "__main__":
    main()
