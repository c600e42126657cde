"""Mask R-CNN, He et al. 2017 (arXiv:1703.06870): boxes, a class and a mask in each, flattened.

Trained by its own losses from instances, which take the place of the recipe's pixel loss: each
connected piece of a class is one. It stands on torchvision's heads and on any encoder.
"""

from collections import OrderedDict
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks import instance_loss as losses
from maskwright.nn.blocks.boxes import (
    RATIOS,
    anchors,
    best_boxes,
    by_image,
    clipped,
    crops,
    moved,
    numbered,
    outdone,
    pasted,
    taken,
)
from maskwright.nn.blocks.instances import Instances, instances
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pyramid import pyramid_encoder, pyramid_maps, pyramid_widths
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss

GOOD_FOR = "Things that can be counted, each with a box and a mask; regions come out coarse."

BOX_CELLS, MASK_CELLS = 7, 14
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
ANCHOR_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
POWER = 8
FLOOR = 1e-4
"""Added to scores before the logarithm: where no instance claims a pixel, all are equal."""


class Config(PartConfig):
    """Sizes of the parts; how many boxes each hands on; what counts as an instance.

    `anchor_px`: side of the boxes that the finest map starts from, each coarser map's being
    twice as large; 32 in the paper, whose images have 800 pixels: take it in proportion.
    `num_proposals` is 1000 in the paper, `num_sampled` 512: boxes of an image that are learned
    from, a quarter of them on instances. `max_instances` of an image, the largest, of at least
    `min_instance_px` pixels, are learned.
    """

    anchor_px: float = Field(32.0, gt=0)
    num_proposals: int = Field(256, gt=0)
    num_detections: int = Field(100, gt=0)
    pyramid_channels: int = Field(256, gt=0)
    box_channels: int = Field(1024, gt=0)
    mask_channels: int = Field(256, gt=0)
    num_sampled: int = Field(256, gt=0)
    max_instances: int = Field(100, gt=0)
    min_instance_px: int = Field(4, gt=0)


def build(config: Config, encoder: str, in_channels: int, num_classes: int) -> nn.Module:
    """See `protocols.Arch`; masks of 28 x 28 cells a box."""
    network = MaskRCNN(config, pyramid_encoder(encoder, in_channels), num_classes)
    replace_batch_norm(network)
    return network


class Proposed(NamedTuple):
    """Of a batch: maps, what is said of all A anchors, and the R best boxes (-inf: none)."""

    maps: list[Tensor]
    score_BA: Tensor
    delta_BA4: Tensor
    anchor_A4: Tensor
    best_BR: Tensor
    box_BR4: Tensor
    tie: Tensor


