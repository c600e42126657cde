"""torchvision's fcn_resnet50 and fcn_resnet101."""

from maskwright.core.card import ArchSpec
from maskwright.core.inputspec import SizeRule
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, count_blocks, make_input

PUBLISHER = "torchvision, fcn_resnet50"
LICENCE = "BSD-3-Clause (of torchvision)"
KEYS = (
    "backbone.layer4.2.conv3.weight",
    "classifier.0.weight",
    "classifier.1.running_mean",
    "classifier.4.weight",
)
NAMES = {
    r"^encoder\.": "backbone.",
    r"^head\.0\.": "classifier.",
    r"^head\.2\.": "classifier.4.",
    r"^aux_head\.0\.": "aux_classifier.",
    r"^aux_head\.2\.": "aux_classifier.4.",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`."""
    tensors = checkpoint.tensors
    depth = count_blocks(tensors, r"backbone\.layer3\.(\d+)\.")
    has_aux = "aux_classifier.4.weight" in tensors
    config = {"dilated": True, "aux_weight": 0.5 if has_aux else 0.0}
    encoder = "resnet101" if depth == 23 else "resnet50"
    return Described(
        arch=ArchSpec(name="fcn", encoder=encoder, config=config),
        num_classes=len(tensors["classifier.4.weight"]),
        input=make_input(checkpoint, size_rule=SizeRule(shortest_px=520)),
    )
