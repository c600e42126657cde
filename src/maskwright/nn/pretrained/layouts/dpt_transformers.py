"""DPT on a vision transformer as transformers saves it (Intel/dpt-large-ade on the hub)."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.nn.pretrained.dpt import find_encoder
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input, pack, read_class_names

PUBLISHER = "transformers, DPTForSemanticSegmentation"
KEYS = (
    "dpt.embeddings.cls_token",
    "dpt.encoder.layer.0.attention.attention.query.weight",
    "neck.fusion_stage.layers.0.projection.weight",
    "head.head.4.weight",
)
NAMES = {
    r"^encoder\.model\.pos_embed": "dpt.embeddings.position_embeddings",
    r"^encoder\.model\.cls_token": "dpt.embeddings.cls_token",
    r"^encoder\.model\.patch_embed\.proj": "dpt.embeddings.patch_embeddings.projection",
    r"^encoder\.model\.blocks": "dpt.encoder.layer",
    r"\.attn\.qkv": ".attention.attention.qkv",
    r"\.attn\.proj": ".attention.output.dense",
    r"\.mlp\.fc1": ".intermediate.dense",
    r"\.mlp\.fc2": ".output.dense",
    r"\.norm1\.": ".layernorm_before.",
    r"\.norm2\.": ".layernorm_after.",
    r"^decoder\.projection_blocks\.(\d)\.project": r"neck.reassemble_stage.readout_projects.\1",
    r"^decoder\.reassemble_blocks\.(\d)\.project_to_feature_dim": r"neck.convs.\1",
    r"^decoder\.reassemble_blocks": "neck.reassemble_stage.layers",
    r"\.project_to_out_channel": ".projection",
    r"\.upsample": ".resize",
    r"^decoder\.fusion_blocks": "neck.fusion_stage.layers",
    r"(fusion_stage\.layers\.\d)\.project\.": r"\1.projection.",
    r"residual_conv_block(\d)\.conv_(\d)": r"residual_layer\1.convolution\2",
    r"residual_conv_block(\d)\.batch_norm_(\d)": r"residual_layer\1.batch_norm\2",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`; auxiliary heads are left out.

    Raises:
        ConfigError: Another size of the encoder or of its images.
    """
    tensors = checkpoint.tensors
    stages = [
        len(tensors[f"neck.reassemble_stage.layers.{i}.projection.weight"]) for i in range(4)
    ]
    has_readout = "neck.reassemble_stage.readout_projects.0.0.weight" in tensors
    config = {
        "readout": "cat" if has_readout else checkpoint.config.get("readout_type", "ignore"),
        "stage_channels": tuple(stages),
        "fusion_channels": tensors["head.head.0.weight"].shape[0],
        "aux_weight": 0.0,
        "align_corners": True,
    }
    num_classes = len(tensors["head.head.4.weight"])
    encoder = find_encoder(checkpoint.source, tensors["dpt.embeddings.position_embeddings"])
    return Described(
        arch=ArchSpec(name="dpt", encoder=encoder, config=config),
        num_classes=num_classes,
        input=make_input(checkpoint, mean=(0.5,) * 3, std=(0.5,) * 3),
        class_names=read_class_names(checkpoint.config, num_classes),
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`: queries, keys and values are packed."""
    parts = [f"attention.attention.{part}" for part in ("query", "key", "value")]
    return pack(tensors, parts, "attention.attention.qkv")
