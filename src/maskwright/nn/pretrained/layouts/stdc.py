"""STDC-Seg's authors, github.com/MichaelFan01/STDC-Seg (models/model_stages.py)."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input

PUBLISHER = "MichaelFan01/STDC-Seg"
LICENCE = "MIT (of MichaelFan01/STDC-Seg)"
KEYS = (
    "cp.backbone.features.0.conv.weight",
    "cp.arm16.conv_atten.weight",
    "cp.conv_avg.conv.weight",
    "ffm.convblk.conv.weight",
    "conv_out.conv_out.weight",
)
FIRST_BLOCKS = {"stdc1": (2, 4, 6), "stdc2": (2, 6, 11)}
"""Index of the first block of each stage among the authors' features."""

NAMES = {
    r"^stem\.(\d)": r"cp.backbone.features.\1",
    r"\.first": ".conv_list.0",
    r"\.rest\.0": ".conv_list.1",
    r"\.rest\.1": ".conv_list.2",
    r"\.rest\.2": ".conv_list.3",
    r"\.shrink": ".avd_layer",
    r"^context\.mean": "cp.conv_avg",
    r"^context\.refine(\d+)\.body": r"cp.arm\1.conv",
    r"^context\.refine(\d+)\.gate\.0": r"cp.arm\1.conv_atten",
    r"^context\.refine(\d+)\.gate\.1": r"cp.arm\1.bn_atten",
    r"^context\.smooth": "cp.conv_head",
    r"^fuse\.mix": "ffm.convblk",
    r"^fuse\.gate\.0": "ffm.conv1",
    r"^fuse\.gate\.2": "ffm.conv2",
    r"^head": "conv_out",
    r"^aux_heads\.0": "conv_out16",
    r"^aux_heads\.1": "conv_out32",
    r"^detail_head": "conv_out_sp8",
    r"^(conv_out\w*)\.3": r"\1.conv_out",
    r"^(conv_out\w*)\.([01])\.": r"\1.conv.\2.",
    r"^(?!.*avd_layer)(.*)\.0\.(\w+)$": r"\1.conv.\2",
    r"^(?!.*avd_layer)(.*)\.1\.(\w+)$": r"\1.bn.\2",
}
"""Without the blocks of the stages, whose numbers `prepare` makes ours."""


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`."""
    num_classes, head_channels = checkpoint.tensors["conv_out.conv_out.weight"].shape[:2]
    config = {"backbone": _find_backbone(checkpoint.tensors), "head_channels": head_channels}
    return Described(
        arch=ArchSpec(name="stdc", encoder="own", config=config),
        num_classes=num_classes,
        input=make_input(checkpoint),
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`: blocks numbered by stage, biases of 0 for heads without."""
    firsts = FIRST_BLOCKS[_find_backbone(tensors)]
    prepared: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if re.match(r"cp\.backbone\.x\d+\.", key):
            continue  # the stages share their tensors with the features
        prepared[_number_by_stage(key, firsts)] = value
        if re.fullmatch(r"conv_out\w*\.conv_out\.weight", key):
            prepared.setdefault(key.replace("weight", "bias"), torch.zeros(len(value)))
    return prepared


def _number_by_stage(key: str, firsts: tuple[int, ...]) -> str:
    match = re.match(r"cp\.backbone\.features\.(\d+)", key)
    if match is None or int(match[1]) < firsts[0]:
        return key
    index = int(match[1])
    stage = sum(index >= first for first in firsts) - 1
    return f"stages.{stage}.{index - firsts[stage]}{key[match.end() :]}"


def _find_backbone(tensors: Mapping[str, Tensor]) -> str:
    return "stdc2" if any(k.startswith("cp.backbone.features.8.") for k in tensors) else "stdc1"
