"""EoMT on DINOv2 as transformers saves it (tue-mps/ade20k_semantic_eomt_large_512 and others).

The authors predict images that are not square in overlapping squares; here the whole image is
predicted, with resized position embeddings.
"""

from collections.abc import Mapping

from torch import Tensor

from maskwright.nn.pretrained.eomt import describe_eomt
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, Names, pack

PUBLISHER = "transformers, EomtForUniversalSegmentation"
KEYS = (
    "query.weight",
    "upscale_block.block.0.conv1.weight",
    "mask_head.fc3.weight",
    "class_predictor.weight",
    "attn_mask_probs",
)
POSITIONS = "embeddings.position_embeddings.weight"
NAMES: Names = {
    r"^encoder\.model\.cls_token": "embeddings.cls_token",
    r"^encoder\.model\.reg_token": "embeddings.register_tokens",
    r"^encoder\.model\.pos_embed": POSITIONS,
    r"^encoder\.model\.patch_embed\.proj": "embeddings.patch_embeddings.projection",
    r"^encoder\.model\.norm": "layernorm",
    r"^encoder\.model\.blocks": "layers",
    r"\.attn\.qkv": ".attention.qkv",
    r"\.attn\.proj": ".attention.out_proj",
    r"\.ls(\d)\.gamma": r".layer_scale\1.lambda1",
    r"^upscale\.": "upscale_block.block.",
    r"^mask_head\.(\d)": lambda m: f"mask_head.fc{int(m[1]) // 2 + 1}",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: The encoder is not one of DINOv2.
    """
    return describe_eomt(
        checkpoint,
        prepare(checkpoint.tensors),
        queries="query.weight",
        positions=POSITIONS,
        classes="class_predictor.weight",
        blocks="attn_mask_probs",
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`: projections are packed, positions have a batch axis."""
    names = {key: key.replace("mlp.weights_in", "mlp.fc1") for key in tensors}
    renamed = {
        name.replace("mlp.weights_out", "mlp.fc2"): tensors[key] for key, name in names.items()
    }
    if POSITIONS in renamed:
        renamed[POSITIONS] = renamed[POSITIONS][None]
    parts = [f".attention.{part}_proj" for part in "qkv"]
    return pack(renamed, parts, ".attention.qkv")
