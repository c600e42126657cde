"""CoinCheung's BiSeNet V2, github.com/CoinCheung/BiSeNet (lib/models/bisenetv2.py).

The paper's authors publish no code. His network has activations that the paper does not show
(`released` of the architecture), and other auxiliary heads, which are left out.
"""

from maskwright.core.card import ArchSpec
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input

PUBLISHER = "CoinCheung/BiSeNet"
LICENCE = "MIT (of CoinCheung/BiSeNet)"
KEYS = (
    "detail.S1.0.conv.weight",
    "segment.S1S2.conv.conv.weight",
    "bga.left1.0.weight",
    "head.conv_out.1.weight",
)
NAMES = {
    r"^details\.([01])\.": r"detail.S1.\1.",
    r"^details\.2": "detail.S2.0",
    r"^details\.3": "detail.S2.1",
    r"^details\.4": "detail.S2.2",
    r"^details\.5": "detail.S3.0",
    r"^details\.6": "detail.S3.1",
    r"^details\.7": "detail.S3.2",
    r"^semantics\.0\.first": "segment.S1S2.conv",
    r"^semantics\.0\.shrink": "segment.S1S2.left",
    r"^semantics\.0\.mix": "segment.S1S2.fuse",
    r"^semantics\.3\.4\.norm": "segment.S5_5.bn",
    r"^semantics\.3\.4\.embed": "segment.S5_5.conv_gap",
    r"^semantics\.3\.4\.mix": "segment.S5_5.conv_last",
    r"^semantics\.1": "segment.S3",
    r"^semantics\.2": "segment.S4",
    r"^semantics\.3": "segment.S5_4",
    r"^(segment.*)\.body\.0": r"\1.conv1",
    r"^(segment.*)\.0\.body\.1": r"\1.0.dwconv1",
    r"^(segment.*)\.body\.1": r"\1.dwconv",
    r"^(segment.*)\.0\.body\.2": r"\1.0.dwconv2",
    r"^(segment.*)\.body\.[23]": r"\1.conv2",
    r"\.shortcut\.1\.0": ".shortcut.2",
    r"\.shortcut\.1\.1": ".shortcut.3",
    r"\.shortcut\.0\.([01])": r".shortcut.\1",
    r"^aggregate\.details_small": "bga.left2",
    r"^aggregate\.semantics_large": "bga.right1",
    r"^aggregate\.details": "bga.left1",
    r"^aggregate\.semantics": "bga.right2",
    r"^aggregate\.mix": "bga.conv",
    r"^head\.3": "head.conv_out.1",
    r"^head\.([01])\.": r"head.conv.\1.",
    r"^(?!.*(?:bga|dwconv|shortcut|conv2))(.*)\.0\.(\w+)$": r"\1.conv.\2",
    r"^(?!.*(?:bga|dwconv|shortcut|conv2|conv_out))(.*)\.1\.(\w+)$": r"\1.bn.\2",
}
CITYSCAPES_MEAN = (0.3257, 0.3690, 0.3223)
CITYSCAPES_STD = (0.2112, 0.2148, 0.2115)
"""Of lib/data/cityscapes_cv2.py; for other data his code has other numbers."""


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`; the input is that of his models of Cityscapes."""
    num_classes, head_channels = checkpoint.tensors["head.conv_out.1.weight"].shape[:2]
    config = {"head_channels": head_channels, "aux_weight": 0.0, "released": True}
    return Described(
        arch=ArchSpec(name="bisenetv2", encoder="own", config=config),
        num_classes=num_classes,
        input=make_input(checkpoint, mean=CITYSCAPES_MEAN, std=CITYSCAPES_STD),
    )
