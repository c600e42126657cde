"""Mask R-CNN, He et al. 2017 (arXiv:1703.06870): instances, merged into one class map.

Trained with its own losses of instances instead of the recipe's pixel loss; each connected
component of a class is an instance. The heads are torchvision's, the encoders those of
`blocks.pyramid`.
"""

from collections import OrderedDict
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.nn.blocks import instance_loss as losses
from maskwright.nn.blocks.boxes import (
    RATIOS,
    clip_boxes,
    crop_features,
    decode_boxes,
    fast_nms,
    flatten_with_batch_index,
    gather_rows,
    make_anchors,
    paste_masks,
    select_proposals,
    with_batch_index,
)
from maskwright.nn.blocks.instances import Instances, find_instances
from maskwright.nn.blocks.norm import replace_batch_norm
from maskwright.nn.blocks.pyramid import pyramid_encoder, pyramid_maps, pyramid_widths
from maskwright.nn.part_config import PartConfig
from maskwright.nn.protocols import PixelLoss
from maskwright.nn.published_recipe import PublishedRecipe

USES_PIXEL_LOSS = False
GOOD_FOR = "Objects that can be counted, each with a box and a mask; regions are coarse."

RECIPE = PublishedRecipe(
    source="torchvision, references/detection",
    optimizer="sgd",
    lr=0.02,
    batch_size=16,
    num_steps=190_000,
    weight_decay=1e-4,
    warmup_ratio=1000 / 190_000,
    schedule="step",
    loss="",
)

EXTRA_CLASS_FIRST = True

BOX_CELLS, MASK_CELLS = 7, 14
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
ANCHOR_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
POWER = 8
FLOOR = 1e-4
"""Added to scores before the logarithm: all classes are equal where there is no instance."""


