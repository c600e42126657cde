"""segmentation-models-pytorch's DPT as it saves it: revision 1 of ours.

The library's vision transformers take images of one size, unless they resize their position
embeddings, which they do by another rule than ours.
"""

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import SizeRule
from maskwright.nn.pretrained.dpt import SIDES_PX, find_encoder
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input
from maskwright.nn.pretrained.smp import require_rgb

PUBLISHER = "segmentation-models-pytorch, DPT"
POSITIONS = "encoder.model.pos_embed"
KEYS = (
    POSITIONS,
    "decoder.fusion_blocks.0.residual_conv_block1.conv_1.weight",
    "segmentation_head.head.4.weight",
)
NAMES = {r"^head\.head": "segmentation_head.head"}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: There is no config.json, images have any size, or it is another encoder.
    """
    config, source = checkpoint.config, checkpoint.source
    if config.get("_model_class") != "DPT":
        raise ConfigError(
            f"{source}: no config.json of DPT; expected the folder of `save_pretrained`"
        )
    if config.get("dynamic_img_size"):
        raise ConfigError(
            f"{source}: resizes its position embeddings to the image by another rule than ours "
            f"(dynamic_img_size)"
        )
    require_rgb(checkpoint)
    tensors = checkpoint.tensors
    encoder = find_encoder(source, tensors[POSITIONS])
    side_px = SIDES_PX[tensors[POSITIONS].shape[1]]
    settings = {
        "readout": config["decoder_readout"],
        "stage_channels": tuple(config["decoder_intermediate_channels"]),
        "fusion_channels": config["decoder_fusion_channels"],
        "aux_weight": 0.0,
    }
    return Described(
        arch=ArchSpec(name="dpt", encoder=encoder, config=settings),
        num_classes=config["classes"],
        input=make_input(checkpoint, size_rule=SizeRule(fixed_HW=(side_px, side_px))),
        revision=1,
    )
