"""The page of benchmarks/architectures.py, from its lines of results."""

from typing import Any

import numpy as np
from architectures_cases import (
    BATCH_SIZE,
    BEFORE,
    CASES,
    IMAGE_HW,
    PLANNED,
    SETTINGS,
    STEPS_PER_EPOCH,
    Case,
)

from maskwright.core.confusion import Confusion
from maskwright.core.scores import iou, mean_iou
from maskwright.nn.protocols import OWN

AIMS = (
    "SegNet 60.1, DeepLab-LargeFOV 61.6, Dilation8 65.3, FC-DenseNet103 66.9 (without "
    "pretrained weights), BiSeNet 68.7, PSPNet 69.1"
)


def page(lines: list[dict[str, Any]]) -> str:
    """Markdown: a table for each budget, the planned recipes and the longest first."""
    runs = [line for line in lines if "confusion" in line]
    speed = {line["case"]: line for line in lines if "train_peak_mb" in line}
    budgets = sorted({(r["recipe"] == PLANNED, r["steps"]) for r in runs}, reverse=True)
    text = ["# Architectures on CamVid, a reduced size on a CPU", "", _comparison(), "", CHOICE]
    for is_planned, steps in budgets:
        kind = PLANNED if is_planned else BEFORE
        chosen = [r for r in runs if (r["recipe"], r["steps"]) == (kind, steps)]
        text += ["", *_section(chosen, kind, steps, speed)]
    if speed:
        text += ["", _speed_setting(speed)]
    return "\n".join(text) + "\n"


def _section(
    runs: list[dict[str, Any]], kind: str, steps: int, speed: dict[str, Any]
) -> list[str]:
    by_case: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_case.setdefault(run["case"], []).append(run)
    ranked = sorted(by_case, key=lambda key: -_mean_miou(by_case[key]))
    head = ["architecture", "encoder", "starts from", "val mIoU", "seeds", "recipe"]
    head += ["training, images/s", "training, peak MB"]
    head += ["prediction, images/s", "prediction, peak MB"]
    classes = runs[0]["classes"]
    return [
        f"## {steps:,} steps, {'each by its plan' if kind == PLANNED else 'before'}",
        "",
        _setting(kind, steps),
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(_row(CASES[key], by_case[key], speed.get(key)) for key in ranked),
        "",
        f"| IoU, mean over seeds | {' | '.join(classes)} |",
        "|---" * (len(classes) + 1) + "|",
        *(_class_row(CASES[key], by_case[key]) for key in ranked),
    ]


def _setting(kind: str, steps: int) -> str:
    height, width = (round(n * SETTINGS["input.scale_ratio"]) for n in IMAGE_HW)
    crop = " x ".join(map(str, SETTINGS["data.crop_px"]))
    size = (
        f"{steps:,} steps ({steps // STEPS_PER_EPOCH} epochs of 367 images), batches of "
        f"{BATCH_SIZE} crops of {crop} px (H x W) from images shrunk to {height} x {width}, "
        f"float32. The last weights are scored on the 101 val images at {IMAGE_HW[0]} x "
        f"{IMAGE_HW[1]}, void ignored."
    )
    if kind == PLANNED:
        command = "OMP_NUM_THREADS=1 python benchmarks/architectures.py ../shared/data"
        return f"From `{command} --steps {steps}`: {size}"
    return (
        f"{size} **All by one recipe, that of `fpn`, and before the networks were held against "
        f"their authors' (CHANGELOG); one seed.**"
    )


def _comparison() -> str:
    return (
        f"For comparison, after full training on images of 480 x 360 or more: published mIoU "
        f"on test {AIMS}; [real.md](real.md) records `fpn` on `mobilenet_v2` at 76.6 % on val "
        f"after 42 minutes on two cores. val is one clip of a drive whose other parts are in "
        f"train, so it is easier than test. In minutes of training, neighbours in a table may "
        f"change places, and architectures that start from random weights have hardly begun."
    )


CHOICE = (
    "`plan` takes `fpn`. Another architecture takes its place when, by planned recipes at the "
    "same steps and with three seeds each, its worst seed is above the best of `fpn`, and it "
    "trains and predicts at least as many images per second. `mask2former` and `upernet` are "
    "not in the table of ten: 920 steps took them more than 89 and 16 minutes of a core, where "
    "`fpn` took 3."
)


def _row(case: Case, runs: list[dict[str, Any]], speed: dict[str, Any] | None) -> str:
    columns = (
        *("train_images_per_s", "train_peak_mb"),
        *("predict_images_per_s", "predict_peak_mb"),
    )
    scores = sorted(map(_miou, runs))
    span = f" ({scores[0]:.1%} to {scores[-1]:.1%})" if len(scores) > 1 else ""
    cells = [
        case.arch,
        "its own" if case.encoder == OWN else case.encoder,
        "ImageNet" if case.is_pretrained else "random",
        f"{_mean_miou(runs):.1%}{span}",
        str(len(scores)),
        _optimizer(runs[0]),
        *(str(speed[c]) if speed else "" for c in columns),
    ]
    return f"| {' | '.join(cells)} |"


def _optimizer(run: dict[str, Any]) -> str:
    if "optim" not in run:
        return "AdamW 0.002"
    optim = run["optim"]
    return f"{'SGD' if optim['name'] == 'sgd' else 'AdamW'} {optim['lr']:g}, {run['loss']}"


def _speed_setting(speed: dict[str, Any]) -> str:
    loads = [found["load_before"] for found in speed.values()]
    machines = ", ".join(sorted({found["machine"] for found in speed.values()}))
    return (
        f"Speed and memory by `--speed`, a pass of its own: one thread on {machines}, in "
        f"processor time, so that other load counts little, though shared caches feel it. A "
        f"training step is on random pixels, without reading and augmenting; a prediction is "
        f"of one image at half size, without reading; both are medians. Memory is what a "
        f"fresh process held at most, libraries included. The load of the machine was "
        f"{min(loads)} to {max(loads)} before each measurement (1 is one busy core)."
    )


def _class_row(case: Case, runs: list[dict[str, Any]]) -> str:
    mean_C = np.mean([iou(Confusion(np.array(run["confusion"]))) for run in runs], axis=0)
    return f"| {case.arch} ({case.encoder}) | {' | '.join(f'{100 * v:.1f}' for v in mean_C)} |"


def _mean_miou(runs: list[dict[str, Any]]) -> float:
    return float(np.mean([_miou(run) for run in runs]))


def _miou(run: dict[str, Any]) -> float:
    return float(mean_iou(Confusion(np.array(run["confusion"]))))
