"""Replay: run the detector over history in which nothing changed, and count what it cries.

The log is one ring of images. Each replay cuts it at a random place: one half is the reference,
the other comes image by image, as to a server: a cry is the begin of a warning or an alarm.
Cries without a change are false; a change is put on a share of the images from a random group
on, and the groups until a cry are its delay.
"""

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.progress import Progress, silent
from ..core.versioned import Document, Schema
from .groups import MIN_GROUPS, Observed
from .monitor import Monitor, ScopeMonitor
from .reference import join_values, list_scopes
from .shifts import Shift
from .target import ALARM, WARNING, Target

Rows = NDArray[np.float64]

SCHEMA = Schema(kind="replay", version=1)
MONTH_DAYS = 30.0
SHARES = (0.1, 0.25, 0.5, 1.0)
WITHIN = (10, 20)
"""Groups within which a cry is counted in the table of delays."""

MOST_GROUPS = 60
"""Groups after which a change counts as not found."""

_MOST_QUIET = 10
"""Groups before a change, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseCries:
    """What was cried without a change.

    `num` in `days` of stream, all replays together; `interval` has 95 % of a Poisson number of
    cries a month, `target` the number that was asked for.
    """

    num: int
    days: float
    per_month: float
    interval: tuple[float, float]
    target: float

    @property
    def is_above(self) -> bool:
        """Whether the rate is above the target, beyond chance."""
        return self.interval[0] > self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How often a change was cried within 10 and 20 groups, and the median delay.

    The median is in groups, None where fewer than half of the runs cried at all.
    """

    within_10: float
    within_20: float
    median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One change, on a share of the images: delays of the warning and the alarm."""

    kind: str
    severity: int
    share: float
    warning: Delay
    alarm: Delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The result: false cries of all scopes, and what was found in the largest scope."""

    num_replays: int
    num_images: int
    group_size: int
    num_reference: int
    groups_per_day: float
    warning: FalseCries
    alarm: FalseCries
    found: tuple[Found, ...]

    def to_json(self) -> Document:
        """An object of all figures."""
        return SCHEMA.stamp(asdict(self))


def replay(
    log: Observed,
    *,
    images_per_day: float,
    target: Target = ALARM,
    warning: Target = WARNING,
    shifts: Mapping[tuple[str, int], Shift] | None = None,
    shares: Sequence[float] = SHARES,
    num: int = 20,
    seed: int = 0,
    progress: Progress = silent,
) -> Replay:
    """Measure false cries, and the delay of each shift at each share of the images.

    Args:
        log: Images of a time when nothing changed, in their order.
        images_per_day: How many come.
        target: As of `Monitor.start`.
        warning: As of `Monitor.start`.
        shifts: By kind and severity.
        shares: Of the images that are shifted, above 0 to 1.
        num: Replays.
        seed: Of the cuts and the shares.
        progress: Of the replays.

    Raises:
        DataError: Half of the log is not enough for a reference.
    """
    tally = _Tally()
    for index in progress(range(num), total=num, what="replaying"):
        rng = np.random.default_rng([seed, index])
        ring = _take(log, np.roll(np.arange(len(log)), -int(rng.integers(len(log)))))
        half = len(ring) // 2
        stream = _take(ring, np.arange(half, len(log)))
        monitor = Monitor.start(
            _take(ring, np.arange(half)),
            images_per_day=images_per_day,
            target=target,
            warning=warning,
            seed=int(rng.integers(1 << 31)),
        )
        largest = monitor.scopes[""]
        _require_reference(largest, len(log))
        tally.days += len(stream) / images_per_day
        for name, scope in monitor.scopes.items():
            for state, _ in _cry(copy.deepcopy(scope), _average(scope, stream, name)):
                tally.cries[state] += 1
        for case, found in _find(largest, stream, shifts or {}, shares, rng):
            tally.delays.setdefault(case, []).append(found)
    return Replay(
        num_replays=num,
        num_images=len(log),
        group_size=largest.reference.size,
        num_reference=len(largest.reference.features_GF),
        groups_per_day=images_per_day / largest.reference.size,
        warning=_count_cries(tally.cries["warning"], tally.days, warning),
        alarm=_count_cries(tally.cries["alarm"], tally.days, target),
        found=tuple(tally.summarize()),
    )


@dataclass(slots=True)
class _Tally:
    """Cries by state, days of all streams, and delays (warning, alarm) by case."""

    cries: Counter[str] = field(default_factory=Counter)
    days: float = 0.0
    delays: dict[tuple[str, int, float], list[tuple[int, int]]] = field(default_factory=dict)

    def summarize(self) -> Iterator[Found]:
        for (kind, severity, share), each in self.delays.items():
            yield Found(
                kind=kind,
                severity=severity,
                share=share,
                warning=_summarize([warned for warned, _ in each]),
                alarm=_summarize([alarmed for _, alarmed in each]),
            )


def _take(log: Observed, index_n: NDArray[np.int64]) -> Observed:
    values = {family: each[index_n] for family, each in log.values.items()}
    return Observed(
        tuple(log.sources[k] for k in index_n.tolist()), log.names, values, log.models
    )


