"""Groups: images that follow each other are not independent; groups of them nearly are.

Neighbouring frames of a stream show the same scene. A test that takes frames for samples calls
everything a change: at an autocorrelation of 0.9, 70 % of Kolmogorov-Smirnov tests at 5 % do so
without any change. So the mean of a group of neighbouring images is one sample. A group is
at least twice the integrated autocorrelation time long (Geyer 1992, initial positive sequence).
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.observation import Observation

MIN_IMAGES = 8
"""Images of a group, or more; where images are independent a group is one."""

MIN_GROUPS = 30
"""Groups of a reference below which nothing is called a change."""

_ROUNDING = 1e-9
MIN_SHARE = 1e-3
"""Added to the shares of classes before their logarithm: a class of fewer pixels is noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """The observations of one set, in order.

    `values[family]` is (N, F) with the names in `names[family]`; `sources` says where an image
    came from.
    """

    sources: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    values: Mapping[str, NDArray[np.float64]]
    models: tuple[str, ...]

    @classmethod
    def gather(cls, observations: Iterable[Observation], *, where: str) -> "Observed":
        """Gather observations with the same numbers; each is let go when its numbers are taken.

        Raises:
            DataError: There is none, or they are of models with other classes or channels.
        """
        sources: list[str] = []
        models: dict[str, None] = {}
        names: dict[str, tuple[str, ...]] = {}
        numbers: dict[str, array[float]] = {}
        for number, row in enumerate(observations, start=1):
            if number == 1:
                names = {family: tuple(values) for family, values in row.families.items()}
                numbers = {family: array("d") for family in names}
            for family in dict.fromkeys((*names, *row.families)):
                found, known = tuple(row.families.get(family, ())), names.get(family, ())
                if found != known:
                    raise DataError(
                        f"{where}: line {number}: its {family} are "
                        f"{', '.join(found) or 'missing'}, those of line 1 "
                        f"{', '.join(known) or 'missing'}; compare observations of one model"
                    )
                numbers[family].extend(row.families[family].values())
            sources.append(row.source)
            models[row.model] = None
        if not sources:
            raise DataError(
                f"{where}: holds no observation; write it again with `maskwright predict "
                f"--write observations`"
            )
        values = {
            family: np.array(each).reshape(len(sources), len(names[family]))
            for family, each in numbers.items()
        }
        return cls(tuple(sources), names, values, tuple(models))

    def select(self, families: Iterable[str]) -> "Observed":
        """Some of the families, in the order given.

        Raises:
            DataError: None is given.
        """
        chosen = tuple(families)
        if not chosen:
            raise DataError("the images have no numbers that the reference has too")
        return Observed(
            self.sources,
            {family: self.names[family] for family in chosen},
            {family: self.values[family] for family in chosen},
            self.models,
        )

    def __len__(self) -> int:
        return len(self.sources)


def to_features(family: str, values_NF: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers as they are compared: shares of classes as centred logarithms of ratios.

    Of groups they are made of the means of a group: the logarithm of an image without a class
    would weigh more than all that other images say of the class.
    """
    if family != "classes":
        return values_NF
    logs_NF = np.log(values_NF + MIN_SHARE)
    return np.asarray(logs_NF - logs_NF.mean(axis=1, keepdims=True))


def to_values(family: str, features_NF: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo `to_features`; shares are at least 0."""
    if family != "classes":
        return features_NF
    ratios_NF = np.exp(features_NF)
    total = 1 + MIN_SHARE * features_NF.shape[1]
    shares_NF = total * ratios_NF / ratios_NF.sum(axis=1, keepdims=True) - MIN_SHARE
    return np.asarray(np.maximum(shares_NF, 0.0))


def measure_autocorrelation_time(values_T: NDArray[np.float64]) -> float:
    """Images of a series that tell as much as one independent image, at least 1.

    1 + 2 sum of autocorrelations, as long as the sums of neighbouring pairs are positive
    (Geyer 1992, section 3.3).
    """
    length = len(values_T)
    centred_T = values_T - values_T.mean()
    if length < 4 or not measure_spread(values_T[:, None])[0]:
        return 1.0
    variance = float(centred_T @ centred_T)
    spectrum = np.fft.rfft(centred_T, 2 * length)
    correlation_T = np.fft.irfft(np.abs(spectrum) ** 2)[:length] / variance
    pairs = correlation_T[: length // 2 * 2].reshape(-1, 2).sum(1)
    positive = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    return max(1.0, float(2 * pairs[:positive].sum() - 1))


def measure_spread(values_NF: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of each column (F,), 0 where only rounding makes rows differ."""
    spread_F = values_NF.std(axis=0)
    rounding_F = _ROUNDING * np.maximum(1.0, np.abs(values_NF).max(axis=0))
    return np.asarray(np.where(spread_F > rounding_F, spread_F, 0.0))


def list_differing_families(
    names: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]
) -> list[str]:
    """Families that one of two sets has alone, or with other numbers."""
    return [f for f in dict.fromkeys((*names, *other)) if names.get(f) != other.get(f)]


def choose_group_size(reference: Observed) -> int:
    """Images of a group, for all families."""
    return max(
        measure_group_size(reference.values[family], reference.sources)
        for family in reference.names
    )


def measure_group_size(values_NF: NDArray[np.float64], sources: Sequence[str]) -> int:
    """Images of a group: twice the longest autocorrelation time of the columns, or more."""
    return max(MIN_IMAGES, math.ceil(2 * float(measure_times(values_NF, sources).max())))


def measure_times(
    values_NF: NDArray[np.float64], sources: Sequence[str]
) -> NDArray[np.float64]:
    """The autocorrelation time of each column (F,), in images.

    It is the mean over the sources, weighted by their images.
    """
    times_F = np.zeros(values_NF.shape[1])
    for series_nF in _split_by_source(values_NF, sources):
        share = len(series_nF) / len(values_NF)
        times_F += share * np.array([measure_autocorrelation_time(c) for c in series_nF.T])
    return times_F


def average_groups(
    values_NF: NDArray[np.float64], sources: Sequence[str], size: int
) -> NDArray[np.float64]:
    """Means of groups of `size` neighbouring images of one source: (G, F).

    The images that are left at the end of a source belong to its last group.
    """
    means = []
    for rows_nF in _split_by_source(values_NF, sources):
        num = max(1, len(rows_nF) // size)
        means += [part.mean(axis=0) for part in np.array_split(rows_nF, num)]
    return np.array(means)


def _split_by_source(
    values: NDArray[np.float64], sources: Sequence[str]
) -> list[NDArray[np.float64]]:
    index_of = {name: index for index, name in enumerate(dict.fromkeys(sources))}
    index_N = np.array([index_of[source] for source in sources])
    return [values[index_N == index] for index in range(len(index_of))]
