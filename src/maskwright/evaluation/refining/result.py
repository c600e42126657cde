"""Tuning: the refiners that were chosen for a model, and what they gain."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.refinechain import RefineChain
from ...core.versioned import Schema
from ...pages.text import format_count
from .gains import BOUNDARY, MIOU, Comparison

FILE_NAME = "refine.json"
SCHEMA = Schema(kind="choice of refiners", version=1)
NAMES = {MIOU: "mIoU", BOUNDARY: "boundary F1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one stage proposed, if anything, and whether it was kept."""

    stage: str
    proposed: RefineChain | None
    comparison: Comparison | None

    @property
    def is_kept(self) -> bool:
        """Whether the proposal showed a gain."""
        return self.comparison is not None and self.comparison.is_gain

    def to_json(self) -> dict[str, object]:
        """A JSON object; null for what there is not."""
        return {
            "stage": self.stage,
            "proposed": None if self.proposed is None else self.proposed.to_json(),
            "kept": self.is_kept,
            "scores": None if self.comparison is None else self.comparison.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The outcome of `tune-refine`; `chain` is None where no refiner was shown to help.

    `chosen_on` and `shown_on` are numbers of groups. `comparison` is that of the whole chain on
    the groups it was shown on.
    """

    model_id: str
    data: str
    split: str
    chosen_on: int
    shown_on: int
    attempts: Sequence[Attempt]
    chain: RefineChain | None
    comparison: Comparison | None

    def to_json(self) -> dict[str, object]:
        """The content of refine.json."""
        return SCHEMA.stamp(
            {
                "model_id": self.model_id,
                "data": self.data,
                "split": self.split,
                "groups_chosen_on": self.chosen_on,
                "groups_shown_on": self.shown_on,
                "chain": None if self.chain is None else self.chain.to_json(),
                "scores": None if self.comparison is None else self.comparison.to_json(),
                "attempts": [attempt.to_json() for attempt in self.attempts],
            }
        )

    def to_lines(self) -> list[str]:
        """Lines for the user: each stage, the chain, and the scores before and after."""
        lines = [f"{attempt.stage}: {_describe(attempt)}" for attempt in self.attempts]
        if self.chain is None or self.comparison is None:
            groups = format_count(self.shown_on, "group")
            none = f"none helps: no refiner was shown to raise the mIoU on {groups}"
            return [*lines, f"{none} of {self.split!r}"]
        lines += [f"step    {step}" for step in self.chain.steps]
        for name, words in NAMES.items():
            before, after = self.comparison.before[name], self.comparison.after[name]
            lines.append(
                f"{words}: {100 * before.value:.2f} % before, {100 * after.value:.2f} % after "
                f"({_describe_gain(self.comparison, name)})"
            )
        lines.append(
            f"chosen on {format_count(self.chosen_on, 'group')} of {self.split!r}, shown on "
            f"{self.shown_on:,} others"
        )
        return lines


def _describe(attempt: Attempt) -> str:
    if attempt.comparison is None:
        return "nothing gains"
    verdict = "kept" if attempt.is_kept else "left out: not shown to help"
    return f"{verdict}, mIoU {_describe_gain(attempt.comparison, MIOU)}"


def _describe_gain(comparison: Comparison, name: str) -> str:
    gain = comparison.difference[name]
    ends = (
        "no interval"
        if gain.interval is None
        else f"{100 * gain.low:+.2f} to {100 * gain.high:+.2f}"
    )
    return f"{100 * gain.value:+.2f} points, {ends}"
