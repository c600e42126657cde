"""Boxes x1, y1, x2, y2 in pixels: anchors, proposals, crops of features, masks put back.

Every shape is known beforehand: what is missing or suppressed stays, with a score that says so.
Data decide no size, and the graph exports for any batch, height and width.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

RATIOS = (0.5, 1.0, 2.0)
"""Height over width of the anchors of a place."""

FINEST_STRIDE = 4
ROI_LEVELS = 4
CANONICAL_PX, CANONICAL_LEVEL = 224, 2
"""A box of this side is read from this map, the finest being 0 (arXiv:1612.03144, eq. 1)."""

SAMPLES = 2
"""A side: values that a cell of a crop is the mean of."""

TINY_PX = 1e-3


def anchors(sizes_hw: list[tuple[int, int]], finest_px: float, like: Tensor) -> list[Tensor]:
    """(h w 3, 4) a level, float32; `finest_px` is a side at the first, doubled at each next."""
    found = []
    for level, (height, width) in enumerate(sizes_hw):
        stride, side_px = FINEST_STRIDE * 2**level, finest_px * 2**level
        y_h, x_w = (torch.arange(n, device=like.device) * stride for n in (height, width))
        y_hw, x_hw = torch.meshgrid(y_h, x_w, indexing="ij")
        place_N14 = torch.stack([x_hw, y_hw, x_hw, y_hw], -1).reshape(-1, 1, 4).float()
        root_A = torch.tensor(RATIOS, device=like.device).sqrt()
        half_A2 = torch.stack([side_px / root_A, side_px * root_A], -1) / 2
        cell_A4 = torch.cat([-half_A2, half_A2], -1).round()
        found.append((place_N14 + cell_A4).flatten(0, 1))
    return found


def moved(
    box_N4: Tensor, delta_N4: Tensor, weights: tuple[float, float, float, float]
) -> Tensor:
    """Boxes by what a network says of their centres and sides (torchvision's coder)."""
    from torchvision.models.detection._utils import BoxCoder

    shape = delta_N4.shape
    flat = delta_N4.reshape(-1, 4).float(), box_N4.expand(shape).reshape(-1, 4)
    found: Tensor = BoxCoder(weights).decode_single(*flat)
    return found.reshape(shape)


def clipped(box_N4: Tensor, height: int, width: int) -> Tensor:
    """Inside the image."""
    x_N2 = box_N4[..., 0::2].clamp(0, width)
    y_N2 = box_N4[..., 1::2].clamp(0, height)
    return torch.stack([x_N2, y_N2], -1).flatten(-2)


def overlaps(one_N4: Tensor, other_M4: Tensor) -> Tensor:
    """Intersection over union (..., N, M)."""
    low_NM2 = torch.maximum(one_N4[..., :, None, :2], other_M4[..., None, :, :2])
    high_NM2 = torch.minimum(one_N4[..., :, None, 2:], other_M4[..., None, :, 2:])
    shared_NM = (high_NM2 - low_NM2).clamp(min=0).prod(-1)
    areas_NM = areas(one_N4)[..., :, None] + areas(other_M4)[..., None, :]
    return shared_NM / (areas_NM - shared_NM).clamp(min=TINY_PX)


def areas(box_N4: Tensor) -> Tensor:
    """In square pixels."""
    return (box_N4[..., 2:] - box_N4[..., :2]).prod(-1)


def outdone(box_BN4: Tensor, group_BN: Tensor | None, overlap: float) -> Tensor:
    """Which boxes (B, N), the best first, overlap an earlier one of their group by more.

    Also where that one is outdone itself: Fast NMS (Bolya et al. 2019, arXiv:1904.02689),
    which is one product of matrices, where the usual kind goes from box to box.
    """
    rank_N = torch.arange(box_BN4.shape[1], device=box_BN4.device)
    rival_BNN = (overlaps(box_BN4, box_BN4) > overlap) & (rank_N[:, None] < rank_N)
    if group_BN is not None:
        rival_BNN = rival_BNN & (group_BN[:, :, None] == group_BN[:, None])
    return rival_BNN.any(1)


def taken(x_BNC: Tensor, index_BM: Tensor) -> Tensor:
    """(B, M, C)."""
    return x_BNC.gather(1, index_BM[..., None].expand(-1, -1, x_BNC.shape[-1]))


def best_boxes(
    score_BA: Tensor, delta_BA4: Tensor, anchor_A4: Tensor, num: int, size_HW: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Scores (B, num) and boxes of one level's best anchors; -inf where outdone, or too few."""
    # padded, so that a small map has as many, and their number need not be known
    full_BA = F.pad(score_BA.float(), (0, num), value=float("-inf"))
    score_BN, index_BN = full_BA.topk(num)
    anchor_BA4 = F.pad(anchor_A4, (0, 0, 0, num)).expand(score_BA.shape[0], -1, -1)
    delta_BN4 = taken(F.pad(delta_BA4, (0, 0, 0, num)), index_BN)
    box_BN4 = moved(taken(anchor_BA4, index_BN), delta_BN4, (1.0, 1.0, 1.0, 1.0))
    box_BN4 = clipped(box_BN4, *size_HW)
    return score_BN.masked_fill(outdone(box_BN4, None, 0.7), float("-inf")), box_BN4


def by_image(box_BR4: Tensor) -> Tensor:
    """(B R, 5): before each box the number of its image, as RoIAlign wants it."""
    batch, num = box_BR4.shape[:2]
    number_B11 = torch.arange(batch, device=box_BR4.device, dtype=box_BR4.dtype)[:, None, None]
    return torch.cat([number_B11.expand(-1, num, -1), box_BR4], -1).flatten(0, 1)


def numbered(boxes: list[Tensor]) -> Tensor:
    """(N, 5), as `by_image`, of images with boxes in any number."""
    return torch.cat([F.pad(box_S4, (1, 0), value=n) for n, box_S4 in enumerate(boxes)])


def crops(maps: list[Tensor], roi_N5: Tensor, size: int) -> Tensor:
    """(N, C, size, size) in float32, each out of the map that fits its box (RoIAlign)."""
    from torchvision.ops import roi_align

    side_N = areas(roi_N5[:, 1:]).clamp(min=TINY_PX).sqrt()
    level_N = (CANONICAL_LEVEL + (side_N / CANONICAL_PX).log2() + 1e-6).floor()
    level_N = level_N.clamp(0, ROI_LEVELS - 1)
    found = []
    for level, map_BChw in enumerate(maps[:ROI_LEVELS]):
        scale = 1 / (FINEST_STRIDE * 2**level)
        # every box from every map, and all but one let go: which is which, data decide
        crop_NCss = roi_align(map_BChw.float(), roi_N5, size, scale, SAMPLES, aligned=True)
        found.append(crop_NCss * (level_N == level)[:, None, None, None])
    return torch.stack(found).sum(0)


def pasted(mask_BDmm: Tensor, box_BD4: Tensor, height: int, width: int) -> Tensor:
    """Masks (B, D, H, W) where their boxes are, interpolated bilinearly; 0 outside."""
    along_BDHm = _weights(box_BD4[..., 1], box_BD4[..., 3], height, mask_BDmm.shape[-1])
    across_BDWm = _weights(box_BD4[..., 0], box_BD4[..., 2], width, mask_BDmm.shape[-1])
    return along_BDHm @ mask_BDmm @ across_BDWm.transpose(-1, -2)


def _weights(low_BD: Tensor, high_BD: Tensor, length: int, cells: int) -> Tensor:
    """(B, D, length, cells): how much of each cell a pixel's centre has."""
    pixel_L = torch.arange(length, device=low_BD.device) + 0.5
    share_BDL = (pixel_L - low_BD[..., None]) / (high_BD - low_BD).clamp(min=TINY_PX)[..., None]
    cell_m = torch.arange(cells, device=low_BD.device) + 0.5
    return (1 - (share_BDL[..., None] * cells - cell_m).abs()).clamp(min=0)
