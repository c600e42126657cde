"""SegFormer's authors, github.com/NVlabs/SegFormer: checkpoints of MMSegmentation."""

from maskwright.core.card import ArchSpec
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input
from maskwright.nn.pretrained.mix_transformer import find_encoder

PUBLISHER = "NVlabs/SegFormer"
LICENCE = "NVIDIA Source Code License for SegFormer, non-commercial only"
KEYS = (
    "backbone.patch_embed1.proj.weight",
    "backbone.block1.0.attn.kv.weight",
    "decode_head.linear_c4.proj.weight",
    "decode_head.linear_fuse.conv.weight",
    "decode_head.linear_pred.weight",
)
NAMES = {
    r"^encoder\.": "backbone.",
    r"^decoder\.mlp_stage\.(\d)\.linear": lambda m: f"decode_head.linear_c{4 - int(m[1])}.proj",
    r"^decoder\.fuse_stage\.0": "decode_head.linear_fuse.conv",
    r"^decoder\.fuse_stage\.1": "decode_head.linear_fuse.bn",
    r"^segmentation_head\.0": "decode_head.linear_pred",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`; MMSegmentation writes the names of classes beside tensors."""
    tensors = checkpoint.tensors
    num_classes, width = tensors["decode_head.linear_pred.weight"].shape[:2]
    encoder = find_encoder(
        checkpoint.source,
        tensors,
        "backbone.patch_embed1.proj.weight",
        r"backbone\.block{}\.(\d+)\.",
        start=1,
    )
    meta = checkpoint.meta.get("meta", {})
    names = tuple(map(str, meta.get("CLASSES") or ()))
    return Described(
        arch=ArchSpec(name="segformer", encoder=encoder, config={"decoder_channels": width}),
        num_classes=num_classes,
        input=make_input(checkpoint),
        class_names=names if len(names) == num_classes else None,
    )
