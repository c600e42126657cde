"""Length of a run: its optimizer steps, corrected while it trains to end within its budget.

Each correction is written before it takes effect, so that a resumed run makes the same ones at
the same steps, and ends as it would have ended.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Self

from maskwright.core.atomic import write_json
from maskwright.core.jsonfile import read_json
from maskwright.core.versioned import Schema

from .pace import MIN_STEPS, Budget, Pace

FILE_NAME = "length.json"
SCHEMA = Schema(kind=FILE_NAME, version=1)
NUM_CHECKS = 20
"""Times that the pace is compared with the budget during the planned steps."""

FIRST_CHECK = 4
MAX_RATIO = 3.0
"""Largest lengthening of the planned steps, and largest slowness that is believed."""

WINDOW_RATIO = 0.03
"""Share of the budget over which a pace is measured: a delay of one step is not a pace."""

KEPT_EXPORT_RATIO = 0.3
"""Share of the time of an export that is left where the network was traced here before."""

LEAST_CHANGE = 0.03
"""A smaller change of the steps is not made."""


@dataclass(slots=True)
class Length:
    """Steps of a run: `num_steps` now, and the corrections by the step after which they hold.

    `budget` and `pace` are None where nothing is corrected: without a budget, in a resumed run.
    A validation follows every `validation_steps`, and the last step. An image took `image_s` to
    validate while a step took `image_step_s`; None until images were timed.
    """

    run: Path
    planned: int
    num_steps: int
    corrections: dict[int, int] = field(default_factory=dict)
    budget: Budget | None = None
    pace: Pace | None = None
    validation_steps: int = 1
    first_step: int = 0
    checked_step: int = 0
    checked_s: float = 0.0
    validating_s: float = 0.0
    paces_s: list[float] = field(default_factory=list)
    image_s: float | None = None
    image_step_s: float = 0.0

    @classmethod
    def open(cls, run: Path, planned: int) -> Self:
        """The length of a run, with the corrections that it has made so far."""
        path = run / FILE_NAME
        document = SCHEMA.read(read_json(path), where=str(path)) if path.exists() else {}
        rows = document.get("corrections", [])
        corrections = {int(row["step"]): int(row["num_steps"]) for row in rows}
        return cls(run, planned, planned, corrections)

    def go_to(self, step: int) -> None:
        """Take over the corrections that a resumed run had made up to `step`."""
        made = [n for at, n in sorted(self.corrections.items()) if at <= step]
        self.num_steps = (made or [self.planned])[-1]
        self.first_step = self.checked_step = step + 1  # the first step is slower than others

    @property
    def most_steps(self) -> int:
        """Steps that the run has at most, for the loading of data."""
        lengthened = int(MAX_RATIO * self.planned) if self.budget else 0
        return max(self.planned, lengthened, *self.corrections.values(), 0)

    def start(self, budget: Budget, pace: Pace | None, validation_steps: int) -> None:
        """Correct by `budget`; `pace` is what was planned with, known in the main process."""
        self.budget, self.pace, self.validation_steps = budget, pace, validation_steps

    def expect_kept_graph(self) -> None:
        """Expect an export that need not trace the network."""
        if self.pace is not None:
            self.pace = replace(self.pace, export_s=KEPT_EXPORT_RATIO * self.pace.export_s)

    @property
    def needs_image_time(self) -> bool:
        """Whether images should be timed: that of the plan may be of another scale."""
        return self.pace is not None and bool(self.paces_s) and self.image_s is None

    def add_validation(self, seconds: float, image_s: float) -> None:
        """Take out of the pace what a validation took; images of the end take `image_s` too."""
        self.validating_s += seconds
        if self.paces_s:
            self.image_s, self.image_step_s = image_s, self.step_s

    @property
    def step_s(self) -> float:
        """Seconds of a step: the median of three checks, since load that passes is no pace."""
        return median(self.paces_s[-3:])

    def is_check(self, step: int) -> bool:
        """Whether the pace is compared after `step`; the same in all processes."""
        return step >= FIRST_CHECK and step % max(2, self.planned // NUM_CHECKS) == 0

    def has_whole_epoch(self, step: int, steps_per_epoch: int) -> bool:
        """Whether an epoch or more follows `step`: a correction may cut the last one short."""
        return self.num_steps - step >= steps_per_epoch

    def replay(self, step: int) -> None:
        """Take over a correction that was made after `step`, which has just ended."""
        self.num_steps = self.corrections.get(step, self.num_steps)
        if step == self.first_step and self.budget is not None:
            self.checked_s = self.budget.clock()

    def propose(self, step: int) -> int:
        """Steps that fit at the pace of the last checks.

        `num_steps` where about as many fit, or where the last check was a moment ago.
        """
        if self.budget is None or self.pace is None or step <= self.checked_step:
            return self.num_steps
        now_s = self.budget.clock()
        spent_s = now_s - self.checked_s - self.validating_s
        has_time = self.pace.count_train_seconds(self.budget.remaining_s) > 0
        if has_time and spent_s < WINDOW_RATIO * self.budget.total_s:
            return self.num_steps
        self.paces_s.append(spent_s / (step - self.checked_step))
        self.checked_step, self.checked_s, self.validating_s = step, now_s, 0.0
        pace = self._observe_pace(self.pace)
        fitting = step + pace.count_more_steps(self.budget.remaining_s, self.validation_steps)
        least = max(step, min(self.planned, MIN_STEPS))
        proposed = max(least, min(fitting, int(MAX_RATIO * self.planned)))
        if abs(proposed - self.num_steps) <= LEAST_CHANGE * self.num_steps:
            return self.num_steps
        return proposed

    def _observe_pace(self, planned: Pace) -> Pace:
        """The pace now: the end is slower by as much as steps are since it was measured."""
        step_s = max(1e-6, self.step_s)
        image_s, image_step_s = planned.image_s, planned.step_s
        if self.image_s is not None:
            image_s, image_step_s = self.image_s, self.image_step_s
        return replace(
            planned,
            step_s=step_s,
            image_s=image_s * _limit(step_s / image_step_s),
            export_s=planned.export_s * _limit(step_s / planned.step_s),
        )

    def correct(self, step: int, num_steps: int, *, write: bool) -> None:
        """Let the run have `num_steps` from `step` on; `write` it in one process."""
        if num_steps == self.num_steps:
            return
        self.corrections[step], self.num_steps = num_steps, num_steps
        if write:
            rows = [{"step": at, "num_steps": n} for at, n in self.corrections.items()]
            write_json(self.run / FILE_NAME, SCHEMA.stamp({"corrections": rows}))

    def describe(self) -> str:
        """What the corrections came to, "" where none was made."""
        if self.num_steps == self.planned:
            return ""
        kind = "fewer" if self.num_steps < self.planned else "more"
        return (
            f"{self.num_steps} steps instead of the {self.planned} planned: {kind} fitted in "
            f"the budget at the pace of this machine ({self.run / FILE_NAME})"
        )


def _limit(slowness: float) -> float:
    """A slowness that is believed: nothing becomes faster than it was measured."""
    return min(MAX_RATIO, max(1.0, slowness))
