"""DDRNet's authors, github.com/ydhongHIT/DDRNet (segmentation/): DDRNet-23-slim, DDRNet-23."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input
from maskwright.nn.pretrained.two_branches import RESIDUAL, TWO_BRANCHES, fold_biases

PUBLISHER = "ydhongHIT/DDRNet"
LICENCE = "MIT (of ydhongHIT/DDRNet)"
KEYS = (
    "conv1.0.weight",
    "down3.0.weight",
    "compression3.0.weight",
    "spp.process4.2.weight",
    "final_layer.conv2.weight",
)
NAMES = (
    TWO_BRANCHES
    | {
        r"^fusion(\d)\.low": r"layer\1",
        r"^fusion(\d)\.high": r"layer\1_",
        r"^fusion(\d)\.compress": r"compression\1",
        r"^fusion(\d)\.shrink\.0": r"down\1",
        r"^fusion4\.shrink\.2\.0": "down4.3",
        r"^fusion4\.shrink\.2\.1": "down4.4",
        r"^high5": "layer5_",
        r"^low5": "layer5",
        r"^context\.refine\.0": "spp.process1",
        r"^context\.refine\.1": "spp.process2",
        r"^context\.refine\.2": "spp.process3",
        r"^context\.refine\.3": "spp.process4",
        r"^aux_head": "seghead_extra",
    }
    | RESIDUAL
)


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`; the auxiliary head is built where the checkpoint has one."""
    tensors = checkpoint.tensors
    num_classes, head_channels = tensors["final_layer.conv2.weight"].shape[:2]
    config: dict[str, object] = {
        "channels": tensors["conv1.0.weight"].shape[0],
        "context_channels": tensors["spp.scale0.2.weight"].shape[0],
        "head_channels": head_channels,
    }
    if "seghead_extra.conv2.weight" not in tensors:
        config["aux_weight"] = 0.0
    return Described(
        arch=ArchSpec(name="ddrnet23_slim", encoder="own", config=config),
        num_classes=num_classes,
        input=make_input(checkpoint),
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`."""
    return fold_biases(tensors)
