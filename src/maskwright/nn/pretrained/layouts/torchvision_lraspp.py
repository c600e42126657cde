"""torchvision's lraspp_mobilenet_v3_large."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import SizeRule
from maskwright.nn.pretrained import mobilenet_v3
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, Names, make_input

PUBLISHER = "torchvision, lraspp_mobilenet_v3_large"
LICENCE = "BSD-3-Clause (of torchvision)"
KEYS = (
    "backbone.0.0.weight",
    "classifier.cbr.0.weight",
    "classifier.scale.1.weight",
    "classifier.low_classifier.weight",
    "classifier.high_classifier.weight",
)
NAMES: Names = {
    **mobilenet_v3.NAMES,
    r"^context\.": "classifier.cbr.",
    r"^gate\.": "classifier.scale.1.",
    r"^score_skip\.": "classifier.low_classifier.",
    r"^score_context\.": "classifier.high_classifier.",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: The encoder is not MobileNetV3-Large.
    """
    tensors = checkpoint.tensors
    if not mobilenet_v3.is_mobilenet(tensors):
        raise ConfigError(
            f"{checkpoint.source}: an LR-ASPP of torchvision whose backbone is not "
            f"MobileNetV3-Large, the only one that torchvision publishes"
        )
    config = {
        "decoder_channels": len(tensors["classifier.cbr.0.weight"]),
        "dilates_strided": True,
    }
    return Described(
        arch=ArchSpec(name="lraspp", encoder=mobilenet_v3.ENCODER, config=config),
        num_classes=len(tensors["classifier.low_classifier.weight"]),
        input=make_input(checkpoint, size_rule=SizeRule(shortest_px=520)),
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`: MobileNetV3's epsilon."""
    return mobilenet_v3.fold_epsilon(tensors)
