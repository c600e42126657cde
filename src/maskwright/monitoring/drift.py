"""Drift: whether two sets of observations come from one world, and what differs.

Each family of numbers has one test: the energy distance of the groups of both sets (Szekely and
Rizzo 2013), judged by permutations of whole groups. The p-values of the families are adjusted
by Holm 1979, so that without a change at most 5 % of comparisons find one in any family.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.observation import ENCODER, FAMILIES
from ..core.versioned import Document, Schema
from .groups import (
    MIN_GROUPS,
    Observed,
    average_groups,
    choose_group_size,
    list_differing_families,
    measure_spread,
    to_features,
)

SCHEMA = Schema(kind="drift", version=1)
MIN_CURRENT = 5
PERMUTATIONS = 999
BOOTSTRAPS = 999
LEVEL = 0.05
_MOST_EFFECTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One number in both sets: means over groups, their difference and its 95 % interval.

    `size` is the difference in standard deviations of the groups of the reference.
    """

    name: str
    before: float
    after: float
    interval: tuple[float, float]
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyDrift:
    """The test of one family: the distance, its p-value and that adjusted for all families."""

    distance: float
    p: float
    adjusted_p: float
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The comparison of two sets of observations.

    `group_size` images make a group. With too few groups of the reference it is `learning`:
    p-values are given, and nothing is called a change. `left_out` are families that the sets do
    not share.
    """

    num_images: tuple[int, int]
    num_groups: tuple[int, int]
    group_size: int
    families: Mapping[str, FamilyDrift]
    models: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def learning(self) -> bool:
        """Whether the reference has too few groups to call anything a change."""
        return self.num_groups[0] < MIN_GROUPS

    @property
    def changed(self) -> tuple[str, ...]:
        """The families that changed, those with the smallest p-values first."""
        if self.learning:
            return ()
        found = [name for name, one in self.families.items() if one.adjusted_p <= LEVEL]
        return tuple(sorted(found, key=lambda name: self.families[name].adjusted_p))

    def to_json(self) -> Document:
        """An object of all figures."""
        return SCHEMA.stamp(
            {
                "images": list(self.num_images),
                "groups": list(self.num_groups),
                "group_size": self.group_size,
                "models": list(self.models),
                "learning": self.learning,
                "changed": list(self.changed),
                "left_out": list(self.left_out),
                "families": {
                    name: {
                        "distance": one.distance,
                        "p": one.p,
                        "adjusted_p": one.adjusted_p,
                        "effects": [
                            {
                                "name": effect.name,
                                "before": effect.before,
                                "after": effect.after,
                                "interval": list(effect.interval),
                                "size": effect.size,
                            }
                            for effect in one.effects
                        ],
                    }
                    for name, one in self.families.items()
                },
            }
        )


def compare_observations(
    reference: Observed, current: Observed, *, independent: bool = False, seed: int = 0
) -> Drift:
    """Compare two sets of observations.

    Features of the encoder are left out where one set has none, or another model.

    Args:
        reference: Images as they were.
        current: Images to judge.
        independent: Whether images do not depend on their neighbours, as photographs of
            different parts do: each is a group of its own.
        seed: Of the permutations and bootstraps.

    Raises:
        DataError: The sets hold other numbers, or too few images.
    """
    left_out = () if _share_encoder(reference, current) else (ENCODER,)
    reference, current = (
        each.select(name for name in each.names if name not in left_out)
        for each in (reference, current)
    )
    _require_equal_names(reference, current)
    size = 1 if independent else max(map(choose_group_size, (reference, current)))
    values = {
        family: (
            average_groups(reference.values[family], reference.sources, size),
            average_groups(current.values[family], current.sources, size),
        )
        for family in reference.names
    }
    num_groups = (len(values[FAMILIES[0]][0]), len(values[FAMILIES[0]][1]))
    _require_groups(num_groups, size)
    rng = np.random.default_rng(seed)
    tests = {
        name: measure_energy(to_features(name, before), to_features(name, after), rng)
        for name, (before, after) in values.items()
    }
    adjusted = adjust_by_holm({name: p for name, (_, p) in tests.items()})
    families = {
        name: FamilyDrift(
            distance=distance,
            p=p,
            adjusted_p=adjusted[name],
            effects=tuple(find_effects(reference.names[name], *values[name], rng)),
        )
        for name, (distance, p) in tests.items()
    }
    return Drift(
        num_images=(len(reference), len(current)),
        num_groups=num_groups,
        group_size=size,
        families=families,
        models=tuple(dict.fromkeys((*reference.models, *current.models))),
        left_out=left_out,
    )


def _share_encoder(reference: Observed, current: Observed) -> bool:
    """Whether both sets have features of one encoder, or neither has any."""
    has_any = ENCODER in reference.names or ENCODER in current.names
    is_same = {*reference.models} == {*current.models}
    return not has_any or (
        is_same and reference.names.get(ENCODER) == current.names.get(ENCODER)
    )


def _require_equal_names(reference: Observed, current: Observed) -> None:
    if differing := list_differing_families(reference.names, current.names):
        raise DataError(
            f"the two sets hold other numbers of {', '.join(differing)}; compare predictions "
            f"of models with the same classes on images with the same channels"
        )


def _require_groups(num_groups: tuple[int, int], size: int) -> None:
    for count, least, what in zip(
        num_groups, (2, MIN_CURRENT), ("reference", "images to judge"), strict=True
    ):
        if count < least:
            raise DataError(
                f"the {what}: {count} of the {least} groups that are needed, of {size} images "
                f"each; give more images, or --independent where images do not depend on "
                f"their neighbours"
            )


def measure_energy(
    reference_AF: NDArray[np.float64],
    current_BF: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    num_permutations: int = PERMUTATIONS,
) -> tuple[float, float]:
    """The energy distance of two sets of groups, and its p-value by permutation.

    2 E|X - Y| - E|X - X'| - E|Y - Y'|, each number in standard deviations of the reference,
    over the square root of how many there are. The p-value is (1 + permutations with a distance
    as large) / (1 + permutations).
    """
    all_NF = np.concatenate([reference_AF, current_BF])
    of_reference_F, of_all_F = measure_spread(reference_AF), measure_spread(all_NF)
    spread_F = np.where(of_reference_F > 0, of_reference_F, of_all_F)
    scaled_NF = np.divide(
        all_NF, spread_F, out=np.zeros_like(all_NF), where=spread_F > 0
    ) / np.sqrt(all_NF.shape[1])
    squares_N = (scaled_NF**2).sum(1)
    products_NN = scaled_NF @ scaled_NF.T
    distance_NN = np.sqrt(
        np.maximum(squares_N[:, None] + squares_N[None] - 2 * products_NN, 0.0)
    )
    num, first = len(all_NF), len(reference_AF)
    inside_PN = np.zeros((num_permutations + 1, num))
    inside_PN[0, :first] = 1
    for row_N in inside_PN[1:]:
        row_N[rng.permutation(num)[:first]] = 1
    within_P = np.einsum("pn,pn->p", inside_PN @ distance_NN, inside_PN)
    outside_PN = 1 - inside_PN
    beyond_P = np.einsum("pn,pn->p", outside_PN @ distance_NN, outside_PN)
    between_P = np.einsum("pn,pn->p", inside_PN @ distance_NN, outside_PN)
    rest = num - first
    energy_P = 2 * between_P / (first * rest) - within_P / first**2 - beyond_P / rest**2
    as_large = int((energy_P[1:] >= energy_P[0] - 1e-12).sum())
    return float(energy_P[0]), (1 + as_large) / (1 + num_permutations)


def adjust_by_holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values that hold for all tests together, Holm 1979; in the order given."""
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def find_effects(
    names: Sequence[str],
    before_AF: NDArray[np.float64],
    after_BF: NDArray[np.float64],
    rng: np.random.Generator,
) -> Iterator[Effect]:
    """The numbers of a family that differ most, with intervals by bootstrap of the groups."""
    difference_F = after_BF.mean(0) - before_AF.mean(0)
    spread_F = measure_spread(np.concatenate([before_AF, after_BF]))
    known_F = measure_spread(before_AF)
    spread_F = np.where(known_F > 0, known_F, spread_F)
    size_F = np.divide(
        difference_F, spread_F, out=np.zeros_like(difference_F), where=spread_F > 0
    )
    before_RF, after_RF = _draw_means(before_AF, rng), _draw_means(after_BF, rng)
    low_F, high_F = np.quantile(after_RF - before_RF, (0.025, 0.975), axis=0)
    for index in np.argsort(-np.abs(size_F))[:_MOST_EFFECTS].tolist():
        yield Effect(
            name=names[index],
            before=float(before_AF[:, index].mean()),
            after=float(after_BF[:, index].mean()),
            interval=(float(low_F[index]), float(high_F[index])),
            size=float(size_F[index]),
        )


def _draw_means(
    values_GF: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """The means of bootstraps (R, F) of groups."""
    num = len(values_GF)
    index_RG = rng.integers(num, size=(BOOTSTRAPS, num))
    first_R = num * np.arange(BOOTSTRAPS)
    counts_N = np.bincount((index_RG + first_R[:, None]).ravel(), minlength=num * BOOTSTRAPS)
    return counts_N.reshape(BOOTSTRAPS, num) @ values_GF / num
