"""DPT's authors, github.com/isl-org/DPT: DPT-Large for semantic segmentation."""

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import SizeRule
from maskwright.nn.pretrained.dpt import find_encoder
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, Names, make_input

PUBLISHER = "isl-org/DPT"
LICENCE = "MIT (of isl-org/DPT)"
KEYS = (
    "pretrained.model.cls_token",
    "pretrained.act_postprocess4.3.weight",
    "scratch.refinenet1.resConfUnit1.conv1.weight",
    "scratch.output_conv.4.weight",
)
NAMES: Names = {
    r"^encoder\.": "pretrained.",
    r"^decoder\.projection_blocks\.(\d)": lambda m: (
        f"pretrained.act_postprocess{int(m[1]) + 1}.0"
    ),
    r"^decoder\.reassemble_blocks\.(\d)\.project_to_feature_dim": lambda m: (
        f"scratch.layer{int(m[1]) + 1}_rn"
    ),
    r"^decoder\.reassemble_blocks\.(\d)": lambda m: (
        f"pretrained.act_postprocess{int(m[1]) + 1}"
    ),
    r"\.project_to_out_channel": ".3",
    r"\.upsample": ".4",
    r"^decoder\.fusion_blocks\.(\d)": lambda m: f"scratch.refinenet{4 - int(m[1])}",
    r"(refinenet\d)\.project\.": r"\1.out_conv.",
    r"residual_conv_block(\d)\.conv_(\d)": r"resConfUnit\1.conv\2",
    r"residual_conv_block(\d)\.batch_norm_(\d)": r"resConfUnit\1.bn\2",
    r"^head\.head": "scratch.output_conv",
    r"^aux_head\.0": "auxlayer",
    r"^aux_head\.2": "auxlayer.4",
}
SIZE_RULE = SizeRule(fixed_HW=(480, 480), keep_aspect=True, multiple=32)
"""Of run_segmentation.py."""


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: DPT-Hybrid, a network for depth, or another size of the encoder.
    """
    tensors, source = checkpoint.tensors, checkpoint.source
    if any(key.startswith("pretrained.model.patch_embed.backbone.") for key in tensors):
        raise ConfigError(
            f"{source}: DPT-Hybrid, whose encoder is a ResNet before a transformer, which no "
            f"architecture here has; DPT-Large can be opened"
        )
    if "scratch.output_conv.1.weight" not in tensors:
        raise ConfigError(f"{source}: DPT for depth; expected DPT for semantic segmentation")
    stages = [len(tensors[f"pretrained.act_postprocess{i}.3.weight"]) for i in range(1, 5)]
    has_readout = "pretrained.act_postprocess1.0.project.0.weight" in tensors
    config = {
        "readout": "cat" if has_readout else "ignore",
        "stage_channels": tuple(stages),
        "fusion_channels": len(tensors["scratch.output_conv.0.weight"]),
        "aux_weight": 0.2 if "auxlayer.4.weight" in tensors else 0.0,
        "align_corners": True,
    }
    encoder = find_encoder(source, tensors["pretrained.model.pos_embed"])
    return Described(
        arch=ArchSpec(name="dpt", encoder=encoder, config=config),
        num_classes=len(tensors["scratch.output_conv.4.weight"]),
        input=make_input(checkpoint, mean=(0.5,) * 3, std=(0.5,) * 3, size_rule=SIZE_RULE),
    )
