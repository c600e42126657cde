"""torchvision's deeplabv3_resnet50, deeplabv3_resnet101 and deeplabv3_mobilenet_v3_large."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.core.inputspec import SizeRule
from maskwright.nn.pretrained import mobilenet_v3
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, Names, count_blocks, make_input

PUBLISHER = "torchvision, deeplabv3_resnet50"
LICENCE = "BSD-3-Clause (of torchvision)"
KEYS = (
    "classifier.0.convs.0.0.weight",
    "classifier.0.convs.4.1.weight",
    "classifier.0.project.0.weight",
    "classifier.4.weight",
)
NAMES: Names = {
    **mobilenet_v3.NAMES,
    r"^encoder\.": "backbone.",
    r"^pyramid\.branches": "classifier.0.convs",
    r"^pyramid\.pooled\.0": "classifier.0.convs.4.1",
    r"^pyramid\.pooled\.1": "classifier.0.convs.4.2",
    r"^pyramid\.project": "classifier.0.project",
    r"^head\.0\.": "classifier.1.",
    r"^head\.1\.": "classifier.2.",
    r"^head\.3\.": "classifier.4.",
    r"^aux_head\.0\.": "aux_classifier.",
    r"^aux_head\.2\.": "aux_classifier.4.",
}
AUX_WEIGHT = 0.5
DROPOUT = 0.5
RATES = (12, 24, 36)
"""Of torchvision's pyramid at every output stride; the paper halves them at stride 16."""


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`; the auxiliary head of MobileNetV3, at stride 8, is left out."""
    tensors = checkpoint.tensors
    config: dict[str, object] = {
        "decoder_channels": len(tensors["classifier.0.project.0.weight"]),
        "atrous_rates": RATES,
        "dropout": DROPOUT,
        "multi_grid": (1, 1, 1),
    }
    if mobilenet_v3.is_mobilenet(tensors):
        encoder = mobilenet_v3.ENCODER
        config |= {"output_stride": 16, "dilates_strided": True, "aux_weight": 0.0}
    else:
        depth = count_blocks(tensors, r"backbone\.layer3\.(\d+)\.")
        encoder = "resnet101" if depth == 23 else "resnet50"
        has_aux = "aux_classifier.4.weight" in tensors
        config |= {"output_stride": 8, "aux_weight": AUX_WEIGHT if has_aux else 0.0}
    return Described(
        arch=ArchSpec(name="deeplabv3", encoder=encoder, config=config),
        num_classes=len(tensors["classifier.4.weight"]),
        input=make_input(checkpoint, size_rule=SizeRule(shortest_px=520)),
    )


def prepare(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The contract of `Layout`: MobileNetV3's epsilon."""
    if mobilenet_v3.is_mobilenet(tensors):
        return mobilenet_v3.fold_epsilon(tensors)
    return tensors
