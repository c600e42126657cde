"""Mask2Former on a ResNet as transformers saves it."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, Names, split_projections, translate
from maskwright.nn.pretrained.mask2former import describe_mask2former, refuse_swin
from maskwright.nn.pretrained.resnet import FROM_TRANSFORMERS

PUBLISHER = "transformers, Mask2FormerForUniversalSegmentation"
PIXELS = "model.pixel_level_module."
ENCODER = f"{PIXELS}encoder."
QUERIES = "model.transformer_module."
KEYS = (
    f"{PIXELS}decoder.adapter_1.0.weight",
    f"{QUERIES}queries_features.weight",
    f"{QUERIES}decoder.layers.0.cross_attn.in_proj_weight",
    "class_predictor.weight",
)
NAMES: Names = {
    r"^encoder\.": ENCODER,
    r"^pixel_decoder\.layers": f"{PIXELS}decoder.encoder.layers",
    r"^pixel_decoder\.(adapter|layer)\.": rf"{PIXELS}decoder.\1_1.",
    r"^pixel_decoder\.": f"{PIXELS}decoder.",
    r"^query_decoder\.class_predictor": "class_predictor",
    r"^query_decoder\.mask_embedder\.(\d)": lambda m: (
        f"{QUERIES}decoder.mask_predictor.mask_embedder.{int(m[1]) // 2}.0"
    ),
    r"^query_decoder\.(layers|layernorm)\.": rf"{QUERIES}decoder.\1.",
    r"^query_decoder\.": QUERIES,
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: The encoder is a Swin transformer, or a size is fixed here.
    """
    refuse_swin(checkpoint, f"{ENCODER}embeddings.patch_embeddings.projection.weight")
    return describe_mask2former(
        checkpoint,
        prepare(checkpoint.tensors),
        encoder=ENCODER,
        queries=f"{QUERIES}queries_features.weight",
        adapter=f"{PIXELS}decoder.adapter_1.0.weight",
        classes="class_predictor.weight",
        pixel_layers=rf"{PIXELS}decoder\.encoder\.layers\.(\d+)\.",
        query_layers=rf"{QUERIES}decoder\.layers\.(\d+)\.",
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`: names of the ResNet, projections taken apart."""
    renamed = {}
    for key, value in tensors.items():
        name = key
        if key.startswith(ENCODER):
            own = key.removeprefix(ENCODER).removeprefix("_backbone.")
            name = ENCODER + translate(own, FROM_TRANSFORMERS)
        renamed[name] = value
    return split_projections(renamed)
