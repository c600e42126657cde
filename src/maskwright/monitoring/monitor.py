"""Monitor: what observations say, group by group, of each camera, each site and everything.

A scope is `learning` until its reference has 30 groups; then it is `ok`, `warning` (the
cumulative sums, see `cusum`) or `alarm` (the conformal evidence, see `conformal`). It is `ok`
again when the last ten groups, by permutation tests of all families, do not differ from
the reference; until then more of the same is no new alarm. The same rows give the same answers,
however they are divided into calls.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.observation import Observation
from .conformal import Evidence
from .cusum import Sums
from .drift import Effect, adjust_by_holm, find_effects, measure_energy
from .groups import Observed, list_differing_families
from .reference import Reference, build_references, join_values, list_scopes
from .target import ALARM, WARNING, Target

Rows = NDArray[np.float64]
State = Literal["learning", "ok", "warning", "alarm"]

GOOD_GROUPS = 10
"""Groups of the window that is compared with the reference, and that must pass for `ok`."""

LEVEL = 0.05
_PERMUTATIONS = 199
_MOST_COMPARED = 300
"""Groups of the reference that the window is compared with, evenly spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The window against the reference: p-values by family, adjusted by Holm, and effects.

    `effects` has the numbers that differ most, of each family that changed.
    """

    p_values: Mapping[str, float]
    effects: Mapping[str, tuple[Effect, ...]]

    @property
    def families(self) -> tuple[str, ...]:
        """The families that changed, the smallest p-values first."""
        found = [name for name, p in self.p_values.items() if p <= LEVEL]
        return tuple(sorted(found, key=lambda name: self.p_values[name]))

    def to_json(self) -> dict[str, object]:
        """An object of all figures; `from_json` undoes it."""
        return {
            "p_values": dict(self.p_values),
            "effects": {n: [asdict(one) for one in each] for n, each in self.effects.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        effects = {
            name: tuple(Effect(**one | {"interval": tuple(one["interval"])}) for one in each)
            for name, each in document["effects"].items()
        }
        return cls(p_values=document["p_values"], effects=effects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of one scope.

    `evidence` is a share of the limit of the alarm, `sums` of that of the warning: 1 and above
    cry. `num_groups` have been judged; in the present state since group `since` (0 is the
    start), and with the image `since_key`. `change` is given in a warning or an alarm.
    """

    scope: str
    state: State
    evidence: float
    sums: float
    num_groups: int
    num_reference: int
    group_size: int
    since: int
    since_key: str
    change: Change | None

    def to_json(self) -> dict[str, object]:
        """An object of all figures."""
        change = None if self.change is None else self.change.to_json()
        return {
            **{item.name: getattr(self, item.name) for item in fields(self)},
            "change": change,
        }


