"""Count all chosen metric families on one image: what `evaluate` and `score` share."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ..core.confusion import Confusion
from ..core.labels import LabelMap
from ..core.provenance import ScoreSettings
from ..metrics.counts import Counts, Scores
from ..metrics.family import Family, ScoreDetail, ScoredImage, all_families

REGIONS_ONLY = ScoreDetail()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """What one image adds to a report: its confusion, and counts by name.

    `truth_hash` identifies the truth, so that only reports of the same truth are compared.
    """

    key: str
    group: str
    truth_hash: str
    confusion: Confusion
    counts: Counts
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_image(
        cls,
        image: ScoredImage,
        counts: Counts,
        *,
        group: str,
        attributes: Mapping[str, str],
        place: str = "",
    ) -> Self:
        """Take the key, the confusion and the hash of the truth from `image`.

        `place` says where the truth lies: the same labels at another place are another truth.
        """
        return cls(
            key=image.key,
            group=group,
            truth_hash=hash_truth(image.truth_HW, place),
            confusion=image.confusion,
            counts=counts,
            attributes=attributes,
        )


def hash_truth(truth_HW: LabelMap, place: str = "") -> str:
    """Hash the size, the class indices and the place of a truth map."""
    digest = hashlib.blake2b(repr(truth_HW.shape).encode() + place.encode(), digest_size=8)
    digest.update(np.ascontiguousarray(truth_HW, np.uint8).data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """The metric families of one report, by name in its order, and their settings."""

    detail: ScoreDetail
    families: Mapping[str, Family]

    @classmethod
    def from_detail(cls, detail: ScoreDetail, *, has_logits: bool) -> "Scoring":
        """Choose the families that `detail` asks for; those of logits only if there are any."""
        families = {
            name: family
            for name, family in all_families().items()
            if family.is_on(detail) and (has_logits or not family.NEEDS_LOGITS)
        }
        return cls(detail=detail, families=families)

    def count(self, image: ScoredImage) -> Counts:
        """Count every family on one image: label maps, image means, logits."""
        detail = self.detail.for_image(image.key)
        families = self.families.values()
        counts = [family.count(image, detail) for family in families]
        pairs = list(zip(families, counts, strict=True))
        alone = [f.scores(own, detail) for f, own in pairs if f.HAS_IMAGE_MEANS]
        of_maps = [own for family, own in pairs if not family.NEEDS_LOGITS]
        of_logits = [own for family, own in pairs if family.NEEDS_LOGITS]
        means = [family.count_means(alone) for family in families]
        return {n: a for own in (*of_maps, *means, *of_logits) for n, a in own.items()}

    def scores(self, counts: Counts) -> list[Scores]:
        """Derive the scores of each family from summed counts."""
        return [family.scores(counts, self.detail) for family in self.families.values()]

    def settings(self) -> ScoreSettings:
        """The settings of the report; families of logits go without saying for a model."""
        of_families: dict[str, object] = {}
        for family in self.families.values():
            of_families |= family.settings(self.detail)
        names = (name for name, family in self.families.items() if not family.NEEDS_LOGITS)
        return ScoreSettings(families=tuple(names), of_families=of_families)
