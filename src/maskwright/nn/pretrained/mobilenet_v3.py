"""MobileNetV3-Large of torchvision, in the names of timm's mobilenetv3_large_100."""

import re
from collections.abc import Mapping

from torch import Tensor

from .layout import Names

ENCODER = "mobilenetv3_large_100"
FIRST_BLOCKS = (1, 2, 4, 7, 11, 13, 16)
"""Index of the first block of each of timm's stages among torchvision's layers."""

STAGES_WITH_GATES = "245"
"""Whose blocks have squeeze and excitation before their last convolution."""

EPSILON, OUR_EPSILON = 1e-3, 1e-5
"""Of batch normalisation, in torchvision's network and in timm's."""

PARTS = {
    "conv_pw": "0.0",
    "bn1": "0.1",
    "conv_dw": "1.0",
    "bn2": "1.1",
    "se.conv_reduce": "2.fc1",
    "se.conv_expand": "2.fc2",
}
FIRST_PARTS = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1.0", "bn2": "1.1"}
"""Parts of a block of timm, and of the first block, which has no expansion."""


def _name_part(match: re.Match[str]) -> str:
    stage, block, part = match.groups()
    index = FIRST_BLOCKS[int(stage)] + int(block)
    if part in ("conv_pwl", "bn3"):
        last = 3 if stage in STAGES_WITH_GATES else 2
        return f"backbone.{index}.block.{last}.{('conv_pwl', 'bn3').index(part)}."
    return f"backbone.{index}.block.{(PARTS if index > 1 else FIRST_PARTS)[part]}."


NAMES: Names = {
    r"^encoder\.model\.conv_stem\.": "backbone.0.0.",
    r"^encoder\.model\.bn1\.": "backbone.0.1.",
    r"^encoder\.model\.blocks\.6\.0\.conv\.": "backbone.16.0.",
    r"^encoder\.model\.blocks\.6\.0\.bn1\.": "backbone.16.1.",
    r"^encoder\.model\.blocks\.(\d)\.(\d)\.([a-z_0-9]+(?:\.conv_\w+)?)\.": _name_part,
}


def is_mobilenet(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the backbone of a checkpoint of torchvision is MobileNetV3-Large."""
    last = tensors.get("backbone.16.0.weight")
    return last is not None and len(last) == 960


def fold_epsilon(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Move the difference of the two epsilons into the variances of the backbone."""
    return {
        key: value + (EPSILON - OUR_EPSILON)
        if key.startswith("backbone.") and key.endswith("running_var")
        else value
        for key, value in tensors.items()
    }
