"""DPT's decoder, Ranftl et al. 2021 (arXiv:2103.13413): tokens, fused as a pyramid.

As in the authors' code (github.com/isl-org/DPT), with two exceptions: maps are resized without
aligned corners unless asked for, and the coarsest stage, which has nothing to be added to, has
no residual block for it (theirs exists and is never called). Initialised by torch, as theirs.
The names of the layers are part of the state-dict keys: they must not change.
"""

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .norm import Norm

NUM_STAGES = 4
SCALES = (4, 2, 1, 0.5)
"""Size of each stage's map relative to the grid of tokens."""

Readout = Literal["cat", "add", "ignore"]
StageWidths = tuple[int, int, int, int]


def stage_widths(token_width: int) -> StageWidths:
    """1/8, 1/4, 1/2 and 1 times the width of a token, as in the authors' DPT on ViT-B/16."""
    return (token_width // 8, token_width // 4, token_width // 2, token_width)


class DPTDecoder(nn.Module):
    """Maps of four stages of tokens, fused from the coarsest to the finest.

    Args:
        token_width: Channels of a token.
        stage_channels: Widths of the maps before the fusion, the finest first.
        fusion_channels: Width of the fusion.
        readout: How the class token enters each map (section 3.1).
    """

    def __init__(
        self,
        token_width: int,
        stage_channels: StageWidths,
        fusion_channels: int,
        readout: Readout = "cat",
    ) -> None:
        super().__init__()
        self.projection_blocks = nn.ModuleList(
            ClassReadout(token_width, readout) for _ in stage_channels
        )
        self.reassemble_blocks = nn.ModuleList(
            Reassemble(token_width, width, fusion_channels, scale)
            for width, scale in zip(stage_channels, SCALES, strict=True)
        )
        self.fusion_blocks = nn.ModuleList(
            Fusion(fusion_channels, is_coarsest=index == 0) for index in range(NUM_STAGES)
        )

    def align(self, *, corners: bool) -> None:
        """Resize with or without aligned corners."""
        for block in self.fusion_blocks:
            cast("Fusion", block).align_corners = corners

    def forward(self, stages: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Fuse maps (B, C, h, w) and class tokens (B, 1, C) of four stages, the finest first.

        Returns the map after each fusion, 1, 2, 4 and 8 times the grid of tokens in size.
        """
        steps = zip(self.projection_blocks, self.reassemble_blocks, stages, strict=True)
        maps = [reassemble(project(*stage)) for project, reassemble, stage in steps]
        fused: list[Tensor] = []
        for fuse, map_BChw in zip(self.fusion_blocks, reversed(maps), strict=True):
            fused.append(fuse(map_BChw, fused[-1] if fused else None))
        return fused


class ClassReadout(nn.Module):
    """The class token is concatenated with each token and projected, added, or ignored."""

    def __init__(self, width: int, readout: Readout) -> None:
        super().__init__()
        self.readout = readout
        if readout == "cat":
            self.project = nn.Sequential(nn.Linear(2 * width, width), nn.GELU())

    def forward(self, map_BChw: Tensor, class_B1C: Tensor) -> Tensor:
        """As `map_BChw` in shape."""
        if self.readout == "ignore":
            return map_BChw
        if self.readout == "add":
            return map_BChw + class_B1C.transpose(1, 2)[..., None]
        # (B, C, h, w) -> (B, h w, C) -> (B, C, h w) -> (B, C, h, w)
        token_BNC = map_BChw.flatten(2).transpose(1, 2)
        both_BND = torch.cat([token_BNC, class_B1C.expand_as(token_BNC)], dim=2)
        projected_BCN = self.project(both_BND).transpose(1, 2)
        return torch.unflatten(projected_BCN, 2, map_BChw.shape[-2:])


class Reassemble(nn.Module):
    """Project, resize by a convolution of its own, and project to the width of the fusion."""

    def __init__(self, token_width: int, width: int, fusion: int, scale: float) -> None:
        super().__init__()
        self.project_to_out_channel = nn.Conv2d(token_width, width, 1)
        self.upsample: nn.Module = nn.Identity()
        if scale > 1:
            self.upsample = nn.ConvTranspose2d(width, width, int(scale), stride=int(scale))
        elif scale < 1:
            self.upsample = nn.Conv2d(width, width, 3, stride=int(1 / scale), padding=1)
        self.project_to_feature_dim = nn.Conv2d(width, fusion, 3, padding=1, bias=False)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, fusion, scale h, scale w)."""
        resized_BChw = self.upsample(self.project_to_out_channel(x_BChw))
        output_BChw: Tensor = self.project_to_feature_dim(resized_BChw)
        return output_BChw


class Fusion(nn.Module):
    """Add the refined map of a stage, refine, and double the size; figure 1, right."""

    def __init__(self, width: int, *, is_coarsest: bool) -> None:
        super().__init__()
        self.residual_conv_block1 = nn.Identity() if is_coarsest else PreActResidual(width)
        self.residual_conv_block2 = PreActResidual(width)
        self.project = nn.Conv2d(width, width, 1)
        self.align_corners = False

    def forward(self, map_BChw: Tensor, fused_BChw: Tensor | None) -> Tensor:
        """(B, C, 2 h, 2 w)."""
        x_BChw = self.residual_conv_block1(map_BChw)
        if fused_BChw is not None:
            x_BChw = x_BChw + fused_BChw
        doubled_BChw = interpolate(
            self.residual_conv_block2(x_BChw),
            scale_factor=2,
            mode="bilinear",
            align_corners=self.align_corners,
        )
        output_BChw: Tensor = self.project(doubled_BChw)
        return output_BChw


class PreActResidual(nn.Module):
    """Twice ReLU, 3 x 3 convolution and normalisation, plus the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.batch_norm_1 = Norm(width)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.batch_norm_2 = Norm(width)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """(B, C, h, w)."""
        inner_BChw = self.batch_norm_1(self.conv_1(torch.relu(x_BChw)))
        output_BChw: Tensor = self.batch_norm_2(self.conv_2(torch.relu(inner_BChw))) + x_BChw
        return output_BChw


def dpt_scores(width: int, num_classes: int) -> nn.Sequential:
    """The authors' head: 3 x 3 convolution, normalisation, ReLU, dropout, K logits."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        Norm(width),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Conv2d(width, num_classes, 1),
    )


def restore_first_revision(decoder: DPTDecoder) -> None:
    """Make `decoder` that of revision 1 of the architectures that use it.

    It had aligned corners and a residual block on the coarsest stage.
    """
    decoder.align(corners=True)
    coarsest = cast("Fusion", decoder.fusion_blocks[0])
    coarsest.residual_conv_block1 = PreActResidual(coarsest.project.in_channels)
