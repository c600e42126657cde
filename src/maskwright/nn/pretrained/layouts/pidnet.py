"""PIDNet's authors, github.com/XuJiacong/PIDNet (models/pidnet.py): PIDNet-S and PIDNet-M."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input
from maskwright.nn.pretrained.two_branches import CAMVID, RESIDUAL, TWO_BRANCHES, fold_biases

PUBLISHER = "XuJiacong/PIDNet"
LICENCE = "MIT (of XuJiacong/PIDNet)"
KEYS = (
    "conv1.0.weight",
    "pag3.f_x.0.weight",
    "spp.scale0.2.weight",
    "diff3.0.weight",
    "final_layer.conv2.weight",
)
NAMES = (
    TWO_BRANCHES
    | {
        r"^i(\d)": r"layer\1",
        r"^p(\d)": r"layer\1_",
        r"^d3\.0": "layer3_d",
        r"^d(\d)": r"layer\1_d",
        r"^(layer3_d)\.shortcut": r"\1.downsample",
        r"^pick(\d)\.compress": r"compression\1",
        r"^pick(\d)\.of_details": r"pag\1.f_x",
        r"^pick(\d)\.of_context": r"pag\1.f_y",
        r"^difference": "diff",
        r"^context\.refine": "spp.scale_process",
        r"^mix\.details": "dfm.conv_p",
        r"^mix\.context": "dfm.conv_i",
        r"^aux_head": "seghead_p",
        r"^border_head": "seghead_d",
    }
    | RESIDUAL
)


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: PIDNet-L, whose context and borders are other layers.
    """
    tensors = checkpoint.tensors
    if "spp.process1.0.weight" in tensors:
        raise ConfigError(
            f"{checkpoint.source}: this is PIDNet-L, whose context and fusion are other "
            f"layers; PIDNet-S and PIDNet-M can be opened"
        )
    num_classes, head_channels = tensors["final_layer.conv2.weight"].shape[:2]
    config = {
        "channels": tensors["conv1.0.weight"].shape[0],
        "context_channels": tensors["spp.scale0.2.weight"].shape[0],
        "head_channels": head_channels,
    }
    return Described(
        arch=ArchSpec(name="pidnet_s", encoder="own", config=config),
        num_classes=num_classes,
        input=make_input(checkpoint),
        class_names=tuple(CAMVID.split(", ")) if num_classes == 11 else None,
    )


def prepare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The contract of `Layout`."""
    return fold_biases(tensors)
