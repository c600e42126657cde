"""The account of a conversion: what the target format could not store, with counts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...pages.text import format_count, list_names

MAX_FILES = 10


@dataclass(slots=True)
class LostItem:
    """A kind of content that was lost: its count, its images, and the first of their keys.

    What belongs to no image has none; then `keys` are its first names.
    """

    count: int = 0
    num_images: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Agreement:
    """Pixels that were compared after reading the result back, and those that differ."""

    pixels: int = 0
    differing: int = 0
    images: dict[str, int] = field(default_factory=dict)
    """Differing pixels of the images that differ most."""

    def add(self, key: str, pixels: int, differing: int) -> None:
        """Count one image."""
        self.pixels += pixels
        self.differing += differing
        if differing:
            worst = sorted({**self.images, key: differing}.items(), key=lambda item: -item[1])
            self.images = dict(worst[:MAX_FILES])

    @property
    def ratio(self) -> float:
        """Share of pixels with the same class, in [0, 1]."""
        return 1 - self.differing / self.pixels if self.pixels else 1.0


@dataclass(slots=True, kw_only=True)
class Account:
    """The result of a conversion; `before` and `after` are pixels by class.

    `left_out` names the samples that were not written, by the reason, and `resampled` those
    whose labels were resampled to the grid of their image.
    """

    source: str
    target: Path
    source_format: str
    target_format: str
    overlap: Any = None
    num_images: int = 0
    losses: dict[str, LostItem] = field(default_factory=dict)
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    agreement: Agreement | None = None
    notes: tuple[str, ...] = ()
    resampled: tuple[str, ...] = ()

    def add(self, key: str, lost: Mapping[str, int]) -> None:
        """Count one image that was written."""
        self.num_images += 1
        for what, count in lost.items():
            if count:
                loss = self.losses.setdefault(what, LostItem())
                loss.count += count
                loss.num_images += 1
                loss.keys = [*loss.keys, key][:MAX_FILES]

    def add_unread(self, unread: Mapping[str, tuple[str, ...]]) -> None:
        """List what is lost of the whole dataset, by kind."""
        for what, names in unread.items():
            if names:
                self.losses[what] = LostItem(count=len(names), keys=list(names[:MAX_FILES]))

    def to_json(self) -> dict[str, object]:
        """One JSON object."""
        agreement = self.agreement
        return {
            "source": self.source,
            "target": str(self.target),
            "from": self.source_format,
            "to": self.target_format,
            "overlap": self.overlap,
            "images": self.num_images,
            "lost": {
                what: {"count": loss.count, "images": loss.num_images, "examples": loss.keys}
                for what, loss in self.losses.items()
            },
            "left_out": {why: list(names) for why, names in self.left_out.items()},
            "pixels": {"before": dict(self.before), "after": dict(self.after)},
            "agreement": None
            if agreement is None
            else {
                "pixels": agreement.pixels,
                "differing": agreement.differing,
                "ratio": agreement.ratio,
                "worst": agreement.images,
            },
            "resampled": list(self.resampled),
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """The account as text."""
        formats = f"from {self.source_format} to {self.target_format}"
        lines = [f"{format_count(self.num_images, 'image')} {formats}: {self.target}"]
        for what, loss in sorted(self.losses.items()):
            images = f" in {loss.num_images:,} images" if loss.num_images else ""
            lines.append(f"  lost: {what}: {loss.count:,}{images} ({list_names(loss.keys)})")
        lines += [
            f"  left out: {why}: {len(names):,} ({list_names(names)})"
            for why, names in self.left_out.items()
        ]
        if self.resampled:
            lines.append(
                f"  resampled to the grid of the image, by the nearest pixel: labels of "
                f"{len(self.resampled):,} images ({list_names(self.resampled)})"
            )
        if not self.losses and not self.left_out:
            lines.append("  lost: nothing")
        if self.before != self.after:
            for when, pixels in (("before", self.before), ("after", self.after)):
                listed = ", ".join(f"{name} {count:,}" for name, count in pixels.most_common())
                lines.append(f"  pixels {when}: {listed}")
        if self.agreement is not None:
            lines.append(
                f"  read back: {100 * self.agreement.ratio:.6g} % of {self.agreement.pixels:,} "
                f"pixels agree, {self.agreement.differing:,} differ"
            )
            lines += [
                f"    {key}: {count:,} px differ"
                for key, count in list(self.agreement.images.items())[:3]
            ]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])
