"""Boxes x1, y1, x2, y2 in pixels: anchors, proposals, cropped features, pasted masks.

All shapes are known before the data: a missing or suppressed box stays in its tensor and has a
score that marks it. No size depends on values, so the graph exports for any batch, height and
width.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

RATIOS = (0.5, 1.0, 2.0)
"""Height over width of the anchors at each position (A of them)."""

FINEST_STRIDE = 4
ROI_LEVELS = 4
CANONICAL_PX, CANONICAL_LEVEL = 224, 2
"""A box of this side is read from this map, the finest being 0 (arXiv:1612.03144, eq. 1)."""

SAMPLES = 2
"""RoIAlign averages SAMPLES x SAMPLES values in each cell."""

TINY_PX = 1e-3


def make_anchors(
    sizes_hw: list[tuple[int, int]], finest_px: float, like: Tensor
) -> list[Tensor]:
    """Anchors (h w A, 4) of each level, float32.

    Args:
        sizes_hw: (h, w) of the map of each level; strides are 4, 8, 16 ...
        finest_px: Side of the anchors of the first level; it doubles from level to level.
        like: Gives the device.
    """
    levels = []
    for level, (height, width) in enumerate(sizes_hw):
        stride, side_px = FINEST_STRIDE * 2**level, finest_px * 2**level
        y_h, x_w = (torch.arange(n, device=like.device) * stride for n in (height, width))
        y_hw, x_hw = torch.meshgrid(y_h, x_w, indexing="ij")
        # (h, w, 4) -> (h w, 1, 4)
        corner_N14 = torch.stack([x_hw, y_hw, x_hw, y_hw], -1).reshape(-1, 1, 4).float()
        root_A = torch.tensor(RATIOS, device=like.device).sqrt()
        half_A2 = torch.stack([side_px / root_A, side_px * root_A], -1) / 2
        anchor_A4 = torch.cat([-half_A2, half_A2], -1).round()
        levels.append((corner_N14 + anchor_A4).flatten(0, 1))  # (h w, A, 4) -> (h w A, 4)
    return levels


def decode_boxes(
    box_N4: Tensor, delta_N4: Tensor, weights: tuple[float, float, float, float]
) -> Tensor:
    """Boxes (..., 4) moved and scaled by deltas of centre and size (torchvision's BoxCoder)."""
    from torchvision.models.detection._utils import BoxCoder

    shape = delta_N4.shape
    # (..., 4) -> (N, 4): the coder takes a list of boxes
    flat = delta_N4.reshape(-1, 4).float(), box_N4.expand(shape).reshape(-1, 4)
    decoded_N4: Tensor = BoxCoder(weights).decode_single(*flat)
    return decoded_N4.reshape(shape)


def clip_boxes(box_N4: Tensor, height: int, width: int) -> Tensor:
    """Boxes (..., 4) cut at the borders of the image."""
    x_N2 = box_N4[..., 0::2].clamp(0, width)
    y_N2 = box_N4[..., 1::2].clamp(0, height)
    return torch.stack([x_N2, y_N2], -1).flatten(-2)  # (..., 2, 2) -> (..., 4): x, y, x, y


def box_iou(one_N4: Tensor, other_M4: Tensor) -> Tensor:
    """Intersection over union (..., N, M), in [0, 1]."""
    low_NM2 = torch.maximum(one_N4[..., :, None, :2], other_M4[..., None, :, :2])
    high_NM2 = torch.minimum(one_N4[..., :, None, 2:], other_M4[..., None, :, 2:])
    shared_NM = (high_NM2 - low_NM2).clamp(min=0).prod(-1)
    sum_NM = box_areas(one_N4)[..., :, None] + box_areas(other_M4)[..., None, :]
    return shared_NM / (sum_NM - shared_NM).clamp(min=TINY_PX)


def box_areas(box_N4: Tensor) -> Tensor:
    """Areas (...) in square pixels."""
    return (box_N4[..., 2:] - box_N4[..., :2]).prod(-1)


def fast_nms(box_BN4: Tensor, group_BN: Tensor | None, threshold: float) -> Tensor:
    """Which boxes Fast NMS suppresses (B, N), bool; Bolya et al. 2019 (arXiv:1904.02689).

    A box is suppressed if its IoU with any box before it is above `threshold`, even if that box
    is suppressed itself: one matrix of IoUs instead of a loop over boxes.

    Args:
        box_BN4: Boxes, the highest score first.
        group_BN: Boxes suppress those of their own group (class) alone; None is one group.
        threshold: In [0, 1].
    """
    rank_N = torch.arange(box_BN4.shape[1], device=box_BN4.device)
    rival_BNN = (box_iou(box_BN4, box_BN4) > threshold) & (rank_N[:, None] < rank_N)
    if group_BN is not None:
        rival_BNN = rival_BNN & (group_BN[:, :, None] == group_BN[:, None])
    return rival_BNN.any(1)


def gather_rows(x_BNC: Tensor, index_BM: Tensor) -> Tensor:
    """The rows `index_BM` of each image: (B, N, C) -> (B, M, C)."""
    return x_BNC.gather(1, index_BM[..., None].expand(-1, -1, x_BNC.shape[-1]))


def select_proposals(
    score_BA: Tensor, delta_BA4: Tensor, anchor_A4: Tensor, num: int, size_HW: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Scores (B, num) and boxes (B, num, 4) of the best anchors of one level, the best first.

    The score is -inf where Fast NMS suppresses the box, and where there are fewer anchors.
    """
    # padded by `num`: a small map has enough anchors too, without a branch on their number
    padded_BA = F.pad(score_BA.float(), (0, num), value=float("-inf"))
    score_BN, index_BN = padded_BA.topk(num)
    anchor_BA4 = F.pad(anchor_A4, (0, 0, 0, num)).expand(score_BA.shape[0], -1, -1)
    delta_BN4 = gather_rows(F.pad(delta_BA4, (0, 0, 0, num)), index_BN)
    box_BN4 = decode_boxes(gather_rows(anchor_BA4, index_BN), delta_BN4, (1.0, 1.0, 1.0, 1.0))
    box_BN4 = clip_boxes(box_BN4, *size_HW)
    return score_BN.masked_fill(fast_nms(box_BN4, None, 0.7), float("-inf")), box_BN4


def flatten_with_batch_index(box_BR4: Tensor) -> Tensor:
    """(B, R, 4) -> (B R, 5): the index of the image before each box, as RoIAlign wants it."""
    batch, num = box_BR4.shape[:2]
    index_B11 = torch.arange(batch, device=box_BR4.device, dtype=box_BR4.dtype)[:, None, None]
    return torch.cat([index_B11.expand(-1, num, -1), box_BR4], -1).flatten(0, 1)


def with_batch_index(boxes: list[Tensor]) -> Tensor:
    """(N, 5) as `flatten_with_batch_index`, from images with different numbers of boxes."""
    return torch.cat([F.pad(box_S4, (1, 0), value=n) for n, box_S4 in enumerate(boxes)])


def crop_features(maps: list[Tensor], roi_N5: Tensor, size: int) -> Tensor:
    """RoIAlign: (N, C, size, size), float32, each from the map whose stride suits the box."""
    from torchvision.ops import roi_align

    side_N = box_areas(roi_N5[:, 1:]).clamp(min=TINY_PX).sqrt()
    level_N = (CANONICAL_LEVEL + (side_N / CANONICAL_PX).log2() + 1e-6).floor()
    level_N = level_N.clamp(0, ROI_LEVELS - 1)
    crops = []
    for level, map_BChw in enumerate(maps[:ROI_LEVELS]):
        scale = 1 / (FINEST_STRIDE * 2**level)
        # every box from every map, all but one times 0: no size may depend on data
        crop_NCss = roi_align(map_BChw.float(), roi_N5, size, scale, SAMPLES, aligned=True)
        crops.append(crop_NCss * (level_N == level)[:, None, None, None])
    return torch.stack(crops).sum(0)


def paste_masks(mask_BDmm: Tensor, box_BD4: Tensor, height: int, width: int) -> Tensor:
    """Masks (B, D, H, W) inside their boxes, interpolated bilinearly; 0 outside."""
    cells = mask_BDmm.shape[-1]
    rows_BDHm = _bilinear_weights(box_BD4[..., 1], box_BD4[..., 3], height, cells)
    columns_BDWm = _bilinear_weights(box_BD4[..., 0], box_BD4[..., 2], width, cells)
    # (H, m) @ (m, m) @ (m, W) -> (H, W)
    return rows_BDHm @ mask_BDmm @ columns_BDWm.transpose(-1, -2)


def _bilinear_weights(low_BD: Tensor, high_BD: Tensor, length: int, cells: int) -> Tensor:
    """Weight (B, D, length, cells) of each mask cell at the centre of each pixel."""
    pixel_L = torch.arange(length, device=low_BD.device) + 0.5
    share_BDL = (pixel_L - low_BD[..., None]) / (high_BD - low_BD).clamp(min=TINY_PX)[..., None]
    cell_m = torch.arange(cells, device=low_BD.device) + 0.5
    return (1 - (share_BDL[..., None] * cells - cell_m).abs()).clamp(min=0)
