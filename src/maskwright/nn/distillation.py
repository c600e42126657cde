"""What a student network has to learn from a teacher: losses of its logits and features."""

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, kl_div, log_softmax, normalize, softmax

CELL_PX = 8
"""Side of the cells in which logits are averaged before classes are compared over places: the
stride at which Shu et al. compare them."""


def compare_pixels(
    student_BKHW: Tensor, teacher_BKHW: Tensor, temperature: float, counted_BHW: Tensor
) -> Tensor:
    """Divergence of the student's shares from the teacher's, the mean over the counted pixels.

    T^2 KL(softmax(teacher / T) || softmax(student / T)), Hinton et al. 2015, section 2; the
    factor keeps the size of gradients at every temperature T. 0 where no pixel counts.
    """
    log_share = log_softmax(student_BKHW.float() / temperature, dim=1)
    target = log_softmax(teacher_BKHW.float() / temperature, dim=1)
    divergence_BHW = kl_div(log_share, target, reduction="none", log_target=True).sum(1)
    counted = counted_BHW.to(divergence_BHW)
    total = (divergence_BHW * counted).sum() / counted.sum().clamp(min=1)
    return total * temperature**2


def compare_classes(student_BKHW: Tensor, teacher_BKHW: Tensor, temperature: float) -> Tensor:
    """Divergence of where the student sees each class, the mean over images and classes.

    The logits of a class are shares of the places of the image, by softmax: T^2 KL(teacher ||
    student), Shu et al. 2021 (channel-wise distillation), equations 4 and 5. The logits are
    averaged in cells first.
    """
    log_share, log_target = (
        log_softmax(_average_cells(each).flatten(2) / temperature, dim=2)
        for each in (student_BKHW, teacher_BKHW)
    )
    divergence_BK = kl_div(log_share, log_target, reduction="none", log_target=True).sum(2)
    return divergence_BK.mean() * temperature**2


def compare_pairs(student_BChw: Tensor, teacher_BDhw: Tensor) -> Tensor:
    """Squared difference of the likeness of places, the mean over all pairs of places.

    The likeness of two places is the cosine of their features, Liu et al. 2019 (structured
    knowledge distillation), equations 1 and 2; networks with other numbers of channels can be
    compared. Both maps are averaged to the smaller of their sizes.
    """
    sizes = (student_BChw.shape[-2:], teacher_BDhw.shape[-2:])
    size_hw = (min(s[0] for s in sizes), min(s[1] for s in sizes))
    own, target = (
        _measure_likeness(adaptive_avg_pool2d(each.float(), size_hw))
        for each in (student_BChw, teacher_BDhw)
    )
    return (own - target).square().mean()


def choose_labels(
    teacher_BKHW: Tensor, counted_BHW: Tensor, confidence: float, ignore: int
) -> Tensor:
    """Labels (B, H, W) int64: the teacher's class where its share reaches `confidence`.

    Elsewhere, and where a pixel does not count, `ignore`.
    """
    share_BHW, labels_BHW = softmax(teacher_BKHW.float(), dim=1).max(dim=1)
    return labels_BHW.where(counted_BHW & (share_BHW >= confidence), ignore)


def mix_teachers(logits: list[Tensor]) -> Tensor:
    """One teacher's logits, or the logarithm of the mean share of several (B, K, H, W)."""
    if len(logits) == 1:
        return logits[0]
    log_shares = torch.stack([log_softmax(each.float(), dim=1) for each in logits])
    return log_shares.logsumexp(0) - math.log(len(logits))


def _average_cells(logits_BKHW: Tensor) -> Tensor:
    height, width = logits_BKHW.shape[-2:]
    size_hw = (max(1, height // CELL_PX), max(1, width // CELL_PX))
    return adaptive_avg_pool2d(logits_BKHW.float(), size_hw)


def _measure_likeness(features_BChw: Tensor) -> Tensor:
    """Cosine of the features of each pair of places: (B, h w, h w)."""
    # (B, C, h, w) -> (B, C, h w)
    unit_BCN = normalize(features_BChw.flatten(2), dim=1)
    return unit_BCN.transpose(1, 2) @ unit_BCN
