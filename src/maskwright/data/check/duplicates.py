"""Find duplicate images: by equal pixels, or by a perceptual hash.

Sixteen bytes are kept of each image: a digest of its pixels, and a perceptual hash (see
`imagescan`). Pairs with hashes at most `_MAX_BITS` apart are read again and compared
as thumbnails. The difference relative to the contrast separates three cases: a copy in another
encoding (under 0.06; JPEG at quality 50 of photographs: 0.00 to 0.05), a similar image (under
0.25; frames of a video at 15 Hz: 0.07 to 0.3) and unrelated images (above; other photographs
of one object: 0.36 and more).
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.progress import Progress
from ...pages.text import format_subject
from ..entries.scan import Entry
from ..opening.neighbours import suggest_pattern
from ..opening.splitfile import match_groups
from .findings import Findings
from .imagescan import ImageScan, read_thumbnail

DuplicateCode = Literal[
    "duplicate-across-splits",
    "copy-across-splits",
    "similar-across-splits",
    "duplicate",
    "near-duplicate",
]
"""Kinds of findings on images that are equal or similar."""

_MAX_BITS = 8
_COPY = 0.06
_SIMILAR = 0.25
_MAX_COMPARED = 400
_BLOCK = 512
_NUM_BITS = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)


@dataclass(slots=True)
class ImageHashes:
    """Digest and perceptual hash of each of N images; `seen_N` is False for unreadable ones."""

    digest_N: NDArray[np.uint64]
    hash_N: NDArray[np.uint64]
    seen_N: NDArray[np.bool_]

    @classmethod
    def empty(cls, num_images: int) -> "ImageHashes":
        """Hashes for `num_images` images, to be filled by `add`."""
        numbers = np.zeros(num_images, np.uint64)
        return cls(numbers, numbers.copy(), np.zeros(num_images, np.bool_))

    def add(self, row: int, image: ImageScan) -> None:
        """Keep the hashes of one image."""
        self.digest_N[row] = image.digest
        self.hash_N[row] = image.hash
        self.seen_N[row] = True


def find_duplicates(
    entries: Sequence[Entry],
    hashes: ImageHashes,
    findings: Findings[DuplicateCode],
    progress: Progress,
) -> tuple[str, ...]:
    """Add findings on equal and similar images.

    Returns notes: where not all were compared, and which groups similar images suggest.
    """
    twins = _add_equal(entries, hashes, findings)
    rows = np.flatnonzero(hashes.seen_N & ~twins)
    candidates = _Candidates(rows, [entry.split for entry in entries])
    compared = heapq.nsmallest(_MAX_COMPARED, candidates.iterate(hashes.hash_N[rows], progress))
    thumbnail = lru_cache(2 * _MAX_COMPARED)(read_thumbnail)
    reported: set[int] = set()
    similar: list[tuple[int, int]] = []
    for _, _, a, b in progress(compared, total=len(compared), what="comparing similar images"):
        if b in reported:
            continue
        difference = _measure_difference(
            thumbnail(entries[a].image), thumbnail(entries[b].image)
        )
        if difference <= _SIMILAR:
            reported.add(b)
            similar.append((a, b))
            _add_similar(entries[a], entries[b], difference, findings)
    left = candidates.num_found - len(compared)
    skipped = f"{left} more pairs of images with similar hashes were not compared"
    return ((skipped,) if left else ()) + _suggest_groups(entries, similar)


def _suggest_groups(
    entries: Sequence[Entry], similar: Sequence[tuple[int, int]]
) -> tuple[str, ...]:
    """The expression for `--group` that puts most similar pairs of other groups together."""
    apart = [(a, b) for a, b in similar if entries[a].group != entries[b].group]
    pattern, num_groups = suggest_pattern([entry.key for entry in entries])
    if not apart or not pattern:
        return ()
    group_N = match_groups([entry.key for entry in entries], pattern)
    num_joined = sum(group_N[a] == group_N[b] for a, b in apart)
    if num_joined < len(apart) / 2:
        return ()
    counted = format_subject(len(apart), "similar image is", "similar images are")
    note = (
        f"{counted} in another group than the image of the pair; "
        f"--group '{pattern}' of `split` makes {num_groups} groups and puts {num_joined} of "
        f"them together"
    )
    return (note,)


def _add_equal(
    entries: Sequence[Entry], hashes: ImageHashes, findings: Findings[DuplicateCode]
) -> NDArray[np.bool_]:
    """Report equal images; marks all but the first of each set."""
    twins = np.zeros(len(entries), np.bool_)
    rows_of: dict[int, int] = {}
    for row in np.flatnonzero(hashes.seen_N).tolist():
        first = rows_of.setdefault(int(hashes.digest_N[row]), row)
        if first == row:
            continue
        twins[row] = True
        one, other = entries[first], entries[row]
        code: DuplicateCode = (
            "duplicate" if one.split == other.split else "duplicate-across-splits"
        )
        detail = _name_splits(one, other)
        findings.add(code, other.image, f"equal to {findings.shorten(one.image)}{detail}")
    return twins


@dataclass(slots=True)
class _Candidates:
    """Pairs of images whose hashes differ in at most `_MAX_BITS` bits, one pair at a time."""

    rows: NDArray[np.int64]
    splits: list[str]
    num_found: int = 0

    def iterate(
        self, hash_N: NDArray[np.uint64], progress: Progress
    ) -> Iterator[tuple[bool, int, int, int]]:
        """Yield (same split, differing bits, row, later row); the smallest come from leaks."""
        starts = range(0, len(hash_N), _BLOCK)
        for start in progress(starts, total=len(starts), what="comparing hashes"):
            for other in range(start, len(hash_N), _BLOCK):
                mine, theirs = hash_N[start : start + _BLOCK], hash_N[other : other + _BLOCK]
                apart = mine[:, None] ^ theirs[None]
                bits = _NUM_BITS[apart.view(np.uint16)].reshape(*apart.shape, 4).sum(axis=2)
                for a, b in np.argwhere(bits <= _MAX_BITS):
                    if start + a < other + b:
                        self.num_found += 1
                        one, two = int(self.rows[start + a]), int(self.rows[other + b])
                        yield self.splits[one] == self.splits[two], int(bits[a, b]), one, two


def _add_similar(
    one: Entry, other: Entry, difference: float, findings: Findings[DuplicateCode]
) -> None:
    code: DuplicateCode = "near-duplicate"
    if one.split != other.split:
        code = "copy-across-splits" if difference <= _COPY else "similar-across-splits"
    detail = f"like {findings.shorten(one.image)} (difference {difference:.2f} of the contrast)"
    findings.add(code, other.image, detail + _name_splits(one, other))


def _name_splits(one: Entry, other: Entry) -> str:
    """The splits of two images that leak, which the paths do not show after a draw."""
    return "" if one.split == other.split else f": {other.split} and {one.split}"


def _measure_difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Root mean square difference of two thumbnails over the contrast of the first."""
    return float(np.sqrt(np.square(first - second).mean()) / (first.std() + 1))
