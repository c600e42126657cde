"""SegFormer as transformers saves it (nvidia/segformer-... on the hub)."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input, pack, read_class_names
from maskwright.nn.pretrained.mix_transformer import find_encoder

PUBLISHER = "transformers, SegformerForSemanticSegmentation"
KEYS = (
    "segformer.encoder.patch_embeddings.0.proj.weight",
    "segformer.encoder.block.0.0.attention.self.query.weight",
    "segformer.encoder.layer_norm.0.weight",
)
NAMES = {
    r"^encoder\.patch_embed(\d)": lambda m: (
        f"segformer.encoder.patch_embeddings.{int(m[1]) - 1}"
    ),
    r"^encoder\.norm(\d)": lambda m: f"segformer.encoder.layer_norm.{int(m[1]) - 1}",
    r"^encoder\.block(\d)": lambda m: f"segformer.encoder.block.{int(m[1]) - 1}",
    r"(patch_embeddings\.\d)\.norm": r"\1.layer_norm",
    r"\.attn\.q": ".attention.self.query",
    r"\.attn\.kv": ".attention.self.kv",
    r"\.attn\.proj": ".attention.output.dense",
    r"\.attn\.sr": ".attention.self.sr",
    r"\.attn\.norm": ".attention.self.layer_norm",
    r"\.norm([12])": r".layer_norm_\1",
    r"\.mlp\.fc([12])": r".mlp.dense\1",
    r"^decoder\.mlp_stage\.(\d)\.linear": lambda m: (
        f"decode_head.linear_c.{3 - int(m[1])}.proj"
    ),
    r"^decoder\.fuse_stage\.0": "decode_head.linear_fuse",
    r"^decoder\.fuse_stage\.1": "decode_head.batch_norm",
    r"^segmentation_head\.0": "decode_head.classifier",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`."""
    tensors = checkpoint.tensors
    num_classes, width = tensors["decode_head.classifier.weight"].shape[:2]
    encoder = find_encoder(
        checkpoint.source,
        tensors,
        "segformer.encoder.patch_embeddings.0.proj.weight",
        r"segformer\.encoder\.block\.{}\.(\d+)\.",
    )
    config = {"decoder_channels": width}
    return Described(
        arch=ArchSpec(name="segformer", encoder=encoder, config=config),
        num_classes=num_classes,
        input=make_input(checkpoint),
        class_names=read_class_names(checkpoint.config, num_classes),
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`: keys and values are packed."""
    parts = ("attention.self.key", "attention.self.value")
    return pack(tensors, parts, "attention.self.kv")
