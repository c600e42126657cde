"""EoMT's authors, github.com/tue-mps/eomt, on DINOv2: checkpoints of their training code.

They predict images that are not square in overlapping squares; here the whole image is
predicted, with resized position embeddings.
"""

from maskwright.nn.pretrained.eomt import describe_eomt
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described

PUBLISHER = "tue-mps/eomt"
LICENCE = "MIT (of tue-mps/eomt)"
KEYS = (
    "q.weight",
    "upscale.0.conv1.weight",
    "mask_head.4.weight",
    "class_head.weight",
    "attn_mask_probs",
)
NAMES = {
    r"^encoder\.model\.": "encoder.backbone.",
    r"^query\.": "q.",
    r"^class_predictor": "class_head",
    r"\.layernorm2d": ".norm",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: The encoder is not one of DINOv2.
    """
    return describe_eomt(
        checkpoint,
        checkpoint.tensors,
        queries="q.weight",
        positions="encoder.backbone.pos_embed",
        classes="class_head.weight",
        blocks="attn_mask_probs",
    )
