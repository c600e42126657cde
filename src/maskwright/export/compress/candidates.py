"""Candidates: an engine with a graph in some precision, its score and its costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import ConfigError
from ..quantize.search import MAX_DROP_POINTS

REFERENCE = "torch"
"""The engine of the weights, to which all are compared; it is not chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to run the network; `miou` and `equal_pixel_share` are in 0..1.

    `drop_points` is the mIoU, of 100, that the network scores more, `equal_pixel_share` counts
    the pixels to which it gives the same class. `size_mb` is that of the file, `memory_mb` the
    peak of a process that runs it, None where the system does not state it.
    """

    engine: str
    precision: str
    file: str
    ms: float
    times_torch: float | None
    memory_mb: float | None
    size_mb: float
    miou: float
    drop_points: float
    equal_pixel_share: float

    @property
    def name(self) -> str:
        """For tables and pictures: `openvino int8`."""
        return f"{self.engine} {self.precision}"


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
    """
    known = [one for one in candidates if one.engine != REFERENCE]
    fitting = [one for one in known if wish.is_met_by(one)]
    if not fitting:
        kept = [one for one in known if wish.keeps_score(one)]
        if kept:
            return min(kept, key=lambda one: one.ms)
        fitting = known
    return min(fitting, key=lambda one: (round(one.drop_points, 2), one.ms))


def find_front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The Pareto front of score against time: none of the others is better in both."""
    front: list[Candidate] = []
    for one in sorted(candidates, key=lambda one: (one.ms, -one.miou)):
        if not front or one.miou > front[-1].miou:
            front.append(one)
    return front
