"""What benchmarks/architectures.py compares: the cases, and what all runs share."""

from dataclasses import dataclass
from typing import Any

from maskwright.nn.build import load_arch
from maskwright.nn.protocols import OWN

IMAGE_HW = (360, 480)
NUM_CLASSES = 11
PRETRAINED = "mobilenet_v2"
STEPS_PER_EPOCH = 46
"""Batches of 8 of 367 training images."""

PLANNED, BEFORE = "planned", "one for all"
"""Recipes of a run: that of the plan, or the one that all had before (fpn's)."""

BATCH_SIZE = 8
SETTINGS: dict[str, Any] = {
    "input.scale_ratio": 0.5,
    "data.crop_px": (96, 128),
    "data.batch_size": BATCH_SIZE,
    "optim.precision": "fp32",
}
"""What all runs share; the plan decides the rest."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row: an architecture, and the encoder where it takes any."""

    arch: str
    encoder: str

    @property
    def key(self) -> str:
        """Name in the results."""
        return f"{self.arch}/{self.encoder}"

    @property
    def is_pretrained(self) -> bool:
        """Whether there are weights of its encoder."""
        return self.encoder == PRETRAINED

    def settings(self, weights: str) -> dict[str, Any]:
        """What the user of a plan would set: the architecture and its weights."""
        model = {"model.arch": self.arch, "model.encoder": self.encoder}
        return model | {"model.encoder_weights": weights if self.is_pretrained else "none"}


def _case(arch: str, encoder: str = PRETRAINED) -> Case:
    return Case(arch, OWN if load_arch(arch).ENCODERS == (OWN,) else encoder)


TEN = (
    *map(_case, ("fpn", "unet", "fcn", "pan", "deeplabv3plus", "segformer", "linknet")),
    *map(_case, ("pidnet_s", "ddrnet23_slim", "fastscnn")),
)
"""The table: the usual decoders on one pretrained encoder, and networks without one."""

CASES = {
    case.key: case
    for case in (
        *TEN,
        _case("segformer", "mit_b0"),
        _case("eomt", "vit_small_patch14_reg4_dinov2"),
        *map(_case, ("mask2former", "upernet", "enet", "bisenetv2", "stdc", "deeplabv3")),
        *map(_case, ("unetplusplus", "pspnet", "segnet_basic", "maskformer")),
    )
}