class MaskRCNN(nn.Module):
    """Encoder, pyramid, proposals; heads for the class and place of a box, and for its mask."""

    def __init__(self, config: Config, encoder: nn.Module, num_classes: int) -> None:
        super().__init__()
        from torchvision.models.detection import faster_rcnn, mask_rcnn, rpn
        from torchvision.ops.feature_pyramid_network import (
            FeaturePyramidNetwork,
            LastLevelMaxPool,
        )

        self.config, self.num_classes = config, num_classes
        width, inner, masks = (
            config.pyramid_channels,
            config.box_channels,
            config.mask_channels,
        )
        self.encoder = encoder
        self.fpn = FeaturePyramidNetwork(pyramid_widths(encoder), width, LastLevelMaxPool())
        self.rpn_head = rpn.RPNHead(width, len(RATIOS))
        self.box_head = faster_rcnn.TwoMLPHead(width * BOX_CELLS**2, inner)
        self.box_predictor = faster_rcnn.FastRCNNPredictor(inner, num_classes + 1)
        self.mask_head = mask_rcnn.MaskRCNNHeads(width, (masks,) * 4, 1)
        self.mask_predictor = mask_rcnn.MaskRCNNPredictor(masks, masks, num_classes + 1)

    def forward(self, x_BCHW: Tensor) -> Any:
        """Logits of the classes; in training the proposals, which `loss` reads."""
        size_HW = (x_BCHW.shape[-2], x_BCHW.shape[-1])
        proposed = self._proposed(pyramid_maps(self.encoder(x_BCHW)), size_HW)
        if self.training:
            return proposed
        score_BD, class_BD, box_BD4 = self._detected(proposed, size_HW)
        mask_BDmm = self._masks(proposed.maps, by_image(box_BD4), class_BD.flatten())
        mask_BDmm = torch.unflatten(mask_BDmm.sigmoid(), 0, score_BD.shape)
        flat_BKHW = flattened(
            pasted(mask_BDmm, box_BD4, *size_HW), score_BD, class_BD, self.num_classes
        )
        return flat_BKHW.to(x_BCHW.dtype)

    def loss(
        self,
        outputs: Proposed,
        labels_BHW: Tensor,
        _pixel_loss: PixelLoss,
    ) -> Tensor:
        """Losses of proposals, boxes and masks, summed (section 3)."""
        config = self.config
        truths = [
            instances(labels_HW, most=config.max_instances, least_px=config.min_instance_px)
            for labels_HW in labels_BHW
        ]
        return (
            self._loss_of_proposals(outputs, truths)
            + self._loss_of_heads(outputs, truths)
            + outputs.tie
        )

    def _proposed(self, maps: list[Tensor], size_HW: tuple[int, int]) -> Proposed:
        named = OrderedDict((str(level), x_BChw) for level, x_BChw in enumerate(maps))
        maps = list(self.fpn(named).values())
        scores, deltas = self.rpn_head(maps)
        score_BN, delta_BN4 = zip(
            *(_by_anchor(*said) for said in zip(scores, deltas, strict=True)), strict=True
        )
        sizes_hw = [(x_BChw.shape[-2], x_BChw.shape[-1]) for x_BChw in maps]
        anchor_N4 = anchors(sizes_hw, self.config.anchor_px, maps[0])
        num = self.config.num_proposals
        levels = zip(score_BN, delta_BN4, anchor_N4, strict=True)
        best, boxes = zip(
            *(best_boxes(s.detach(), d.detach(), a, num, size_HW) for s, d, a in levels),
            strict=True,
        )
        best_BR, index_BR = torch.cat(best, 1).topk(num)
        return Proposed(
            maps,
            torch.cat(score_BN, 1),
            torch.cat(delta_BN4, 1),
            torch.cat(anchor_N4),
            best_BR,
            taken(torch.cat(boxes, 1), index_BR),
            self._tie(maps[0]),
        )

    def _tie(self, like: Tensor) -> Tensor:
        """Zero, but of the heads' weights, which only `loss` uses.

        Processes that train together share gradients of what the forward pass has seen alone.
        """
        if not self.training:
            return like.new_zeros(())
        heads = (self.box_head, self.box_predictor, self.mask_head, self.mask_predictor)
        sums = [p.float().sum() for head in heads for p in head.parameters()]
        return 0 * torch.stack(sums).sum()

    def _boxes(self, maps: list[Tensor], roi_N5: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the classes (N, k), 0 being background, and (N, k, 4) moves of the box."""
        crop_NCss = crops(maps, roi_N5, BOX_CELLS).to(self.box_head.fc6.weight.dtype)
        class_Nk, delta_Nk4 = self.box_predictor(self.box_head(crop_NCss))
        return class_Nk.float(), torch.unflatten(delta_Nk4.float(), 1, (-1, 4))

    def _masks(self, maps: list[Tensor], roi_N5: Tensor, class_N: Tensor) -> Tensor:
        """Logits (N, 28, 28) of the mask of its class in each box."""
        crop_NCss = crops(maps, roi_N5, MASK_CELLS)
        crop_NCss = crop_NCss.to(self.mask_predictor.conv5_mask.weight.dtype)
        logit_Nkmm = self.mask_predictor(self.mask_head(crop_NCss))
        index_N111 = (class_N + 1)[:, None, None, None]
        index_N1mm = index_N111.expand(-1, -1, *logit_Nkmm.shape[-2:])
        logit_Nmm: Tensor = logit_Nkmm.gather(1, index_N1mm)[:, 0].float()
        return logit_Nmm

    def _detected(
        self, proposed: Proposed, size_HW: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The best boxes, each of one class: scores (B, D), class indices, boxes."""
        box_BR4 = proposed.box_BR4
        batch, num = box_BR4.shape[:2]
        class_Nk, delta_Nk4 = self._boxes(proposed.maps, by_image(box_BR4))
        prob_BRK = torch.unflatten(class_Nk.softmax(-1)[:, 1:], 0, (batch, num))
        prob_BRK = prob_BRK * proposed.best_BR.isfinite()[..., None]
        score_BM, index_BM = prob_BRK.flatten(1).topk(num)
        class_BM = index_BM % self.num_classes
        from_BM = torch.div(index_BM, self.num_classes, rounding_mode="floor")
        delta_BN4 = delta_Nk4[:, 1:].reshape(batch, num * self.num_classes, 4)
        box_BM4 = moved(taken(box_BR4, from_BM), taken(delta_BN4, index_BM), BOX_WEIGHTS)
        box_BM4 = clipped(box_BM4, *size_HW)
        score_BM = score_BM.masked_fill(outdone(box_BM4, class_BM, 0.5), 0)
        score_BD, best_BD = score_BM.topk(min(num, self.config.num_detections))
        return score_BD, class_BM.gather(1, best_BD), taken(box_BM4, best_BD)

    def _loss_of_proposals(self, outputs: Proposed, truths: list[Instances]) -> Tensor:
        said = []
        for score_A, delta_A4, truth in zip(
            outputs.score_BA.float(), outputs.delta_BA4.float(), truths, strict=True
        ):
            some = losses.anchor_examples(outputs.anchor_A4, truth)
            target_S4 = losses.moves(some.box_S4, some.goal_S4, ANCHOR_WEIGHTS)
            index_S = some.index_S
            said.append((score_A[index_S], delta_A4[index_S], some.found, target_S4))
        return losses.proposal_loss(*(torch.cat(parts) for parts in zip(*said, strict=True)))

    def _loss_of_heads(self, outputs: Proposed, truths: list[Instances]) -> Tensor:
        chosen = []
        for box_R4, best_R, truth in zip(outputs.box_BR4, outputs.best_BR, truths, strict=True):
            proposal_R4 = box_R4[best_R.isfinite()]
            chosen.append(losses.box_examples(proposal_R4, truth, self.config.num_sampled))
        roi_N5 = numbered([some.box_S4 for some in chosen])
        goal_N4 = torch.cat([some.goal_S4 for some in chosen])
        pairs = list(zip(chosen, truths, strict=True))
        class_N = torch.cat([losses.classes_of(some, truth) for some, truth in pairs])
        target_N4 = losses.moves(roi_N5[:, 1:], goal_N4, BOX_WEIGHTS)
        boxes = losses.box_loss(*self._boxes(outputs.maps, roi_N5), class_N, target_N4)
        cut = [losses.true_masks(some, truth, 2 * MASK_CELLS) for some, truth in pairs]
        target_Pmm, known_Pmm = (torch.cat(parts) for parts in zip(*cut, strict=True))
        with_mask_N = class_N > 0
        logit_Pmm = self._masks(outputs.maps, roi_N5[with_mask_N], class_N[with_mask_N] - 1)
        return boxes + losses.mask_loss(logit_Pmm, target_Pmm, known_Pmm)


def flattened(
    mask_BDHW: Tensor, score_BD: Tensor, class_BD: Tensor, num_classes: int
) -> Tensor:
    """Logits (B, K, H, W): the logarithm of the class's highest score times mask, nearly.

    It is their 8-norm, one product of matrices: where a maximum would go over all instances
    once a class, and 20 equal ones count 1.45 times one.
    """
    class_BKD = class_BD[:, None] == torch.arange(num_classes, device=class_BD.device)[:, None]
    powers_BDHW = (mask_BDHW * score_BD[..., None, None]) ** POWER
    # float16 has no room for eighth powers; a shape without numbers knows no autocast
    device = "cpu" if mask_BDHW.is_meta else mask_BDHW.device.type
    with torch.autocast(device, enabled=False):
        sums_BKHW = torch.einsum("bkd,bdhw->bkhw", class_BKD.float(), powers_BDHW.float())
    return (sums_BKHW ** (1 / POWER) + FLOOR).log()


def _by_anchor(score_BAhw: Tensor, delta_Bchw: Tensor) -> tuple[Tensor, Tensor]:
    """(B, h w A) and (B, h w A, 4)."""
    score_BN = score_BAhw.permute(0, 2, 3, 1).flatten(1)
    delta_BN4 = torch.unflatten(delta_Bchw.permute(0, 2, 3, 1), -1, (-1, 4)).flatten(1, 3)
    return score_BN, delta_BN4
