"""Runs side by side: what each scored, how long it took, and where their recipes differ."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskwright.core.errors import DataError, MaskwrightError
from maskwright.core.jsonfile import read_json
from maskwright.core.report import FILE_NAME, Report

from .recipe import read_recipe
from .tracking.history import LOG as LOG_NAME

RECIPE_NAME = "recipe.yaml"
BEGUN = (LOG_NAME, "tensorboard")
"""What a training writes first; a recipe alone may be that of `plan`."""

DEPTH = 3
"""Levels of folders below a given one in which runs are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run; `report` is None before it has ended, `problem` says what cannot be read."""

    path: Path
    recipe: Mapping[str, object]
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    best_miou: float | None = None
    report: Report | None = None
    problem: str = ""

    @property
    def state(self) -> str:
        """`finished`, `not finished`, or the problem."""
        return self.problem or ("finished" if self.report else "not finished")

    @property
    def ious(self) -> dict[str, float | None] | None:
        """IoU by class, None where the truth has none of it; None before the run has ended."""
        if self.report is None:
            return None
        named = zip(self.report.labels.names, self.report.classes, strict=True)
        values = {name: scores["iou"].value for name, scores in named}
        return {name: None if math.isnan(iou) else iou for name, iou in values.items()}

    def to_json(self, differing: Sequence[str]) -> dict[str, object]:
        """An object; of the recipe only the keys in `differing`."""
        interval = self.report.scores["miou"].interval if self.report else None
        return {
            "run": str(self.path),
            "state": self.state,
            "epochs": self.epochs,
            "steps": self.steps,
            "seconds": self.seconds,
            "best_val_miou": self.best_miou,
            "miou": self.report.miou if self.report else None,
            "miou_interval": list(interval) if interval else None,
            "iou": self.ious,
            "recipe": {key: self.recipe[key] for key in differing if key in self.recipe},
        }


def summarize_runs(folders: Sequence[Path]) -> list[RunSummary]:
    """Read the runs in these folders, which are runs or hold some; the best first.

    Raises:
        DataError: A folder is missing or holds no run.
    """
    found: dict[Path, RunSummary] = {}
    for folder in folders:
        runs = list(_find_runs(folder, DEPTH))
        if not runs:
            kind = "holds no run" if folder.is_dir() else "no such folder"
            raise DataError(f"{folder}: {kind}; give a folder that `maskwright train` wrote")
        found |= {run.resolve(): _summarize(run) for run in runs}
    return sorted(found.values(), key=lambda run: (-_rank(run), str(run.path)))


def find_differing_keys(runs: Sequence[RunSummary]) -> list[str]:
    """Keys whose values are not alike in all recipes that could be read, in their order."""
    recipes = [run.recipe for run in runs if run.recipe]
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    return [key for key in keys if any(r.get(key) != recipes[0].get(key) for r in recipes)]


def _rank(run: RunSummary) -> float:
    if run.report is not None:
        return run.report.miou
    return -1.0 if run.best_miou is None else run.best_miou - 1


def _find_runs(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / RECIPE_NAME).is_file() and any((folder / name).exists() for name in BEGUN):
        yield folder
    elif depth and folder.is_dir():
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from _find_runs(child, depth - 1)


def _summarize(run: Path) -> RunSummary:
    try:
        recipe = _flatten(read_recipe(run / RECIPE_NAME).model_dump(mode="json"))
        rows = _read_log(run / LOG_NAME)
        report = _read_report(run / "report" / FILE_NAME)
    except MaskwrightError as error:
        return RunSummary(path=run, recipe={}, problem=str(error))
    scores = [float(row["val_miou"]) for row in rows if row["val_miou"]]
    last = rows[-1] if rows else {"epoch": "0", "step": "0", "seconds": "0"}
    return RunSummary(
        path=run,
        recipe=recipe,
        epochs=int(last["epoch"]),
        steps=int(last["step"]),
        seconds=float(last["seconds"]),
        best_miou=max(scores, default=None),
        report=report,
    )


def _read_report(path: Path) -> Report | None:
    return Report.from_json(read_json(path), where=str(path)) if path.is_file() else None


def _read_log(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _flatten(document: Mapping[str, object], before: str = "") -> dict[str, object]:
    """Values by dotted key."""
    values: dict[str, object] = {}
    for key, value in document.items():
        if isinstance(value, dict) and value:
            values |= _flatten(value, f"{before}{key}.")
        else:
            values[f"{before}{key}"] = value
    return values
