"""Find images that are alike beside each other, as frames of a video are, though not grouped.

Where every image is a group of its own, images next to each other in the natural order of their
names must be as different as any two. A lag-1 correlation that random orders reach in less than
1 % of cases (permutation test) shows that they are not. Then intervals are too narrow, p-values
too small, and splits put nearly equal images into train and test. With m images in each true
group the variance of a mean is 1 + (m - 1) r times as large (the design effect; Kish 1965).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_IMAGES = 30
ALPHA = 0.01
PERMUTATIONS = 999
SEED = 0
_MOST_IMAGES = 5000
"""Only the first in order are tested: they show it well enough."""
_MOST_NUMBERS = 4
"""Numbers in a name, from its end, that are tried as the number of a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Correlated neighbours: r, and the expression for `--group` that puts them together.

    `pattern` is "" where names show no groups; then `num_groups` is 0.
    """

    correlation: float
    num_images: int
    pattern: str
    num_groups: int

    @property
    def design_effect(self) -> float:
        """1 + (m - 1) r with the m images of a group that `pattern` gives."""
        return 1 + (self.num_images / max(1, self.num_groups) - 1) * self.correlation

    def warn(self, subject: str) -> str:
        """A warning; `subject` names what is correlated, such as "The mIoU of"."""
        problem = (
            f"{subject} images that are neighbours by name is correlated (r = "
            f"{self.correlation:.2f}), but every image is its own group: intervals are too "
            f"narrow, p-values too small, and splits separate images that are alike."
        )
        if not self.pattern:
            return f"{problem} Name the groups of images with --group REGEX."
        size = self.num_images / self.num_groups
        return (
            f"{problem} The variance is {self.design_effect:.1f} times as large with groups of "
            f"{size:.1f} images (design effect 1 + (m - 1) r); use "
            f"--group '{self.pattern}', which makes {self.num_groups} groups."
        )


def find_neighbours(keys: Sequence[str], features_NK: NDArray[np.float64]) -> Neighbours | None:
    """Test whether neighbours by name are alike; None where they are not, or there are few.

    Args:
        keys: Names of images, each its own group.
        features_NK: What is compared, such as one score or the shares of the classes; images
            with NaN are left out.
    """
    known = [i for i in range(len(keys)) if not np.isnan(features_NK[i]).any()]
    order = sorted(known, key=lambda i: natural_order(keys[i]))[:_MOST_IMAGES]
    if len(order) < MIN_IMAGES:
        return None
    centered_NK = features_NK[order] - features_NK[order].mean(axis=0)
    if not centered_NK.any():
        return None
    found = _correlate(centered_NK)
    rng = np.random.default_rng(SEED)
    drawn = (_correlate(rng.permutation(centered_NK)) for _ in range(PERMUTATIONS))
    num_as_large = sum(value >= found for value in drawn)
    if (1 + num_as_large) / (1 + PERMUTATIONS) >= ALPHA:
        return None
    pattern, num_groups = suggest_pattern(keys)
    return Neighbours(
        correlation=found, num_images=len(keys), pattern=pattern, num_groups=num_groups
    )


def suggest_pattern(keys: Sequence[str]) -> tuple[str, int]:
    """The expression that groups keys by what is before a number, and the number of groups.

    The last number of a name is tried first, then those before it; ("", 0) where none of them
    makes at least two groups of at least two images on average.
    """
    for num in range(_MOST_NUMBERS):
        pattern = r"^(.*?)\d+" + r"\D+\d+" * num + r"\D*$"
        matches = [re.search(pattern, key) for key in keys]
        groups = {match[1] for match in matches if match}
        if all(matches) and 2 <= len(groups) <= len(keys) / 2:
            return pattern, len(groups)
    return "", 0


def natural_order(key: str) -> tuple[tuple[int, str], ...]:
    """A sort key that puts `a2` before `a10`."""
    pieces = re.split(r"(\d+)", key)
    return tuple((int(p), p) if i % 2 else (0, p) for i, p in enumerate(pieces))


def _correlate(centered_NK: NDArray[np.float64]) -> float:
    """The lag-1 correlation of rows with a mean of 0."""
    products = (centered_NK[1:] * centered_NK[:-1]).sum()
    return float(products / np.square(centered_NK).sum())
