"""Real datasets with the planned recipe unchanged; writes benchmarks/real.md, README and docs.

    python benchmarks/real.py ../shared/data camvid magnetic_tile cwfid

The datasets may not be shipped; SOURCE.txt in each says where it comes from. Each run is two
commands, printed in the table, so that anyone can run it again.
"""

import json
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import yaml

from maskwright import open_dataset, open_model

HERE = Path(__file__).parent
TABLE = HERE / "real.md"
RESULTS = HERE / "real.json"
PAGES = {
    HERE.parent / "README.md": "benchmark",
    HERE.parent / "docs/datasets.md": "real",
}
"""Pages that show the table, each with the name of its place there."""

TOLERANCE_PX = 5
WEIGHTS = "weights/mobilenet_v2_imagenet_from_tf2_ptq.pth"


@dataclass(frozen=True, slots=True)
class Case:
    """One dataset: the time its run may take, and the split that is scored.

    `thin` is a class of thin lines, whose pixels are scored with a tolerance too.
    """

    name: str
    budget: str
    split: str
    thin: str = ""


CASES = {
    case.name: case
    for case in (
        Case("camvid", "40m", "val"),
        Case("magnetic_tile", "6m", "val"),
        Case("crackforest", "6m", "val", thin="crack"),
        Case("cwfid", "4m", "test"),
    )
}


def main() -> None:
    """Run the named cases and write the table of all results so far."""
    data, names = Path(sys.argv[1]), sys.argv[2:] or list(CASES)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names:
        results[name] = run_case(CASES[name], data)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    publish(results)


def publish(results: dict[str, dict]) -> None:
    """Write the page, and its table into the README and the page of datasets."""
    TABLE.write_text(table(results))
    rows = "\n".join(line for line in table(results).splitlines() if line.startswith("|"))
    for path, name in PAGES.items():
        before, begin, rest = path.read_text().partition(f"<!-- {name}: begin -->\n")
        _, end, after = rest.partition(f"<!-- {name}: end -->")
        path.write_text(f"{before}{begin}{rows}\n\n{end}{after}")
    print(TABLE.read_text())


def run_case(case: Case, data: Path) -> dict[str, object]:
    """Train and evaluate by the command line, as a user would."""
    run = Path("runs") / case.name
    train = [
        *("maskwright", "train", str(data / case.name), "-o", str(run)),
        *("--budget", case.budget, "--set", f"model.encoder_weights={data / WEIGHTS}"),
    ]
    evaluate = [
        *("maskwright", "evaluate", str(run / "bundle"), str(data / case.name)),
        *("--split", case.split, "-o", str(run / f"report-{case.split}")),
    ]
    started_s = time.monotonic()
    subprocess.run([sys.executable, "-m", *train], check=True)
    minutes = (time.monotonic() - started_s) / 60
    subprocess.run([sys.executable, "-m", *evaluate], check=True)
    report = json.loads((run / f"report-{case.split}" / "report.json").read_text())
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    of_thin = {}
    if case.thin:
        of_thin = {"tolerant_f1": score_thin(run / "bundle", data / case.name, case)}
    return of_thin | {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{processor()}, {len_cores()} cores, no GPU",
        "split": case.split,
        "budget": case.budget,
        "minutes": round(minutes, 1),
        "scores": report["scores"],
        "classes": [{"name": c["name"], "iou": c["iou"]} for c in report["classes"]],
        "recipe": {
            "model": f"{recipe['model']['arch']} on {recipe['model']['encoder']}",
            "scale_ratio": recipe["input"]["scale_ratio"],
            "crop_px": recipe["data"]["crop_px"],
            "epochs": recipe["schedule"]["epochs"],
            "precision": recipe["optim"]["precision"],
            "seed": recipe["seed"],
        },
        "commands": [" ".join(train), " ".join(evaluate)],
    }


def score_thin(bundle: Path, data: Path, case: Case) -> float:
    """F1 of the pixels of the thin class: one is right if the other map has one within 5 px."""
    near_N = np.zeros(2, np.int64)
    total_N = np.zeros(2, np.int64)
    dataset, model = open_dataset(data).subset(case.split), open_model(bundle)
    index = dataset.spec.index(case.thin)
    for number in range(len(dataset)):
        found_HW = model.predict(dataset.image(number)).labels_HW == index
        truth_HW = dataset.labels(number) == index
        pairs = ((found_HW, truth_HW), (truth_HW, found_HW))
        for side, (these_HW, others_HW) in enumerate(pairs):
            away_HW = cv2.distanceTransform(
                (~others_HW).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
            )
            near_N[side] += int((away_HW[these_HW] <= TOLERANCE_PX).sum())
            total_N[side] += int(these_HW.sum())
    precision, recall = near_N / total_N
    return float(2 * precision * recall / (precision + recall))


def processor() -> str:
    """The processor's own name where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def len_cores() -> int:
    """Cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0))


def table(results: dict[str, dict]) -> str:
    """Markdown: one row a dataset, its classes and its commands below."""
    head = "dataset | split | mIoU | lowest class | pixels right | model | epochs | minutes"
    lines = [
        "# Real datasets, planned recipe unchanged",
        "",
        "From `benchmarks/real.py`. IoU over the set at source resolution, void ignored.",
        "",
        f"| {head} |",
        "|---|---|---|---|---|---|---|---|",
        *(row(name, result) for name, result in results.items()),
    ]
    for name, result in results.items():
        lines += details(name, result)
    return "\n".join(lines) + "\n"


def row(name: str, result: dict) -> str:
    """One line of the table."""
    low = min((c for c in result["classes"] if c["iou"] is not None), key=lambda c: c["iou"])
    scores, recipe = result["scores"], result["recipe"]
    cells = (
        name,
        result["split"],
        f"**{scores['miou']:.1%}**",
        f"{low['name']} {low['iou']:.1%}",
        f"{scores['pixel_accuracy']:.1%}",
        recipe["model"],
        str(recipe["epochs"]),
        f"{result['minutes']} of {result['budget'].rstrip('m')}",
    )
    return "| " + " | ".join(cells) + " |"


def details(name: str, result: dict) -> list[str]:
    """Every class, the recipe in a line, and the commands."""
    shown = (
        f"{c['name']} {'–' if c['iou'] is None else format(c['iou'], '.1%')}"
        for c in result["classes"]
    )
    recipe = result["recipe"]
    setting = (
        f"{result['date']}, {result['machine']}. Scale {recipe['scale_ratio']}, crops of "
        f"{recipe['crop_px']} px, {recipe['precision']}, seed {recipe['seed']}."
    )
    scores = f"Per class: {', '.join(shown)}."
    if "tolerant_f1" in result:
        scores += (
            f" F1 of the pixels of {CASES[name].thin} with a tolerance of {TOLERANCE_PX} px: "
            f"{result['tolerant_f1']:.1%}."
        )
    commands = (f"    {command}" for command in result["commands"])
    return ["", f"## {name}", "", setting, "", scores, "", *commands]


if __name__ == "__main__":
    main()