class Config(PartConfig):
    """Widths of the heads, numbers of boxes, and which instances are learned.

    `anchor_px`: side of the anchors of the finest map, doubled for each coarser map; 32 in the
    paper, for images whose shorter side is 800 pixels: scale it with your images.
    `num_proposals` is 1000 in the paper. `num_sampled` boxes of an image enter the loss, at
    most a quarter of them on instances; 512 in the paper. The `max_instances` largest instances
    of an image, of at least `min_instance_px` pixels each, are learned.
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
    """Build the network (`protocols.Arch`); masks of 28 x 28 cells per box."""
    network = MaskRCNN(config, pyramid_encoder(encoder, in_channels), num_classes)
    replace_batch_norm(network)
    return network


class Proposals(NamedTuple):
    """Output of the region proposal network for a batch.

    `maps` of the feature pyramid; logits `score_BA` and deltas `delta_BA4` of all A anchors;
    the R best boxes `box_BR4` with their scores `best_BR` (-inf: suppressed or missing). `zero`
    is 0 and has a gradient of 0 for every parameter of the heads.
    """

    maps: list[Tensor]
    score_BA: Tensor
    delta_BA4: Tensor
    anchor_A4: Tensor
    best_BR: Tensor
    box_BR4: Tensor
    zero: Tensor


class MaskRCNN(nn.Module):
    """Encoder, feature pyramid, region proposals; heads for class and box, and for the mask."""

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
        """Logits (B, K, H, W); in training, the proposals, which `loss` reads."""
        size_HW = (x_BCHW.shape[-2], x_BCHW.shape[-1])
        proposed = self._propose(pyramid_maps(self.encoder(x_BCHW)), size_HW)
        if self.training:
            return proposed
        score_BD, class_BD, box_BD4 = self._detect(proposed, size_HW)
        roi_N5 = flatten_with_batch_index(box_BD4)
        mask_Nmm = self._predict_masks(proposed.maps, roi_N5, class_BD.flatten())
        # (B D, m, m) -> (B, D, m, m)
        mask_BDmm = torch.unflatten(mask_Nmm.sigmoid(), 0, score_BD.shape)
        flat_BKHW = merge_instances(
            paste_masks(mask_BDmm, box_BD4, *size_HW), score_BD, class_BD, self.num_classes
        )
        return flat_BKHW.to(x_BCHW.dtype)

    def loss(
        self,
        outputs: Proposals,
        labels_BHW: Tensor,
        _pixel_loss: PixelLoss,
    ) -> Tensor:
        """Losses of proposals, boxes and masks (section 3); the pixel loss is not used."""
        config = self.config
        truths = [
            find_instances(
                labels_HW, most=config.max_instances, least_px=config.min_instance_px
            )
            for labels_HW in labels_BHW
        ]
        return (
            self._proposal_loss(outputs, truths)
            + self._head_loss(outputs, truths)
            + outputs.zero
        )

    def _propose(self, maps: list[Tensor], size_HW: tuple[int, int]) -> Proposals:
        """Run the region proposal network on the encoder's maps."""
        named = OrderedDict((str(level), x_BChw) for level, x_BChw in enumerate(maps))
        maps = list(self.fpn(named).values())
        scores, deltas = self.rpn_head(maps)
        score_BN, delta_BN4 = zip(
            *(_flatten_anchors(*level) for level in zip(scores, deltas, strict=True)),
            strict=True,
        )
        sizes_hw = [(x_BChw.shape[-2], x_BChw.shape[-1]) for x_BChw in maps]
        anchor_N4 = make_anchors(sizes_hw, self.config.anchor_px, maps[0])
        num = self.config.num_proposals
        levels = zip(score_BN, delta_BN4, anchor_N4, strict=True)
        best, boxes = zip(
            *(select_proposals(s.detach(), d.detach(), a, num, size_HW) for s, d, a in levels),
            strict=True,
        )
        best_BR, index_BR = torch.cat(best, 1).topk(num)
        return Proposals(
            maps,
            torch.cat(score_BN, 1),
            torch.cat(delta_BN4, 1),
            torch.cat(anchor_N4),
            best_BR,
            gather_rows(torch.cat(boxes, 1), index_BR),
            self._zero_from_heads(maps[0]),
        )

    def _zero_from_heads(self, like: Tensor) -> Tensor:
        """0 times the sum of the heads' weights, so that the forward pass uses them.

        Only `loss` uses the heads, and DistributedDataParallel averages the gradients of no
        parameter that the forward pass has not used.
        """
        if not self.training:
            return like.new_zeros(())
        heads = (self.box_head, self.box_predictor, self.mask_head, self.mask_predictor)
        sums = [p.float().sum() for head in heads for p in head.parameters()]
        return 0 * torch.stack(sums).sum()

    def _predict_boxes(self, maps: list[Tensor], roi_N5: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (N, k), 0 being background, and deltas (N, k, 4) of the boxes."""
        crop_NCss = crop_features(maps, roi_N5, BOX_CELLS).to(self.box_head.fc6.weight.dtype)
        class_Nk, delta_Nk4 = self.box_predictor(self.box_head(crop_NCss))
        return class_Nk.float(), torch.unflatten(delta_Nk4.float(), 1, (-1, 4))

    def _predict_masks(self, maps: list[Tensor], roi_N5: Tensor, class_N: Tensor) -> Tensor:
        """Logits (N, 28, 28) of the mask in each box, for the class `class_N` of the box."""
        crop_NCss = crop_features(maps, roi_N5, MASK_CELLS)
        crop_NCss = crop_NCss.to(self.mask_predictor.conv5_mask.weight.dtype)
        logit_Nkmm = self.mask_predictor(self.mask_head(crop_NCss))
        # the channel of the class from (N, k, m, m)
        index_N111 = (class_N + 1)[:, None, None, None]
        index_N1mm = index_N111.expand(-1, -1, *logit_Nkmm.shape[-2:])
        logit_Nmm: Tensor = logit_Nkmm.gather(1, index_N1mm)[:, 0].float()
        return logit_Nmm

    def _detect(
        self, proposed: Proposals, size_HW: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (B, D), class indices (B, D) and boxes (B, D, 4) of the detections."""
        box_BR4 = proposed.box_BR4
        batch, num = box_BR4.shape[:2]
        class_Nk, delta_Nk4 = self._predict_boxes(
            proposed.maps, flatten_with_batch_index(box_BR4)
        )
        # (B R, k) -> (B, R, K), without background
        prob_BRK = torch.unflatten(class_Nk.softmax(-1)[:, 1:], 0, (batch, num))
        prob_BRK = prob_BRK * proposed.best_BR.isfinite()[..., None]
        # the best of all pairs of box and class: (B, R K) -> (B, M)
        score_BM, index_BM = prob_BRK.flatten(1).topk(num)
        class_BM = index_BM % self.num_classes
        row_BM = torch.div(index_BM, self.num_classes, rounding_mode="floor")
        # (B R, K, 4) -> (B, R K, 4)
        delta_BN4 = delta_Nk4[:, 1:].reshape(batch, num * self.num_classes, 4)
        delta_BM4 = gather_rows(delta_BN4, index_BM)
        box_BM4 = decode_boxes(gather_rows(box_BR4, row_BM), delta_BM4, BOX_WEIGHTS)
        box_BM4 = clip_boxes(box_BM4, *size_HW)
        score_BM = score_BM.masked_fill(fast_nms(box_BM4, class_BM, 0.5), 0)
        score_BD, best_BD = score_BM.topk(min(num, self.config.num_detections))
        return score_BD, class_BM.gather(1, best_BD), gather_rows(box_BM4, best_BD)

    def _proposal_loss(self, outputs: Proposals, truths: list[Instances]) -> Tensor:
        examples = []
        for score_A, delta_A4, truth in zip(
            outputs.score_BA.float(), outputs.delta_BA4.float(), truths, strict=True
        ):
            some = losses.sample_anchors(outputs.anchor_A4, truth)
            target_S4 = losses.encode_boxes(some.box_S4, some.goal_S4, ANCHOR_WEIGHTS)
            index_S = some.index_S
            examples.append((score_A[index_S], delta_A4[index_S], some.positive, target_S4))
        columns = zip(*examples, strict=True)
        return losses.proposal_loss(*(torch.cat(column) for column in columns))

    def _head_loss(self, outputs: Proposals, truths: list[Instances]) -> Tensor:
        chosen = []
        for box_R4, best_R, truth in zip(outputs.box_BR4, outputs.best_BR, truths, strict=True):
            proposal_R4 = box_R4[best_R.isfinite()]
            chosen.append(losses.sample_boxes(proposal_R4, truth, self.config.num_sampled))
        roi_N5 = with_batch_index([some.box_S4 for some in chosen])
        goal_N4 = torch.cat([some.goal_S4 for some in chosen])
        pairs = list(zip(chosen, truths, strict=True))
        class_N = torch.cat([losses.class_targets(some, truth) for some, truth in pairs])
        target_N4 = losses.encode_boxes(roi_N5[:, 1:], goal_N4, BOX_WEIGHTS)
        boxes = losses.box_loss(*self._predict_boxes(outputs.maps, roi_N5), class_N, target_N4)
        targets = [losses.mask_targets(some, truth, 2 * MASK_CELLS) for some, truth in pairs]
        target_Pmm, known_Pmm = (torch.cat(column) for column in zip(*targets, strict=True))
        with_mask_N = class_N > 0
        logit_Pmm = self._predict_masks(
            outputs.maps, roi_N5[with_mask_N], class_N[with_mask_N] - 1
        )
        return boxes + losses.mask_loss(logit_Pmm, target_Pmm, known_Pmm)


def merge_instances(
    mask_BDHW: Tensor, score_BD: Tensor, class_BD: Tensor, num_classes: int
) -> Tensor:
    """Logits (B, K, H, W): the logarithm of an 8-norm of score times mask over a class's boxes.

    The 8-norm approximates the maximum by one matrix product, where the maximum would need one
    pass over all instances per class; 20 equal instances count 1.45 times one.
    """
    class_BKD = class_BD[:, None] == torch.arange(num_classes, device=class_BD.device)[:, None]
    powers_BDHW = (mask_BDHW * score_BD[..., None, None]) ** POWER
    # eighth powers underflow in float16; the meta device has no autocast
    device = "cpu" if mask_BDHW.is_meta else mask_BDHW.device.type
    with torch.autocast(device, enabled=False):
        sums_BKHW = torch.einsum("bkd,bdhw->bkhw", class_BKD.float(), powers_BDHW.float())
    return (sums_BKHW ** (1 / POWER) + FLOOR).log()


def _flatten_anchors(score_BAhw: Tensor, delta_Bchw: Tensor) -> tuple[Tensor, Tensor]:
    """(B, A, h, w) -> (B, h w A) and (B, A 4, h, w) -> (B, h w A, 4)."""
    score_BN = score_BAhw.permute(0, 2, 3, 1).flatten(1)
    delta_BN4 = torch.unflatten(delta_Bchw.permute(0, 2, 3, 1), -1, (-1, 4)).flatten(1, 3)
    return score_BN, delta_BN4