def require_groups(log: Observed, *, images_per_day: float) -> None:
    """Require what `replay` needs of a log, before longer work; raises as it does."""
    half = _take(log, np.arange(len(log) // 2))
    monitor = Monitor.start(half, images_per_day=images_per_day)
    _require_reference(monitor.scopes[""], len(log))


def _require_reference(scope: ScopeMonitor, num_images: int) -> None:
    if scope.reference.is_learning:
        size = scope.reference.size
        raise DataError(
            f"the log has {num_images} images, and a group is {size}: half of the log is "
            f"{len(scope.reference.features_GF)} of the {MIN_GROUPS} groups that a reference "
            f"needs; give a log of {2 * MIN_GROUPS * size} images or more"
        )


def _average(scope: ScopeMonitor, stream: Observed, name: str) -> Rows:
    """The groups (2, G, F) of the images of a scope."""
    at_n = np.flatnonzero([name in list_scopes(source) for source in stream.sources])
    part = _take(stream, at_n)
    return _average_values(scope, join_values(part), part.sources)


def _average_values(scope: ScopeMonitor, values_nF: Rows, sources: Sequence[str]) -> Rows:
    """The groups (2, G, F) of some images; those that are left at the end are not one."""
    size = scope.reference.size
    num = len(values_nF) // size
    if not num:
        return np.zeros((2, 0, values_nF.shape[1]))
    whole = num * size
    return scope.reference.centers.average(values_nF[:whole], sources[:whole], num)


def _cry(scope: ScopeMonitor, groups_2GF: Rows) -> Iterator[tuple[str, int]]:
    """Yield each warning and alarm that begins, with the number of groups until then."""
    if scope.reference.is_learning:
        return
    for number in range(groups_2GF.shape[1]):
        before = scope.state
        scope.judge(groups_2GF[:, number], key="")
        if scope.state not in (before, "ok"):
            yield scope.state, number + 1


def _find(
    scope: ScopeMonitor,
    stream: Observed,
    shifts: Mapping[tuple[str, int], Shift],
    shares: Sequence[float],
    rng: np.random.Generator,
) -> Iterator[tuple[tuple[str, int, float], tuple[int, int]]]:
    """Yield each case with the groups until the warning and the alarm."""
    size = scope.reference.size
    plain_nF = join_values(stream)
    quiet = int(rng.integers(1 + min(_MOST_QUIET, len(plain_nF) // size // 2)))
    before = copy.deepcopy(scope)
    groups_2GF = _average_values(
        scope, plain_nF[: quiet * size], stream.sources[: quiet * size]
    )
    if any(_cry(before, groups_2GF)):  # a false cry would hide the next: no quiet groups then
        before = copy.deepcopy(scope)
    end = min(len(plain_nF), (quiet + MOST_GROUPS) * size)
    for (kind, severity), shift in shifts.items():
        shifted_nF = shift(stream, rng)
        for share in shares:
            is_shifted_n = rng.random(len(plain_nF)) < share
            rows_nF = np.where(is_shifted_n[:, None], shifted_nF, plain_nF)
            groups_2GF = _average_values(
                scope, rows_nF[quiet * size : end], stream.sources[quiet * size : end]
            )
            delays = _find_first(copy.deepcopy(before), groups_2GF[0], rng)
            yield (kind, severity, share), delays


def _find_first(
    scope: ScopeMonitor, groups_GF: Rows, rng: np.random.Generator
) -> tuple[int, int]:
    """The groups until the first cry, and until the first alarm."""
    first = MOST_GROUPS + 1
    for number, group_F in enumerate(groups_GF, start=1):
        said = scope.count(group_F, rng)
        if said != "ok":
            first = min(first, number)
        if said == "alarm":
            return first, number
    return first, MOST_GROUPS + 1


def _count_cries(num: int, days: float, target: Target) -> FalseCries:
    months = days / MONTH_DAYS
    low, high = bound_poisson(num)
    return FalseCries(
        num=num,
        days=days,
        per_month=num / months,
        interval=(low / months, high / months),
        target=MONTH_DAYS / target.days_between,
    )


def bound_poisson(num: int) -> tuple[float, float]:
    """Means of Poisson numbers that `num` does not contradict at 95 % (Garwood 1936)."""
    low = 0.0 if not num else _solve(lambda mean: 1 - _sum_poisson(num - 1, mean), 0.025)
    return low, _solve(lambda mean: 1 - _sum_poisson(num, mean), 0.975)


def _sum_poisson(num: int, mean: float) -> float:
    """P(N <= num)."""
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(num + 1)]
    return sum(map(math.exp, logs))


def _solve(rising: Callable[[float], float], value: float) -> float:
    low, high = 1e-9, 1.0
    while rising(high) < value:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return high


def _summarize(delays: Sequence[int]) -> Delay:
    median = float(np.median(delays))
    within = [float(np.mean(np.array(delays) <= num)) for num in WITHIN]
    return Delay(
        within_10=within[0],
        within_20=within[1],
        median=None if median > MOST_GROUPS else median,
    )
