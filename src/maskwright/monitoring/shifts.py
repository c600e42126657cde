"""Shifts: how the numbers of images change when the images do, to be put on rows of a log.

A shift is measured on images: the difference of an image's features before and after it was
corrupted, those of shares being logarithms of ratios. On a log it is put on single rows, each
with the difference of an image drawn by chance, so that it varies as much as on the images.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.image import Image
from ..core.observation import Observation
from ..core.progress import Progress, silent
from ..corruption.corrupt import CAMERA, IMAGENET_C, corrupt
from .groups import MIN_SHARE, Observed, to_features, to_values
from .reference import join_values

Rows = NDArray[np.float64]

NEW_CAMERA = "new camera"
"""Gain, colour temperature and place change together."""

KINDS = (*IMAGENET_C, NEW_CAMERA)
RARE_SHARE = 0.05


class Shift(Protocol):
    """Values of all rows of a log (N, F) as they would be under a change."""

    def __call__(self, log: Observed, rng: np.random.Generator, /) -> Rows:
        """The shifted values; `rng` draws what differs between images."""


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """Differences of the features of images between two kinds of light, or blur.

    Those of each family are (D, F).
    """

    differences: Mapping[str, Rows]

    def __call__(self, log: Observed, rng: np.random.Generator, /) -> Rows:
        """The values, each with the difference of one image."""
        num = max(map(len, self.differences.values()), default=1)
        drawn_N = rng.integers(num, size=len(log))
        parts = []
        for family, values_NF in log.values.items():
            features_NF = to_features(family, values_NF)
            if family in self.differences:
                features_NF = features_NF + self.differences[family][drawn_N]
            parts.append(to_values(family, features_NF))
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class ScaledClass:
    """One class has `factor` times its share of each image; the others share the rest."""

    name: str
    factor: float

    def __call__(self, log: Observed, _rng: np.random.Generator, /) -> Rows:
        """The values with the other shares."""
        shares_NC = log.values["classes"].copy()
        index = log.names["classes"].index(self.name)
        before_N = shares_NC[:, index].copy()
        after_N = np.minimum(self.factor * before_N, 1.0)
        rest_N = np.divide(
            1 - after_N, 1 - before_N, out=np.ones_like(before_N), where=before_N < 1
        )
        shares_NC *= rest_N[:, None]
        shares_NC[:, index] = after_N
        values = dict(log.values) | {"classes": shares_NC}
        return join_values(Observed(log.sources, log.names, values, log.models))


def find_rare_class(log: Observed) -> str:
    """The class whose mean share is nearest to 5 %, by ratio."""
    mean_C = log.values["classes"].mean(axis=0)
    nearest = np.argmin(np.abs(np.log((mean_C + MIN_SHARE) / RARE_SHARE)))
    return log.names["classes"][int(nearest)]


def measure_shifts(
    images: Sequence[Image],
    observe: Callable[[Image], Observation],
    *,
    kinds: Sequence[str] = KINDS,
    severities: Sequence[int] = (1, 3, 5),
    seed: int = 0,
    progress: Progress = silent,
) -> dict[tuple[str, int], Observed]:
    """Observe images as they are, under ("", 0), and corrupted by each kind and severity.

    Args:
        images: (H, W, C) each, as the model takes them.
        observe: Predicts and observes one.
        kinds: Of `KINDS`.
        severities: 1 to 5.
        seed: Of the corruptions.
        progress: Of the kinds and severities.

    Raises:
        DataError: There is no image.
    """
    if not images:
        raise DataError("no image to corrupt; give a folder with images")
    cases = [("", 0), *((k, s) for k in kinds for s in severities)]
    named = {f"{kind} {severity}".strip(): (kind, severity) for kind, severity in cases}
    found = {}
    for name in progress(named, total=len(named), what="corrupting images"):
        kind, severity = named[name]
        rng = np.random.default_rng([seed, severity])
        rows = [observe(_change(image_HWC, kind, severity, rng)) for image_HWC in images]
        found[kind, severity] = Observed.gather(rows, where=name)
    return found


def to_differences(
    log: Observed, observed: Mapping[tuple[str, int], Observed], families: Iterable[str]
) -> Iterator[tuple[tuple[str, int], Differences]]:
    """The shifts of `measure_shifts` for the rows of a log, in the given families alone.

    Raises:
        DataError: The images have other numbers than the log.
    """
    families = set(families)
    plain = observed["", 0]
    for family in families:
        found = plain.names.get(family, ("none",))
        if found != log.names[family]:
            raise DataError(
                f"the images have other numbers of {family} than the log "
                f"({', '.join(found[:3])}, ...; in the log "
                f"{', '.join(log.names[family][:3])}, ...); take the model of the log and "
                f"images like its own"
            )
    for case, corrupted in observed.items():
        if case[0]:
            yield (
                case,
                Differences(
                    {
                        family: to_features(family, corrupted.values[family])
                        - to_features(family, plain.values[family])
                        for family in families
                    }
                ),
            )


def _change(image_HWC: Image, kind: str, severity: int, rng: np.random.Generator) -> Image:
    if not kind:
        return image_HWC
    for one in CAMERA if kind == NEW_CAMERA else (kind,):
        image_HWC = cast(Image, corrupt(image_HWC, one, severity, rng))
    return image_HWC
