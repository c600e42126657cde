"""Mask classification: queries, their class scores, and the set loss that trains them.

MaskFormer (arXiv:2107.06278) and Mask2Former (arXiv:2112.01527). The truth of an image is one
mask for each class in it. Queries and masks are matched one to one so that the sum of their
costs is minimal; matched queries learn class and mask, the others learn "no object".

Pixels labelled IGNORE count neither in a cost nor in the loss of masks. An image without a
labelled pixel adds nothing: its queries do not even learn "no object".

Suffixes: Q queries, K classes, k = K + 1 with "no object", M classes in the image, N matched
pairs of query and mask, P points or pixels at which masks are compared.
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
from maskwright.nn.protocols import PixelLoss

from .resize import upsample

LEFT_OUT = -100
"""Class target of the queries of an image without a labelled pixel."""

FOCAL_ALPHA = 0.25
FLOOR = 1e-6
"""Added to class scores before the logarithm: a pixel may be in the mask of no query."""


class Queries(NamedTuple):
    """Output of one decoder layer: logits of K classes and "no object", and mask logits."""

    class_BQk: Tensor
    mask_BQhw: Tensor


def class_logits(queries: Queries, factor: int) -> Tensor:
    """Logits (B, K, H, W) at `factor` times the size of the masks; MaskFormer, section 3.4.

    The score of a class is the sum over queries of its probability times that of the mask. The
    logarithm of the scores is returned: its argmax is the paper's prediction, its softmax the
    share of the class in the sum of scores, which a temperature can calibrate.
    """
    prob_BQK = queries.class_BQk.float().softmax(-1)[..., :-1]
    mask_BQHW = upsample(queries.mask_BQhw.float(), factor).sigmoid()
    score_BKHW = torch.einsum("bqk,bqhw->bkhw", prob_BQK, mask_BQHW)
    return (score_BKHW + FLOOR).log().to(queries.mask_BQhw.dtype)


class ImageTruth(NamedTuple):
    """Truth of one image: its M classes, their masks, and the ignored pixels (0.0 or 1.0)."""

    class_M: Tensor
    mask_MHW: Tensor
    ignored_1HW: Tensor

    @classmethod
    def from_labels(cls, labels_HW: Tensor) -> "ImageTruth":
        """Split a map of class indices and IGNORE."""
        values = torch.unique(labels_HW)
        class_M = values[values != IGNORE]
        mask_MHW = (labels_HW == class_M[:, None, None]).float()
        return cls(class_M, mask_MHW, (labels_HW == IGNORE).float()[None])


class Matches(NamedTuple):
    """Indices of the N matched queries and masks of one image."""

    query_N: Tensor
    truth_N: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLoss:
    """Weights of the terms, and the points at which masks are compared.

    `num_points` points are sampled (Mask2Former, section 3.3), for the loss mostly where the
    mask is least certain (Kirillov et al. 2020, arXiv:1912.08193); 0 compares every pixel.
    `focal` replaces cross-entropy by Lin et al.'s focal loss (gamma 2).
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
    def from_config(cls, config: BaseModel, *, focal: bool = False) -> "SetLoss":
        """Take weights and number of points from the settings of an architecture."""
        names = {field.name for field in fields(cls)}
        return cls(**config.model_dump(include=names), focal=focal)

    def __call__(self, outputs: Sequence[Queries], labels_BHW: Tensor) -> Tensor:
        """Sum over the layers, each with a matching of its own; 0 if every label is IGNORE."""
        with torch.autocast(labels_BHW.device.type, enabled=False):
            truths = [ImageTruth.from_labels(labels_HW) for labels_HW in labels_BHW]
            layers = [Queries(q.class_BQk.float(), q.mask_BQhw.float()) for q in outputs]
            return torch.stack([self._layer_loss(queries, truths) for queries in layers]).sum()

    def _layer_loss(self, queries: Queries, truths: list[ImageTruth]) -> Tensor:
        matches = [
            self._match(class_Qk, mask_Qhw, truth)
            for class_Qk, mask_Qhw, truth in zip(*queries, truths, strict=True)
        ]
        class_loss = self._class_loss(queries.class_BQk, truths, matches)
        return self.class_weight * class_loss + self._mask_loss(
            queries.mask_BQhw, truths, matches
        )

    @torch.no_grad()
    def _match(self, class_Qk: Tensor, mask_Qhw: Tensor, truth: ImageTruth) -> Matches:
        """The one-to-one matching of least cost (Hungarian method)."""
        from scipy.optimize import linear_sum_assignment

        predicted_QP, truth_MP, valid_P = self._matching_inputs(mask_Qhw, truth)
        positive_QP, negative_QP = _binary_losses(predicted_QP, focal=self.focal)
        positive_QP, negative_QP = positive_QP * valid_P, negative_QP * valid_P
        # (Q, P) @ (P, M) -> (Q, M): sums over points for all pairs of query and mask
        mask_QM = positive_QP @ truth_MP.T + negative_QP @ (1 - truth_MP).T
        prob_QP = predicted_QP.sigmoid() * valid_P
        hit_QM = prob_QP @ truth_MP.T
        total_QM = prob_QP.sum(1)[:, None] + (truth_MP * valid_P).sum(1)
        cost_QM = (
            self.mask_weight * mask_QM / valid_P.sum().clamp(min=1)
            + self.dice_weight * (1 - (2 * hit_QM + 1) / (total_QM + 1))
            - self.class_weight * class_Qk.softmax(-1)[:, truth.class_M]
        )
        # SciPy raises on NaN and on infinite costs, which a diverging network produces
        worst = torch.finfo(cost_QM.dtype).max
        finite_QM = cost_QM.nan_to_num(nan=worst, posinf=worst, neginf=worst)
        indices = linear_sum_assignment(finite_QM.cpu().numpy())
        return Matches(*(torch.from_numpy(index).to(mask_Qhw.device) for index in indices))

    def _matching_inputs(
        self, mask_Qhw: Tensor, truth: ImageTruth
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mask logits (Q, P), truth (M, P) and validity (P) at the same P points."""
        if not self.num_points:
            size_hw = mask_Qhw.shape[-2:]
            # all pixels of the small masks: (M, H, W) -> (M, h, w) -> (M, P)
            truth_MP = _downsample(truth.mask_MHW, size_hw).flatten(1)
            valid_P = 1 - _downsample(truth.ignored_1HW, size_hw).flatten()
            return mask_Qhw.flatten(1), truth_MP, valid_P
        point_1P2 = torch.rand(1, self.num_points, 2, device=mask_Qhw.device)
        valid_P = (_sample_bilinear(truth.ignored_1HW[None], point_1P2)[0, 0] == 0).float()
        return (
            _sample_bilinear(mask_Qhw[None], point_1P2)[0],
            _sample_bilinear(truth.mask_MHW[None], point_1P2)[0],
            valid_P,
        )

    def _class_loss(
        self, class_BQk: Tensor, truths: list[ImageTruth], matches: list[Matches]
    ) -> Tensor:
        """Weighted cross-entropy of all queries; unmatched ones have the class "no object"."""
        num_classes = class_BQk.shape[-1] - 1
        target_BQ = class_BQk.new_full(class_BQk.shape[:2], num_classes, dtype=torch.long)
        for target_Q, truth, match in zip(target_BQ, truths, matches, strict=True):
            if len(truth.class_M) == 0:
                target_Q.fill_(LEFT_OUT)
            target_Q[match.query_N] = truth.class_M[match.truth_N].long()
        weight_k = class_BQk.new_ones(num_classes + 1)
        weight_k[-1] = self.no_object_weight
        total = F.cross_entropy(
            class_BQk.flatten(0, 1),  # (B, Q, k) -> (B Q, k)
            target_BQ.flatten(),
            weight=weight_k,
            ignore_index=LEFT_OUT,
            reduction="sum",
        )
        used_N = target_BQ[target_BQ != LEFT_OUT]
        return total / weight_k[used_N].sum().clamp(min=1e-9)

    def _mask_loss(
        self, mask_BQhw: Tensor, truths: list[ImageTruth], matches: list[Matches]
    ) -> Tensor:
        """Cross-entropy (or focal loss) and Dice of the matched masks, per true mask."""
        # (B, Q, h, w) -> (N, h, w): the matched masks of all images, one behind the other
        mask_Nhw = torch.cat(
            [mask_Qhw[m.query_N] for mask_Qhw, m in zip(mask_BQhw, matches, strict=True)]
        )
        if len(mask_Nhw) == 0:
            return mask_BQhw[:0].sum()
        compare = self._at_sampled_points if self.num_points else _at_every_pixel
        predicted_NP, truth_NP, valid_NP = compare(mask_Nhw, truths, matches)
        positive_NP, negative_NP = _binary_losses(predicted_NP, focal=self.focal)
        entropy_NP = truth_NP * positive_NP + (1 - truth_NP) * negative_NP
        entropy_N = (entropy_NP * valid_NP).sum(1) / valid_NP.sum(1).clamp(min=1)
        prob_NP, truth_NP = predicted_NP.sigmoid() * valid_NP, truth_NP * valid_NP
        dice_N = (2 * (prob_NP * truth_NP).sum(1) + 1) / (prob_NP.sum(1) + truth_NP.sum(1) + 1)
        num_masks = max(1, sum(len(truth.class_M) for truth in truths))
        loss_N = self.mask_weight * entropy_N + self.dice_weight * (1 - dice_N)
        return loss_N.sum() / num_masks

    def _at_sampled_points(
        self, mask_Nhw: Tensor, truths: list[ImageTruth], matches: list[Matches]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mask logits, truth and validity (N, P) at points sampled for each mask."""
        point_NP2 = self._sample_points(mask_Nhw, truths, matches)
        truth_NP = torch.cat(
            [
                _sample_bilinear(truth.mask_MHW[match.truth_N, None], point_nP2)[:, 0]
                for truth, match, point_nP2 in _split_by_image(point_NP2, truths, matches)
            ]
        )
        valid_NP = (_sample_ignored(point_NP2, truths, matches) == 0).float()
        return _sample_bilinear(mask_Nhw[:, None], point_NP2)[:, 0], truth_NP, valid_NP

    @torch.no_grad()
    def _sample_points(
        self, mask_Nhw: Tensor, truths: list[ImageTruth], matches: list[Matches]
    ) -> Tensor:
        """Points x, y in [0, 1] (N, P, 2): the least certain of many, and random ones."""
        num_masks, device = len(mask_Nhw), mask_Nhw.device
        num_uncertain = int(self.importance_ratio * self.num_points)
        num_candidates = int(self.num_points * self.oversample_ratio)
        point_NS2 = torch.rand(num_masks, num_candidates, 2, device=device)
        # a logit near 0 is uncertain: rank by -|logit|, ignored pixels last
        uncertainty_NS = -_sample_bilinear(mask_Nhw[:, None], point_NS2)[:, 0].abs()
        ignored_NS = _sample_ignored(point_NS2, truths, matches) > 0
        ranked_NS = uncertainty_NS.masked_fill(ignored_NS, -torch.inf)
        index_NP = ranked_NS.topk(num_uncertain, dim=1)[1]
        uncertain_NP2 = point_NS2.gather(1, index_NP[..., None].expand(-1, -1, 2))
        rest = self.num_points - num_uncertain
        return torch.cat([uncertain_NP2, torch.rand(num_masks, rest, 2, device=device)], dim=1)


class PointLossConfig(PartConfig):
    """Weights and number of points of a `SetLoss`, with Mask2Former's values."""

    class_weight: float = Field(2.0, ge=0)
    mask_weight: float = Field(5.0, ge=0)
    dice_weight: float = Field(5.0, ge=0)
    no_object_weight: float = Field(0.1, ge=0)
    num_points: int = Field(12544, gt=0)


class QueryNetwork(nn.Module):
    """In training, the forward returns the queries of several layers, the last first."""

    def __init__(self, set_loss: SetLoss) -> None:
        super().__init__()
        self.set_loss = set_loss

    def loss(
        self, outputs: list[Queries], labels_BHW: Tensor, _pixel_loss: PixelLoss
    ) -> Tensor:
        """The set loss summed over the layers; the recipe's pixel loss is not used."""
        return self.set_loss(outputs, labels_BHW)


def _at_every_pixel(
    mask_Nhw: Tensor, truths: list[ImageTruth], matches: list[Matches]
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask logits, truth and validity (N, P) at every pixel of the image."""
    both = list(zip(truths, matches, strict=True))
    truth_NHW = torch.cat([truth.mask_MHW[match.truth_N] for truth, match in both])
    ignored_NHW = torch.cat([t.ignored_1HW.expand(len(m.query_N), -1, -1) for t, m in both])
    predicted_NHW = F.interpolate(
        mask_Nhw[:, None], truth_NHW.shape[-2:], mode="bilinear", align_corners=False
    )[:, 0]
    # (N, H, W) -> (N, P)
    return predicted_NHW.flatten(1), truth_NHW.flatten(1), 1 - ignored_NHW.flatten(1)


def _split_by_image(
    point_NP2: Tensor, truths: list[ImageTruth], matches: list[Matches]
) -> list[tuple[ImageTruth, Matches, Tensor]]:
    """Truth, matches and points (n, P, 2) of each image."""
    points = torch.split(point_NP2, [len(match.query_N) for match in matches])
    return list(zip(truths, matches, points, strict=True))


def _sample_ignored(
    point_NP2: Tensor, truths: list[ImageTruth], matches: list[Matches]
) -> Tensor:
    """Share of IGNORE (N, P) among the four pixels around each point."""
    return torch.cat(
        [
            _sample_bilinear(
                truth.ignored_1HW[None].expand(len(point_nP2), -1, -1, -1), point_nP2
            )[:, 0]
            for truth, _, point_nP2 in _split_by_image(point_NP2, truths, matches)
        ]
    )


def _sample_bilinear(x_NCHW: Tensor, point_NP2: Tensor) -> Tensor:
    """Bilinear values (N, C, P) at points x, y in [0, 1]; 0 beyond the border."""
    grid_NP12 = 2 * point_NP2[:, :, None] - 1  # (N, P, 2) -> (N, P, 1, 2) in [-1, 1]
    return F.grid_sample(x_NCHW, grid_NP12, align_corners=False)[..., 0]


def _downsample(x_MHW: Tensor, size_hw: Sequence[int]) -> Tensor:
    """(M, H, W) -> (M, h, w) by the nearest pixel."""
    return F.interpolate(x_MHW[:, None], tuple(size_hw), mode="nearest")[:, 0]


def _binary_losses(logits: Tensor, *, focal: bool) -> tuple[Tensor, Tensor]:
    """The loss of each logit for a truth of 1, and for a truth of 0."""
    positive, negative = F.softplus(-logits), F.softplus(logits)
    if not focal:
        return positive, negative
    prob = logits.sigmoid()
    return (
        FOCAL_ALPHA * (1 - prob) ** 2 * positive,
        (1 - FOCAL_ALPHA) * prob**2 * negative,
    )
