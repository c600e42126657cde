"""Mask2Former's authors, github.com/facebookresearch/Mask2Former, on a ResNet."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, Names, split_projections, translate
from maskwright.nn.pretrained.mask2former import describe_mask2former, refuse_swin
from maskwright.nn.pretrained.resnet import FROM_DETECTRON2

PUBLISHER = "facebookresearch/Mask2Former"
LICENCE = "CC-BY-NC-4.0, non-commercial only (of the published weights)"
ENCODER = "backbone."
PIXELS = "sem_seg_head.pixel_decoder."
QUERIES = "sem_seg_head.predictor."
KEYS = (
    f"{QUERIES}query_embed.weight",
    f"{QUERIES}transformer_cross_attention_layers.0.multihead_attn.in_proj_weight",
    f"{QUERIES}class_embed.weight",
    f"{QUERIES}mask_embed.layers.2.weight",
)
NAMES: Names = {
    r"^encoder\.": ENCODER,
    r"^pixel_decoder\.layers": f"{PIXELS}transformer.encoder.layers",
    r"^pixel_decoder\.level_embed": f"{PIXELS}transformer.level_embed",
    r"^pixel_decoder\.(adapter|layer)\.0\.": rf"{PIXELS}\1_1.",
    r"^pixel_decoder\.(adapter|layer)\.1\.": rf"{PIXELS}\1_1.norm.",
    r"^pixel_decoder\.input_projections": f"{PIXELS}input_proj",
    r"^pixel_decoder\.mask_projection": f"{PIXELS}mask_features",
    r"(transformer\.encoder\.layers\.\d+)\.self_attn_layer_norm": r"\1.norm1",
    r"(transformer\.encoder\.layers\.\d+)\.final_layer_norm": r"\1.norm2",
    r"^query_decoder\.queries_embedder": f"{QUERIES}query_embed",
    r"^query_decoder\.queries_features": f"{QUERIES}query_feat",
    r"^query_decoder\.level_embed": f"{QUERIES}level_embed",
    r"^query_decoder\.class_predictor": f"{QUERIES}class_embed",
    r"^query_decoder\.layernorm": f"{QUERIES}decoder_norm",
    r"^query_decoder\.mask_embedder\.(\d)": lambda m: (
        f"{QUERIES}mask_embed.layers.{int(m[1]) // 2}"
    ),
    r"^query_decoder\.layers\.(\d+)\.(self|cross)_attn_layer_norm": (
        rf"{QUERIES}transformer_\2_attention_layers.\1.norm"
    ),
    r"^query_decoder\.layers\.(\d+)\.self_attn": (
        rf"{QUERIES}transformer_self_attention_layers.\1.self_attn"
    ),
    r"^query_decoder\.layers\.(\d+)\.cross_attn": (
        rf"{QUERIES}transformer_cross_attention_layers.\1.multihead_attn"
    ),
    r"^query_decoder\.layers\.(\d+)\.final_layer_norm": (
        rf"{QUERIES}transformer_ffn_layers.\1.norm"
    ),
    r"^query_decoder\.layers\.(\d+)\.": rf"{QUERIES}transformer_ffn_layers.\1.",
    r"\.fc([12])\.": r".linear\1.",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: The encoder is a Swin transformer, or a size is fixed here.
    """
    refuse_swin(checkpoint, f"{ENCODER}patch_embed.proj.weight")
    return describe_mask2former(
        checkpoint,
        prepare(checkpoint.tensors),
        encoder=ENCODER,
        queries=f"{QUERIES}query_feat.weight",
        adapter=f"{PIXELS}adapter_1.weight",
        classes=f"{QUERIES}class_embed.weight",
        pixel_layers=rf"{PIXELS}transformer\.encoder\.layers\.(\d+)\.",
        query_layers=rf"{QUERIES}transformer_ffn_layers\.(\d+)\.",
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`: names of the ResNet, projections taken apart.

    The published files have the pixel decoder and the query features by their first names.
    """
    renamed = {}
    for key, value in tensors.items():
        name = key.replace("static_query", "query_feat")
        if key.startswith(ENCODER):
            name = ENCODER + translate(key.removeprefix(ENCODER), FROM_DETECTRON2)
        elif key.startswith("sem_seg_head.") and not key.startswith((PIXELS, QUERIES)):
            name = PIXELS + key.removeprefix("sem_seg_head.")
        renamed[name] = value
    return split_projections(renamed)
