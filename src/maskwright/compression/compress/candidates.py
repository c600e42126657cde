"""Candidates: a network on an engine in some precision, its score and its costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from maskwright.core.errors import ConfigError
from maskwright.export.quantize.search import MAX_DROP_POINTS
from maskwright.inference.bench.bench import TORCH

WHOLE = "whole"
"""The network that was given; the others have names of `ways`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to run the task of a network; `miou` and `equal_pixel_share` are in 0..1.

    `drop_points` is the mIoU, of 100, that the network given scores more, `equal_pixel_share`
    counts the pixels to which it gives the same class, `times_reference` is how many times as
    fast as that network on the reference in fp32 it is (`bench.find_reference`). `size_mb` is
    that of the file, `memory_mb` the peak of a process that runs it, None where the system does
    not state it.
    """

    network: str = WHOLE
    engine: str
    precision: str
    file: str
    ms: float
    times_reference: float | None
    memory_mb: float | None
    size_mb: float
    miou: float
    drop_points: float
    equal_pixel_share: float

    @property
    def name(self) -> str:
        """For tables and pictures: `openvino int8`, `pruned-50 openvino int8`."""
        prefix = "" if self.network == WHOLE else f"{self.network} "
        return f"{prefix}{self.engine} {self.precision}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a candidate takes: a number of `Candidate`, its name on an axis, and in a table."""

    key: str
    title: str
    short: str

    def read(self, candidate: Candidate) -> float | None:
        """The number, None where it was not measured."""
        value: float | None = getattr(candidate, self.key)
        return value


COSTS = (
    Cost("ms", "ms for one image", "ms"),
    Cost("memory_mb", "peak memory, MB", "MB"),
    Cost("size_mb", "file, MB", "file MB"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: a time for one image, and the points of mIoU, 0..100, that may be lost.

    `qat_s` are seconds of quantisation-aware training where int8 loses more.

    Raises ConfigError for a time of 0 or less, and for other points.
    """

    target_ms: float
    max_drop_points: float = MAX_DROP_POINTS
    qat_s: float | None = None

    def __post_init__(self) -> None:
        if not self.target_ms > 0 or not 0 <= self.max_drop_points <= 100:
            raise ConfigError(
                f"target {self.target_ms:g} ms, {self.max_drop_points:g} points: expected a "
                f"time above 0, and points of mIoU from 0 to 100"
            )

    def is_met_by(self, candidate: Candidate) -> bool:
        """Whether it is fast enough and keeps the score."""
        return candidate.ms <= self.target_ms and self.keeps_score(candidate)

    def keeps_score(self, candidate: Candidate) -> bool:
        """Whether it loses no more than allowed."""
        return candidate.drop_points <= self.max_drop_points


def choose(candidates: Sequence[Candidate], wish: Wish) -> Candidate:
    """The best score among those that meet the wish, of equal scores the fastest.

    Where none meets it, the fastest that keeps the score; where none keeps it, the best score.
    torch, which the weights need, is never chosen.
    """
    known = [one for one in candidates if one.engine != TORCH]
    fitting = [one for one in known if wish.is_met_by(one)]
    if not fitting:
        kept = [one for one in known if wish.keeps_score(one)]
        if kept:
            return min(kept, key=lambda one: one.ms)
        fitting = known
    return min(fitting, key=lambda one: (round(one.drop_points, 2), one.ms))


def find_front(candidates: Sequence[Candidate], cost: Cost = COSTS[0]) -> list[Candidate]:
    """The Pareto front of score against a cost: none of the others is better in both.

    Candidates whose cost was not measured are left out.
    """
    priced = [(value, one) for one in candidates if (value := cost.read(one)) is not None]
    front: list[Candidate] = []
    for _, one in sorted(priced, key=lambda pair: (pair[0], -pair[1].miou)):
        if not front or one.miou > front[-1].miou:
            front.append(one)
    return front
