"""ResNets of the publishers' libraries, in the names of torchvision."""

import re
from collections.abc import Mapping

from torch import Tensor

from maskwright.core.errors import ConfigError

from .layout import Names, count_blocks

ENCODERS: dict[tuple[int, ...], str] = {
    (2, 2, 2, 2): "resnet18",
    (3, 4, 6, 3): "resnet50",
    (3, 4, 23, 3): "resnet101",
    (3, 8, 36, 3): "resnet152",
}
"""By the blocks of each stage; ResNet-34 has those of ResNet-50."""

FROM_TRANSFORMERS: Names = {
    r"^embedder\.embedder\.convolution\.": "conv1.",
    r"^embedder\.embedder\.normalization\.": "bn1.",
    r"^encoder\.stages\.(\d)\.layers": lambda m: f"layer{int(m[1]) + 1}",
    r"\.shortcut\.convolution\.": ".downsample.0.",
    r"\.shortcut\.normalization\.": ".downsample.1.",
    r"\.layer\.(\d)\.convolution\.": lambda m: f".conv{int(m[1]) + 1}.",
    r"\.layer\.(\d)\.normalization\.": lambda m: f".bn{int(m[1]) + 1}.",
}
"""From the names of transformers' ResNet."""

FROM_DETECTRON2: Names = {
    r"^stem\.conv1\.norm\.": "bn1.",
    r"^stem\.": "",
    r"^res(\d)": lambda m: f"layer{int(m[1]) - 1}",
    r"\.conv(\d)\.norm\.": r".bn\1.",
    r"\.shortcut\.norm\.": ".downsample.1.",
    r"\.shortcut\.": ".downsample.0.",
}
"""From the names of Detectron2's ResNet."""


def find_resnet(source: str, tensors: Mapping[str, Tensor], prefix: str) -> str:
    """The encoder of tensors with torchvision's names after `prefix`.

    Raises:
        ConfigError: No ResNet of a known depth.
    """
    start = re.escape(prefix)
    depths = tuple(count_blocks(tensors, rf"{start}layer{i}\.(\d+)\.") for i in range(1, 5))
    encoder = ENCODERS.get(depths)
    if encoder is None:
        raise ConfigError(
            f"{source}: its encoder is not a ResNet of a depth known here; found stages of "
            f"{depths} blocks"
        )
    has_bottlenecks = f"{prefix}layer1.0.conv3.weight" in tensors
    return encoder if has_bottlenecks or encoder == "resnet18" else "resnet34"
