"""The set loss of MaskFormer (arXiv:2107.06278) and Mask2Former (arXiv:2112.01527).

The truth of an image is one mask for each class in it. Queries and masks are paired so that the
sum of their costs is least; paired queries learn class and mask, the others learn "no object".

Pixels labelled IGNORE are in no cost and no loss of masks. An image without a labelled pixel
says nothing: none of its queries learns, not even that there is no object.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.core.labels import IGNORE
from maskwright.nn.part_config import PartConfig

from ..protocols import PixelLoss
from .resize import enlarged

LEFT_OUT = -100
FOCAL_ALPHA = 0.25


class Queries(NamedTuple):
    """What one decoder layer says: logits of K classes and "no object", and of masks."""

    class_BQk: Tensor
    mask_BQhw: Tensor


class Truth(NamedTuple):
    """One image: the M classes in it, the mask of each, and where nothing is known (0 or 1)."""

    class_M: Tensor
    mask_MHW: Tensor
    ignored_1HW: Tensor

    @classmethod
    def of(cls, labels_HW: Tensor) -> "Truth":
        """From a map of class indices and IGNORE."""
        found = torch.unique(labels_HW)
        class_M = found[found != IGNORE]
        mask_MHW = (labels_HW == class_M[:, None, None]).float()
        return cls(class_M, mask_MHW, (labels_HW == IGNORE).float()[None])


class Pairs(NamedTuple):
    """Query and mask numbers of the pairs of one image."""

    query_N: Tensor
    truth_N: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLoss:
    """Weights of the terms, and where masks are compared.

    `num_points` places are drawn at random (Mask2Former, section 3.3), for the loss mostly
    where the mask is least certain (Kirillov et al. 2020, arXiv:1912.08193); 0 takes every
    pixel. `focal` has Lin et al.'s focal loss (gamma 2) in the place of cross-entropy.
    """

    class_weight: float
    mask_weight: float
    dice_weight: float
    no_object_weight: float
    focal: bool = False
    num_points: int = 0
    oversample_ratio: float = 3.0
    importance_ratio: float = 0.75

    @classmethod
    def of(cls, config: BaseModel, *, focal: bool = False) -> "SetLoss":
        """With the weights, and the points if any, among the choices of an architecture."""
        names = {field.name for field in fields(cls)}
        return cls(**config.model_dump(include=names), focal=focal)

    def __call__(self, outputs: Sequence[Queries], labels_BHW: Tensor) -> Tensor:
        """Sum over the layers, each matched for itself; 0 where every label is IGNORE."""
        with torch.autocast(labels_BHW.device.type, enabled=False):
            truths = [Truth.of(labels_HW) for labels_HW in labels_BHW]
            layers = [Queries(q.class_BQk.float(), q.mask_BQhw.float()) for q in outputs]
            return torch.stack([self._of_layer(queries, truths) for queries in layers]).sum()

    def _of_layer(self, queries: Queries, truths: list[Truth]) -> Tensor:
        pairs = [
            self._match(class_Qk, mask_Qhw, truth)
            for class_Qk, mask_Qhw, truth in zip(*queries, truths, strict=True)
        ]
        class_loss = self._class_loss(queries.class_BQk, truths, pairs)
        return self.class_weight * class_loss + self._mask_loss(
            queries.mask_BQhw, truths, pairs
        )

    @torch.no_grad()
    def _match(self, class_Qk: Tensor, mask_Qhw: Tensor, truth: Truth) -> Pairs:
        from scipy.optimize import linear_sum_assignment

        predicted_QP, truth_MP, valid_P = self._compared(mask_Qhw, truth)
        positive_QP, negative_QP = _entropies(predicted_QP, focal=self.focal)
        positive_QP, negative_QP = positive_QP * valid_P, negative_QP * valid_P
        mask_QM = positive_QP @ truth_MP.T + negative_QP @ (1 - truth_MP).T
        prob_QP = predicted_QP.sigmoid() * valid_P
        hit_QM = prob_QP @ truth_MP.T
        total_QM = prob_QP.sum(1)[:, None] + (truth_MP * valid_P).sum(1)
        cost_QM = (
            self.mask_weight * mask_QM / valid_P.sum().clamp(min=1)
            + self.dice_weight * (1 - (2 * hit_QM + 1) / (total_QM + 1))
            - self.class_weight * class_Qk.softmax(-1)[:, truth.class_M]
        )
        worst = torch.finfo(cost_QM.dtype).max
        known_QM = cost_QM.nan_to_num(nan=worst, posinf=worst, neginf=worst)
        numbers = linear_sum_assignment(known_QM.cpu().numpy())
        return Pairs(*(torch.from_numpy(n).to(mask_Qhw.device) for n in numbers))

    def _compared(self, mask_Qhw: Tensor, truth: Truth) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (Q, P), truth (M, P) and validity (P) at the same places, for matching."""
        if not self.num_points:
            size_hw = mask_Qhw.shape[-2:]
            truth_MP = _shrunk(truth.mask_MHW, size_hw).flatten(1)
            valid_P = 1 - _shrunk(truth.ignored_1HW, size_hw).flatten()
            return mask_Qhw.flatten(1), truth_MP, valid_P
        place_1P2 = torch.rand(1, self.num_points, 2, device=mask_Qhw.device)
        valid_P = (_at(truth.ignored_1HW[None], place_1P2)[0, 0] == 0).float()
        return (
            _at(mask_Qhw[None], place_1P2)[0],
            _at(truth.mask_MHW[None], place_1P2)[0],
            valid_P,
        )

    def _class_loss(self, class_BQk: Tensor, truths: list[Truth], pairs: list[Pairs]) -> Tensor:
        num_classes = class_BQk.shape[-1] - 1
        target_BQ = class_BQk.new_full(class_BQk.shape[:2], num_classes, dtype=torch.long)
        for target_Q, truth, pair in zip(target_BQ, truths, pairs, strict=True):
            if len(truth.class_M) == 0:
                target_Q.fill_(LEFT_OUT)
            target_Q[pair.query_N] = truth.class_M[pair.truth_N].long()
        weight_k = class_BQk.new_ones(num_classes + 1)
        weight_k[-1] = self.no_object_weight
        total = F.cross_entropy(
            class_BQk.flatten(0, 1),
            target_BQ.flatten(),
            weight=weight_k,
            ignore_index=LEFT_OUT,
            reduction="sum",
        )
        known_N = target_BQ[target_BQ != LEFT_OUT]
        return total / weight_k[known_N].sum().clamp(min=1e-9)

    def _mask_loss(self, mask_BQhw: Tensor, truths: list[Truth], pairs: list[Pairs]) -> Tensor:
        """Cross-entropy or focal loss and Dice of the paired masks, by the number of masks."""
        mask_Nhw = torch.cat(
            [mask_Qhw[p.query_N] for mask_Qhw, p in zip(mask_BQhw, pairs, strict=True)]
        )
        if len(mask_Nhw) == 0:
            return mask_BQhw[:0].sum()
        draw = self._drawn if self.num_points else _everywhere
        predicted_NP, truth_NP, valid_NP = draw(mask_Nhw, truths, pairs)
        positive_NP, negative_NP = _entropies(predicted_NP, focal=self.focal)
        entropy_NP = truth_NP * positive_NP + (1 - truth_NP) * negative_NP
        entropy_N = (entropy_NP * valid_NP).sum(1) / valid_NP.sum(1).clamp(min=1)
        prob_NP, truth_NP = predicted_NP.sigmoid() * valid_NP, truth_NP * valid_NP
        dice_N = (2 * (prob_NP * truth_NP).sum(1) + 1) / (prob_NP.sum(1) + truth_NP.sum(1) + 1)
        num_masks = max(1, sum(len(truth.class_M) for truth in truths))
        loss_N = self.mask_weight * entropy_N + self.dice_weight * (1 - dice_N)
        return loss_N.sum() / num_masks

    def _drawn(
        self, mask_Nhw: Tensor, truths: list[Truth], pairs: list[Pairs]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, truth and validity (N, P) at places drawn for each mask."""
        place_NP2 = self._places(mask_Nhw, truths, pairs)
        truth_NP = torch.cat(
            [
                _at(truth.mask_MHW[pair.truth_N, None], place_nP2)[:, 0]
                for truth, pair, place_nP2 in _by_image(place_NP2, truths, pairs)
            ]
        )
        valid_NP = (_ignored_at(place_NP2, truths, pairs) == 0).float()
        return _at(mask_Nhw[:, None], place_NP2)[:, 0], truth_NP, valid_NP

    @torch.no_grad()
    def _places(self, mask_Nhw: Tensor, truths: list[Truth], pairs: list[Pairs]) -> Tensor:
        """X and y in [0, 1] (N, P, 2): uncertain ones of many, then some at random."""
        num_masks, device = len(mask_Nhw), mask_Nhw.device
        num_uncertain = int(self.importance_ratio * self.num_points)
        many = int(self.num_points * self.oversample_ratio)
        place_NS2 = torch.rand(num_masks, many, 2, device=device)
        doubt_NS = -_at(mask_Nhw[:, None], place_NS2)[:, 0].abs()
        ignored_NS = _ignored_at(place_NS2, truths, pairs) > 0
        index_NP = doubt_NS.masked_fill(ignored_NS, -torch.inf).topk(num_uncertain, dim=1)[1]
        uncertain_NP2 = place_NS2.gather(1, index_NP[..., None].expand(-1, -1, 2))
        rest = self.num_points - num_uncertain
        return torch.cat([uncertain_NP2, torch.rand(num_masks, rest, 2, device=device)], dim=1)


def _everywhere(
    mask_Nhw: Tensor, truths: list[Truth], pairs: list[Pairs]
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, truth and validity (N, P) at every pixel."""
    both = list(zip(truths, pairs, strict=True))
    truth_NHW = torch.cat([truth.mask_MHW[pair.truth_N] for truth, pair in both])
    ignored_NHW = torch.cat([t.ignored_1HW.expand(len(p.query_N), -1, -1) for t, p in both])
    predicted_NHW = F.interpolate(
        mask_Nhw[:, None], truth_NHW.shape[-2:], mode="bilinear", align_corners=False
    )[:, 0]
    return predicted_NHW.flatten(1), truth_NHW.flatten(1), 1 - ignored_NHW.flatten(1)


def _by_image(
    place_NP2: Tensor, truths: list[Truth], pairs: list[Pairs]
) -> list[tuple[Truth, Pairs, Tensor]]:
    places = torch.split(place_NP2, [len(pair.query_N) for pair in pairs])
    return list(zip(truths, pairs, places, strict=True))


def _ignored_at(place_NP2: Tensor, truths: list[Truth], pairs: list[Pairs]) -> Tensor:
    """Share of IGNORE (N, P) among the pixels around each place."""
    return torch.cat(
        [
            _at(truth.ignored_1HW[None].expand(len(place_nP2), -1, -1, -1), place_nP2)[:, 0]
            for truth, _, place_nP2 in _by_image(place_NP2, truths, pairs)
        ]
    )


def _at(x_NCHW: Tensor, place_NP2: Tensor) -> Tensor:
    """Bilinear values (N, C, P) at places x, y in [0, 1]; 0 lies beyond the border."""
    grid_NP12 = 2 * place_NP2[:, :, None] - 1
    return F.grid_sample(x_NCHW, grid_NP12, align_corners=False)[..., 0]


def _shrunk(x_MHW: Tensor, size_hw: Sequence[int]) -> Tensor:
    return F.interpolate(x_MHW[:, None], tuple(size_hw), mode="nearest")[:, 0]


def _entropies(logits: Tensor, *, focal: bool) -> tuple[Tensor, Tensor]:
    """Loss of each value if the truth is 1, and if it is 0."""
    positive, negative = F.softplus(-logits), F.softplus(logits)
    if not focal:
        return positive, negative
    prob = logits.sigmoid()
    return (
        FOCAL_ALPHA * (1 - prob) ** 2 * positive,
        (1 - FOCAL_ALPHA) * prob**2 * negative,
    )


FLOOR = 1e-6
"""Added to scores before the logarithm: no query need claim a pixel."""


def class_logits(queries: Queries, factor: int) -> Tensor:
    """Logits (B, K, H, W) at `factor` times the size of the masks.

    A class scores the sum over queries of its probability times that of the mask. Their
    logarithm is what is returned: the largest is the paper's choice, and its softmax is the
    class's share of the scores, which a temperature sharpens or softens as any other.
    """
    prob_BQK = queries.class_BQk.float().softmax(-1)[..., :-1]
    mask_BQHW = enlarged(queries.mask_BQhw.float(), factor).sigmoid()
    score_BKHW = torch.einsum("bqk,bqhw->bkhw", prob_BQK, mask_BQHW)
    return (score_BKHW + FLOOR).log().to(queries.mask_BQhw.dtype)


class PointLossConfig(PartConfig):
    """Weights of the set loss and its points: Mask2Former's."""

    class_weight: float = Field(2.0, ge=0)
    mask_weight: float = Field(5.0, ge=0)
    dice_weight: float = Field(5.0, ge=0)
    no_object_weight: float = Field(0.1, ge=0)
    num_points: int = Field(12544, gt=0)


class QueryNetwork(nn.Module):
    """In training its forward gives the queries of several layers, the last first."""

    def __init__(self, set_loss: SetLoss) -> None:
        super().__init__()
        self.set_loss = set_loss

    def loss(
        self,
        outputs: list[Queries],
        labels_BHW: Tensor,
        _pixel_loss: PixelLoss,
    ) -> Tensor:
        """The set loss of every layer, summed."""
        return self.set_loss(outputs, labels_BHW)