@dataclass(slots=True, eq=False, kw_only=True)
class ScopeMonitor:
    """One scope: its reference, what it has counted, and its state.

    `limit` is the evidence of an alarm: the groups between two false ones.
    """

    reference: Reference
    limit: float
    seed: int
    evidence: Evidence
    sums: Sums
    state: State
    num_groups: int = 0
    since: int = 0
    since_key: str = ""
    change: Change | None = None
    pending_nF: Rows = field(init=False)
    pending_sources: list[str] = field(default_factory=list)
    window_2WF: Rows = field(init=False)

    def __post_init__(self) -> None:
        width = self.reference.features_GF.shape[1]
        self.pending_nF = np.zeros((0, width))
        self.window_2WF = np.zeros((2, 0, width))

    @classmethod
    def start(
        cls, reference: Reference, *, limit: float, warn_limit: float, seed: int
    ) -> "ScopeMonitor":
        """Start without any image; both limits are groups between two false cries."""
        rng = np.random.default_rng([seed, zlib.crc32(reference.scope.encode())])
        groups_GF = reference.features_GF
        return cls(
            reference=reference,
            limit=limit,
            seed=seed,
            evidence=Evidence(reference.centers.columns, groups_GF, len(groups_GF)),
            sums=Sums.calibrate(groups_GF, warn_limit, rng),
            state="learning" if reference.is_learning else "ok",
        )

    def add(self, values_NF: Rows, sources: Sequence[str], keys: Sequence[str]) -> None:
        """Add images of this scope in their order."""
        if self.state == "learning":
            return
        size = self.reference.size
        num_before = len(self.pending_nF)
        rows_NF = np.concatenate([self.pending_nF, values_NF])
        names = [*self.pending_sources, *sources]
        num = len(rows_NF) // size
        if num:
            groups_2GF = self.reference.centers.average(
                rows_NF[: num * size], names[: num * size], num
            )
            for index in range(num):
                self.judge(groups_2GF[:, index], keys[(index + 1) * size - 1 - num_before])
        self.pending_nF, self.pending_sources = rows_NF[num * size :], names[num * size :]

    def judge(self, group_2F: Rows, key: str) -> None:
        """Judge one more group, of features and values; `key` is that of its last image."""
        self.num_groups += 1
        rng = np.random.default_rng(
            [self.seed, zlib.crc32(self.reference.scope.encode()), self.num_groups]
        )
        self.window_2WF = np.concatenate([self.window_2WF, group_2F[:, None]], axis=1)
        self.window_2WF = self.window_2WF[:, -GOOD_GROUPS:]
        said = self.state if self.state == "alarm" else self.count(group_2F[0], rng)
        if said != self.state and (said == "alarm" or self.state == "ok"):
            self._enter(said, key, rng)
        elif self.state != "ok":
            self.change = self._compare(rng)
            if not self.change.families and self.num_groups - self.since >= GOOD_GROUPS:
                self._enter("ok", key, rng)

    def count(self, group_F: Rows, rng: np.random.Generator) -> State:
        """Count one more group, and say what that comes to, whatever the state is."""
        self.evidence.add(group_F, 1 - rng.random())
        self.sums.add(group_F)
        if self.evidence.weigh() >= self.limit:
            return "alarm"
        return "warning" if self.sums.weigh() >= self.sums.limit else "ok"

    def _enter(self, state: State, key: str, rng: np.random.Generator) -> None:
        if state == "ok":
            self.sums.begin_again()
            if self.state == "alarm":
                self.evidence.end_alarm(self.window_2WF[0])
        self.state, self.since, self.since_key = state, self.num_groups, key
        self.change = None if state == "ok" else self._compare(rng)

    def _compare(self, rng: np.random.Generator) -> Change:
        """The window against the reference."""
        reference = self.reference
        chosen = np.linspace(
            0, len(reference.features_GF) - 1, min(len(reference.features_GF), _MOST_COMPARED)
        )
        features_GF = reference.features_GF[np.unique(chosen.round().astype(int))]
        columns = reference.centers.columns
        p_values = {
            name: measure_energy(
                features_GF[:, at],
                self.window_2WF[0][:, at],
                rng,
                num_permutations=_PERMUTATIONS,
            )[1]
            for name, at in columns.items()
        }
        adjusted = adjust_by_holm(p_values)
        effects = {
            name: tuple(
                find_effects(
                    reference.centers.names[name],
                    reference.values_GF[:, at],
                    self.window_2WF[1][:, at],
                    rng,
                )
            )
            for name, at in columns.items()
            if adjusted[name] <= LEVEL
        }
        return Change(p_values=adjusted, effects=effects)

    @property
    def status(self) -> Status:
        """What is known now."""
        return Status(
            scope=self.reference.scope,
            state=self.state,
            evidence=self.evidence.weigh() / self.limit,
            sums=self.sums.weigh() / self.sums.limit,
            num_groups=self.num_groups,
            num_reference=len(self.reference.features_GF),
            group_size=self.reference.size,
            since=self.since,
            since_key=self.since_key,
            change=self.change,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """Every scope of one reference; `update` takes images as they come."""

    names: Mapping[str, tuple[str, ...]]
    scopes: Mapping[str, ScopeMonitor]

    @classmethod
    def start(
        cls,
        reference: Observed,
        *,
        images_per_day: float,
        target: Target = ALARM,
        warning: Target = WARNING,
        group_size: int = 0,
        seed: int = 0,
    ) -> "Monitor":
        """Start with a reference.

        Args:
            reference: Images as they were when all was well, in their order.
            images_per_day: How many come; turns days into groups.
            target: False alarms that are accepted, of all scopes together.
            warning: The same of warnings.
            group_size: Of the images that come, where it has to be larger than that of the
                reference: their neighbours may be more alike.
            seed: Of the bootstrap, the permutations and what breaks ties.

        Raises:
            DataError: `images_per_day` is not above 0.
        """
        if not images_per_day > 0:
            raise DataError(f"images_per_day is {images_per_day:g}, expected more than 0")
        references = {
            name: replace(one, size=max(one.size, group_size))
            for name, one in build_references(reference).items()
        }
        num_judged = max(1, sum(not one.is_learning for one in references.values()))
        scopes = {}
        for name, one in references.items():
            groups_per_day = images_per_day * one.num_images / one.num_in_all / one.size
            alarm, warn = (
                max(1.0, num_judged * each.days_between * groups_per_day)
                for each in (target, warning)
            )
            scopes[name] = ScopeMonitor.start(one, limit=alarm, warn_limit=warn, seed=seed)
        return cls(reference.names, scopes)

    def update(self, rows: Sequence[Observation]) -> dict[str, Status]:
        """Take images in their order; the status of each scope, the largest first.

        Raises:
            DataError: An image has other numbers than the reference.
        """
        if rows:
            observed = Observed.gather(rows, where="images to judge")
            self.take(observed, [row.key for row in rows])
        return self.statuses

    def take(self, observed: Observed, keys: Sequence[str]) -> None:
        """Take images that are gathered, with their keys; raises as `update`."""
        if differing := list_differing_families(self.names, observed.names):
            raise DataError(
                f"images to judge: hold other numbers of {', '.join(differing)} "
                f"than the reference; watch one model, and start a new reference with another"
            )
        values_NF = join_values(observed)
        for name, scope in self.scopes.items():
            at_N = [k for k, s in enumerate(observed.sources) if name in list_scopes(s)]
            if at_N:
                scope.add(
                    values_NF[at_N],
                    [observed.sources[k] for k in at_N],
                    [keys[k] for k in at_N],
                )

    @property
    def statuses(self) -> dict[str, Status]:
        """What is known now of each scope."""
        return {name: scope.status for name, scope in self.scopes.items()}
