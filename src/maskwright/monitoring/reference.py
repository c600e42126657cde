"""Reference: the groups of images that one scope saw when all was well.

A scope is a camera, a site with its cameras, or everything (named ""): `site/camera` belongs to
three. A scope with the same cameras as a larger one is left out. The images of a scope are one
series in their order, whatever their camera; the mean of a camera that has enough groups of its
own is taken out, so that another mixture of known cameras is not a change and a new camera is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from .groups import MIN_GROUPS, Observed, measure_group_size, to_features

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Centers:
    """What is added to the groups of known cameras so that all have one mean.

    `names[family]` are the columns of a family, all families side by side; `shifts` are (2, F),
    of features and of values.
    """

    names: Mapping[str, tuple[str, ...]]
    shifts: Mapping[str, Rows]

    @property
    def columns(self) -> dict[str, slice]:
        """The columns of each family."""
        ends = list(accumulate((len(each) for each in self.names.values()), initial=0))
        return {
            name: slice(ends[index], ends[index + 1]) for index, name in enumerate(self.names)
        }

    def average(self, values_NF: Rows, sources: Sequence[str], num: int) -> Rows:
        """Features and values (2, G, F) of `num` groups of neighbouring images.

        The images of each known camera in a group are averaged apart from the others.
        """
        starts_G = [each[0] for each in np.array_split(np.arange(len(values_NF)), num)]
        number_of = {name: number for number, name in enumerate(self.shifts, start=1)}
        part_N = np.array([number_of.get(source, 0) for source in sources])
        total_G = np.add.reduceat(np.ones(len(values_NF)), starts_G)
        found_2GF = np.zeros((2, num, values_NF.shape[1]))
        nothing_2F = np.zeros((2, values_NF.shape[1]))
        for number, shift_2F in enumerate((nothing_2F, *self.shifts.values())):
            here_N = (part_N == number).astype(float)
            counts_G = np.add.reduceat(here_N, starts_G)
            sums_GF = np.add.reduceat(values_NF * here_N[:, None], starts_G)
            means_GF = sums_GF / np.maximum(counts_G, 1)[:, None]
            both_2GF = np.stack([self._to_features(means_GF), means_GF]) + shift_2F[:, None]
            found_2GF += both_2GF * (counts_G / total_G)[:, None]
        return found_2GF

    def _to_features(self, values_NF: Rows) -> Rows:
        parts = [to_features(name, values_NF[:, at]) for name, at in self.columns.items()]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reference:
    """Groups of `size` images each: features that are compared, and values that are shown.

    Both are (G, F), with the columns of `centers`. `num_images` are those of the scope, of
    `num_in_all`.
    """

    scope: str
    size: int
    features_GF: Rows
    values_GF: Rows
    centers: Centers
    num_images: int
    num_in_all: int

    @property
    def is_learning(self) -> bool:
        """Whether there are too few groups to call anything a change."""
        return len(self.features_GF) < MIN_GROUPS


def list_scopes(source: str) -> tuple[str, ...]:
    """The scopes of an image, the largest first: "", `site`, `site/camera`."""
    parts = source.split("/") if source else []
    return ("", *("/".join(parts[: end + 1]) for end in range(len(parts))))


def build_references(observed: Observed) -> dict[str, Reference]:
    """The reference of each scope, the largest first."""
    sources_N = np.array(observed.sources)
    members: dict[str, frozenset[str]] = {}
    for source in dict.fromkeys(observed.sources):
        for scope in list_scopes(source):
            members[scope] = members.get(scope, frozenset()) | {source}
    scopes = {s: m for s, m in members.items() if not s or m != members[_get_parent(s)]}
    own = {
        source: _build(source, {}, observed, sources_N == source)
        for source in dict.fromkeys(observed.sources)
    }
    found = {}
    for scope, inside in sorted(scopes.items()):
        known = {name: own[name] for name in sorted(inside) if not own[name].is_learning}
        found[scope] = _build(scope, known, observed, np.isin(sources_N, list(inside)))
    return found


def join_values(observed: Observed) -> Rows:
    """The values of images, (N, F), all families side by side."""
    return np.concatenate([observed.values[family] for family in observed.names], axis=1)


def _get_parent(scope: str) -> str:
    return scope.rpartition("/")[0]


def _build(
    scope: str, known: Mapping[str, Reference], observed: Observed, at_N: NDArray[np.bool_]
) -> Reference:
    """The reference of the images of `at_N`; `known` are the cameras with enough of their own.

    A group spans as much time as the group of each of these cameras.
    """
    values_NF, inside = join_values(observed)[at_N], np.array(observed.sources)[at_N].tolist()
    centers = Centers(names=observed.names, shifts=_find_shifts(known))
    size = max(
        (math.ceil(one.size * len(values_NF) / one.num_images) for one in known.values()),
        default=0,
    )
    centered_NF = values_NF.copy()
    for name, shift_2F in centers.shifts.items():
        centered_NF[np.array(inside) == name] += shift_2F[1]
    size = max(size, measure_group_size(centered_NF, [scope] * len(centered_NF)))
    features_GF, values_GF = centers.average(values_NF, inside, max(1, len(values_NF) // size))
    return Reference(
        scope=scope,
        size=size,
        features_GF=features_GF,
        values_GF=values_GF,
        centers=centers,
        num_images=len(values_NF),
        num_in_all=len(observed),
    )


def _find_shifts(known: Mapping[str, Reference]) -> dict[str, Rows]:
    """What brings the groups of each camera to the mean of all."""
    means = {
        name: np.stack([one.features_GF.mean(0), one.values_GF.mean(0)])
        for name, one in known.items()
    }
    weights = [one.num_images for one in known.values()]
    if not means:
        return {}
    center_2F = np.average(list(means.values()), axis=0, weights=weights)
    return {name: center_2F - mean_2F for name, mean_2F in means.items()}
