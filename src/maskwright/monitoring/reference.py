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

from .groups import MIN_GROUPS, Observed, average_groups, measure_group_size

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Centers:
    """Mean features and values of known cameras, and those of all images."""

    known: Mapping[str, tuple[Rows, Rows]]
    all: tuple[Rows, Rows]

    def center(self, features_NF: Rows, values_NF: Rows, sources: Sequence[str]) -> Rows:
        """Both (2, N, F) with the mean of all images in place of that of their camera."""
        found_2NF, sources_N = np.stack([features_NF, values_NF]), np.array(sources)
        for name, mean_2F in self.known.items():
            shift_2F = np.stack(self.all) - np.stack(mean_2F)
            found_2NF[:, sources_N == name] += shift_2F[:, None]
        return found_2NF


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reference:
    """Groups of `size` images each: features that are compared, and values that are shown.

    Both are (G, F); `names[family]` are the columns of a family, all families side by side.
    `num_images` are those of the scope, of `num_in_all`.
    """

    scope: str
    names: Mapping[str, tuple[str, ...]]
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

    @property
    def columns(self) -> dict[str, slice]:
        """The columns of each family."""
        ends = list(accumulate((len(each) for each in self.names.values()), initial=0))
        return {
            name: slice(ends[index], ends[index + 1]) for index, name in enumerate(self.names)
        }


def list_scopes(source: str) -> tuple[str, ...]:
    """The scopes of an image, the largest first: "", `site`, `site/camera`."""
    parts = source.split("/") if source else []
    return ("", *("/".join(parts[: end + 1]) for end in range(len(parts))))


def build_references(observed: Observed) -> dict[str, Reference]:
    """The reference of each scope, the largest first."""
    features_NF, values_NF = join_families(observed)
    sources_N = np.array(observed.sources)
    members: dict[str, frozenset[str]] = {}
    for source in dict.fromkeys(observed.sources):
        for scope in list_scopes(source):
            members[scope] = members.get(scope, frozenset()) | {source}
    scopes = {s: m for s, m in members.items() if not s or m != members[_get_parent(s)]}
    own = {
        source: _build(source, {}, observed, features_NF[at_N], values_NF[at_N])
        for source in dict.fromkeys(observed.sources)
        for at_N in [sources_N == source]
    }
    found = {}
    for scope, inside in sorted(scopes.items()):
        at_N = np.isin(sources_N, list(inside))
        known = {name: own[name] for name in sorted(inside) if not own[name].is_learning}
        found[scope] = _build(scope, known, observed, features_NF[at_N], values_NF[at_N])
    return found


def join_families(observed: Observed) -> tuple[Rows, Rows]:
    """Features and values of images, (N, F) each, all families side by side."""
    features = [observed.to_features(family) for family in observed.names]
    values = [observed.values[family] for family in observed.names]
    return np.concatenate(features, axis=1), np.concatenate(values, axis=1)


def _get_parent(scope: str) -> str:
    return scope.rpartition("/")[0]


def _build(
    scope: str,
    known: Mapping[str, Reference],
    observed: Observed,
    features_NF: Rows,
    values_NF: Rows,
) -> Reference:
    """The reference of the given images; `known` are the cameras with enough of their own.

    A group spans as much time as the group of each of these cameras.
    """
    centers = Centers(
        known={name: one.centers.all for name, one in known.items()},
        all=(features_NF.mean(0), values_NF.mean(0)),
    )
    size = 0
    if known:
        inside = [source for source in observed.sources if scope in list_scopes(source)]
        features_NF, values_NF = centers.center(features_NF, values_NF, inside)
        size = max(
            math.ceil(one.size * len(features_NF) / one.num_images) for one in known.values()
        )
    one_series = [scope] * len(features_NF)
    size = max(size, measure_group_size(features_NF, one_series))
    return Reference(
        scope=scope,
        names=observed.names,
        size=size,
        features_GF=average_groups(features_NF, one_series, size),
        values_GF=average_groups(values_NF, one_series, size),
        centers=centers,
        num_images=len(features_NF),
        num_in_all=len(observed),
    )
