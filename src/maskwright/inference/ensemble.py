"""Several runs of one image as one model: ensembles, test-time augmentation, dropout.

The shares of a model are the mean over its views (`views`), those of an ensemble the mean over
its members. With Monte-Carlo dropout (Gal and Ghahramani 2016) the members are passes of one
network whose dropout is active.

The entropy of the mean shares is what is uncertain in all; the mean entropy of the members is
what each of them finds uncertain; the difference is their mutual information (Houlsby et al.
2011): how far the members disagree. Both are divided by the logarithm of the number of classes.

Memory: 8 bytes per pixel and class of the image, 4 for one member.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.decision import Decision
from ..core.errors import ConfigError
from ..core.image import Image, ValidMap
from ..core.logits import Logits
from .resolution import decide, planes
from .views import View

_LEAST = np.float32(1e-12)
"""Shares below are raised to it, so that they have a logarithm."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Combined:
    """The mean shares of all members, (K, H, W), and the mean entropy of the members, (H, W).

    The entropy is in [0, 1], and None for a single member.
    """

    shares_KHW: NDArray[np.float32]
    member_entropy_HW: Plane | None

    @classmethod
    def of_decision(cls, decision: Decision) -> Self:
        """The shares of one network."""
        shares_KHW = np.stack([decision.shares(plane) for plane in planes(decision.logits)])
        return cls(shares_KHW=shares_KHW, member_entropy_HW=None)

    def to_logits(self, temperature: float) -> Logits:
        """Logits of the size of the image whose softmax at a temperature gives the shares."""
        logits_KHW = np.log(np.maximum(self.shares_KHW, _LEAST)) * np.float32(temperature)
        return Logits.of_image(logits_KHW, logits_KHW.shape[1:])

    @property
    def entropy_HW(self) -> Plane:
        """The entropy of the mean shares, in [0, 1]."""
        return measure_entropy(self.shares_KHW, len(self.shares_KHW))

    @property
    def information_HW(self) -> Plane | None:
        """The mutual information of classes and members, in [0, 1]; None for one member."""
        if self.member_entropy_HW is None:
            return None
        return np.asarray(np.maximum(self.entropy_HW - self.member_entropy_HW, 0))


def measure_entropy(shares: Iterable[Plane], num_classes: int) -> Plane:
    """The entropy of the shares of each class, (H, W), divided by log K; 0 for one class."""
    terms = (share_HW * np.log(np.maximum(share_HW, _LEAST)) for share_HW in shares)
    total_HW = functools.reduce(np.add, terms)
    return np.asarray(total_HW / np.float32(-np.log(max(2, num_classes))), np.float32)


class Model(Protocol):
    """What gives the logits of an image: a Predictor."""

    @property
    def card(self) -> ModelCard:
        """Its card."""
        ...

    @property
    def model_id(self) -> str:
        """Its id."""
        ...

    def logits(
        self, image_HWC: Image, valid_HW: ValidMap | None = None, *, where: str = "image"
    ) -> Logits:
        """See `Predictor.logits`."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """One model with the views in which it sees an image, each with its model at that scale."""

    views: tuple[tuple[View, Model], ...]

    @property
    def model(self) -> Model:
        """The model of the first view, which is the image itself."""
        return self.views[0][1]

    def measure_shares(
        self, image_HWC: Image, valid_HW: ValidMap | None, *, where: str
    ) -> NDArray[np.float32]:
        """The mean shares over the views, at the size of the image, (K, H, W)."""
        card, size_HW = self.model.card, image_HWC.shape[:2]
        image_HWC = card.input.prepare(image_HWC, valid_HW, where=where)
        mean_KHW = np.zeros((len(card.labels), *size_HW), np.float32)
        for view, model in self.views:
            seen_HWC = np.ascontiguousarray(view.flip(image_HWC))
            logits = model.logits(seen_HWC, where=where)
            decision = decide(logits, temperature=card.temperature)
            for index, plane_HW in enumerate(planes(logits)):
                mean_KHW[index] += view.flip(decision.shares(plane_HW))
        mean_KHW /= len(self.views)
        return mean_KHW


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Members with the same classes, at least one; raises ConfigError where classes differ."""

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        first, *others = (member.model for member in self.members)
        for other in others:
            if other.card.labels.fingerprint != first.card.labels.fingerprint:
                raise ConfigError(
                    f"models {first.model_id} and {other.model_id} have different classes "
                    f"({', '.join(first.card.labels.names)}; "
                    f"{', '.join(other.card.labels.names)}); an ensemble needs the same ones "
                    f"in the same order"
                )

    def __str__(self) -> str:
        return "; ".join(
            f"{member.model.model_id}: {', '.join(str(view) for view, _ in member.views)}"
            for member in self.members
        )

    def to_json(self) -> dict[str, object]:
        """The number of members, and the views of the first."""
        views = [str(view) for view, _ in self.members[0].views]
        return {"members": len(self.members), "views": views}

    def combine(self, image_HWC: Image, valid_HW: ValidMap | None, *, where: str) -> Combined:
        """The shares of all members, and what each of them finds uncertain."""
        mean_KHW: NDArray[np.float32] | None = None
        entropy_HW = np.zeros(image_HWC.shape[:2], np.float32)
        num = len(self.members)
        for member in self.members:
            shares_KHW = member.measure_shares(image_HWC, valid_HW, where=where)
            if num > 1:
                entropy_HW += measure_entropy(shares_KHW, len(shares_KHW)) / num
            if mean_KHW is None:
                mean_KHW = shares_KHW
            else:
                mean_KHW += shares_KHW
        if mean_KHW is None:
            raise ValueError("an ensemble needs at least one member")
        mean_KHW /= num
        return Combined(shares_KHW=mean_KHW, member_entropy_HW=entropy_HW if num > 1 else None)


def require_members(ensemble: Ensemble | None) -> None:
    """Require an ensemble of several members, whose mutual information is asked for.

    Raises:
        ConfigError: It is one model.
    """
    if ensemble is None or len(ensemble.members) == 1:
        raise ConfigError(
            "mutual_information says how far several members disagree, and this is one model; "
            "predict with an ensemble (runs/a+runs/b) or with --dropout, or write entropy"
        )
