"""Normalisation layers, and how to replace those of a whole network."""

import math

import torch
from torch import Tensor, nn

MAX_GROUPS = 32


class Norm(nn.BatchNorm2d):
    """BatchNorm2d that also trains on one value per channel, with its running statistics.

    One value has no variance to normalise by (a globally pooled map in a batch of 1): torch's
    layer raises there.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W)."""
        if self.training and x_BCHW.numel() == self.num_features:
            return torch.nn.functional.batch_norm(
                x_BCHW,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                eps=self.eps,
            )
        return super().forward(x_BCHW)


class MapLayerNorm(nn.LayerNorm):
    """LayerNorm over the channels of each place of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W)."""
        # (B, C, H, W) -> (B, H, W, C) and back
        return super().forward(x_BCHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def replace_batch_norm(network: nn.Module) -> None:
    """Replace BatchNorm2d by `Norm`, which also trains on one value per channel.

    Weights and state-dict keys are unchanged. Subclasses of BatchNorm2d, such as those of timm
    that include the activation, are left as they are.
    """
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _to_norm(child))


def replace_by_group_norm(network: nn.Module) -> nn.Module:
    """Replace each BatchNorm2d by GroupNorm, Wu and He 2018 (arXiv:1803.08494).

    For batches of one or two images, whose statistics are too noisy to normalise by. Scale and
    shift are kept, but an encoder pretrained with batch normalisation has to adapt, because
    other statistics scale its features. At most 32 groups, of two channels or more: a group of
    one value has no variance.
    """
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _to_group_norm(child))
    return network


def _to_norm(batch_norm: nn.BatchNorm2d) -> Norm:
    norm = Norm(
        batch_norm.num_features,
        eps=batch_norm.eps,
        momentum=batch_norm.momentum,
        affine=batch_norm.affine,
        track_running_stats=batch_norm.track_running_stats,
    )
    norm.load_state_dict(batch_norm.state_dict())
    return norm.train(batch_norm.training)


def _to_group_norm(batch_norm: nn.BatchNorm2d) -> nn.Module:
    channels = batch_norm.num_features
    groups = math.gcd(channels, MAX_GROUPS)
    groups = groups // 2 if groups == channels and groups > 1 else groups
    norm = nn.GroupNorm(groups, channels, eps=batch_norm.eps, affine=batch_norm.affine)
    if batch_norm.affine:
        norm.load_state_dict({"weight": batch_norm.weight, "bias": batch_norm.bias})
    # timm's BatchNormAct2d is one module with the activation, which stays after the GroupNorm
    activations = [child for _, child in batch_norm.named_children()]
    return nn.Sequential(norm, *activations) if activations else norm
