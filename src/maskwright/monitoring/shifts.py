"""Shifts: how the numbers of images change when the images do, to be put on rows of a log.

A shift is measured on images: the difference of an image's features before and after it was
corrupted. On a log it is put on single rows, each with the difference of an image drawn by
chance, so that it varies as much as it did on the images.
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
from .groups import MIN_SHARE, Observed
from .reference import join_families

Rows = NDArray[np.float64]

NEW_CAMERA = "new camera"
"""Gain, colour temperature and place change together."""

KINDS = (*IMAGENET_C, NEW_CAMERA)
RARE_SHARE = 0.05


class Shift(Protocol):
    """Features of all rows of a log (N, F) as they would be under a change."""

    def __call__(self, log: Observed, rng: np.random.Generator, /) -> Rows:
        """The shifted features; `rng` draws what differs between images."""


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """Differences of the features of images (D, F) between two kinds of light, or blur."""

    differences_DF: Rows

    def __call__(self, log: Observed, rng: np.random.Generator, /) -> Rows:
        """The features, each with the difference of one image."""
        features_NF, _ = join_families(log)
        drawn_N = rng.integers(len(self.differences_DF), size=len(features_NF))
        return features_NF + self.differences_DF[drawn_N]


@dataclass(frozen=True, slots=True, eq=False)
class ScaledClass:
    """One class has `factor` times its share of each image; the others share the rest."""

    name: str
    factor: float

    def __call__(self, log: Observed, _rng: np.random.Generator, /) -> Rows:
        """The features with the other shares."""
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
        return join_families(Observed(log.sources, log.names, values, log.models))[0]


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
        if plain.names[family] != log.names[family]:
            raise DataError(
                f"the images have other numbers of {family} than the log "
                f"({', '.join(plain.names[family][:3])}, ...; in the log "
                f"{', '.join(log.names[family][:3])}, ...); take the model of the log and "
                f"images like its own"
            )
    for case, corrupted in observed.items():
        if case[0]:
            parts = [
                corrupted.to_features(family) - plain.to_features(family)
                if family in families
                else np.zeros((len(plain), len(names)))
                for family, names in log.names.items()
            ]
            yield case, Differences(np.concatenate(parts, axis=1))


def _change(image_HWC: Image, kind: str, severity: int, rng: np.random.Generator) -> Image:
    if not kind:
        return image_HWC
    for one in CAMERA if kind == NEW_CAMERA else (kind,):
        image_HWC = cast(Image, corrupt(image_HWC, one, severity, rng))
    return image_HWC
