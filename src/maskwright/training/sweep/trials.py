"""Trials of a search, their table in sweep.json, and the page that shows them.

DIR/  trial-000/ trial-001/ ...  runs, with pages of their own
      sweep.json  index.html     the trials, the best first on the page
      recipe.yaml                the recipe of the best one
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Literal

from maskwright.core.atomic import write_json, write_text
from maskwright.core.errors import ConfigError
from maskwright.core.jsonfile import read_json
from maskwright.core.versioned import Schema
from maskwright.pages.markup import render_code, render_table
from maskwright.pages.page import Section, render_page
from maskwright.pages.text import DASH, format_count, format_share

from ..start import RECIPE
from .space import Plain

DOCUMENT, PAGE = "sweep.json", "index.html"
SCHEMA = Schema(kind=DOCUMENT, version=1)

State = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run of a search. `course` is the mIoU by the percent of the run that was done.

    `miou` is that of the best weights, None where the run has not ended; `note` says why.
    """

    number: int
    values: Mapping[str, Plain]
    state: State
    seconds: float
    miou: float | None = None
    course: Mapping[int, float] = field(default_factory=dict)
    note: str = ""

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return name_trial(self.number)

    def to_json(self) -> dict[str, object]:
        """An object of sweep.json."""
        return {
            "trial": self.folder,
            "values": dict(self.values),
            "state": self.state,
            "miou": self.miou,
            "seconds": round(self.seconds, 1),
            "course": {str(percent): miou for percent, miou in self.course.items()},
            "note": self.note,
        }


@dataclass(slots=True, kw_only=True)
class Trials:
    """The trials of a search in the order in which they ended; `spaces` are its texts."""

    root: Path
    spaces: tuple[str, ...]
    ended: list[Trial] = field(default_factory=list)

    @classmethod
    def open(cls, root: Path, spaces: Sequence[str]) -> "Trials":
        """Those of an interrupted search over the same spaces.

        Raises:
            ConfigError: There is no search, or it searches over other values.
        """
        path = root / DOCUMENT
        if not path.exists():
            raise ConfigError(f"{root}: no search to resume; start without --resume")
        document = SCHEMA.read(read_json(path), where=str(path))
        if sorted(document["over"]) != sorted(spaces):
            raise ConfigError(
                f"{path}: the search began with --over {' --over '.join(document['over'])}; "
                f"give the same, or another folder"
            )
        return cls(
            root=root,
            spaces=tuple(document["over"]),
            ended=[
                Trial(
                    number=number,
                    values=item["values"],
                    state=item["state"],
                    seconds=item["seconds"],
                    miou=item["miou"],
                    course={int(percent): miou for percent, miou in item["course"].items()},
                    note=item["note"],
                )
                for number, item in enumerate(document["trials"])
            ],
        )

    @property
    def spent_s(self) -> float:
        """Seconds of all trials."""
        return sum(trial.seconds for trial in self.ended)

    @property
    def ranked(self) -> list[Trial]:
        """The finished ones by their mIoU, then the others by the best they had reached."""
        return sorted(self.ended, key=lambda trial: -_rank(trial))

    @property
    def best(self) -> Trial | None:
        """The finished trial with the largest mIoU."""
        finished = [trial for trial in self.ranked if trial.state == "finished"]
        return finished[0] if finished else None

    def add(self, trial: Trial) -> None:
        """Add a trial that has ended, and write everything anew."""
        self.ended.append(trial)
        self.write()

    def write(self) -> None:
        """Write sweep.json, the page and the recipe of the best trial."""
        write_json(self.root / DOCUMENT, self.to_json())
        write_text(self.root / PAGE, self._render())
        if self.best is not None:
            recipe = self.root / self.best.folder / RECIPE
            write_text(self.root / RECIPE, recipe.read_text(encoding="utf-8"))

    def to_json(self) -> dict[str, object]:
        """The content of sweep.json."""
        best = None if self.best is None else self.best.folder
        trials = [trial.to_json() for trial in self.ended]
        return SCHEMA.stamp({"over": list(self.spaces), "best": best, "trials": trials})

    def list_rows(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Heads and rows of text of a table, the best first."""
        keys = list(dict.fromkeys(key for trial in self.ended for key in trial.values))
        rows = [
            (
                trial.folder,
                *(_format(trial.values.get(key, DASH)) for key in keys),
                format_share(trial.miou, 2),
                f"{trial.seconds / 60:.1f}",
                trial.state if not trial.note else f"{trial.state}: {trial.note}",
            )
            for trial in self.ranked
        ]
        return ("trial", *keys, "val mIoU", "minutes", "state"), rows

    def _render(self) -> str:
        heads, rows = self.list_rows()
        shown = [
            [f'<a href="{row[0]}/index.html">{row[0]}</a>', *map(escape, row[1:])]
            for row in rows
        ]
        found = "" if self.best is None else f"Best so far: {format_share(self.best.miou, 2)}."
        count = format_count(len(self.ended), "trial")
        over = " ".join(render_code(space) for space in self.spaces)
        return render_page(
            f"Search in {self.root.resolve().name}",
            f"{count} in {self.spent_s / 60:.1f} minutes. {found}",
            [
                Section(
                    "Trials",
                    "A pruned trial was below the median of the others at the same time.",
                    render_table("Trials", heads, shown, wrapped=(len(heads) - 1,)),
                ),
                Section("Searched over", "", f"<p>{over}</p>"),
            ],
        )


def name_trial(number: int) -> str:
    """The folder of a trial."""
    return f"trial-{number:03d}"


def _rank(trial: Trial) -> float:
    if trial.miou is not None:
        return trial.miou
    return max(trial.course.values(), default=-1.0) - 2


def _format(value: Plain) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
