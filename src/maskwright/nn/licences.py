"""Licences of published weights, and the consent that those need which are not permissive.

The table is of the weights that `encoder_weights: imagenet` downloads, as published.

The licence of the training images is separate: ImageNet's are for research, and both
torchvision and timm state that this may apply to the weights. Read the licence before
commercial use.
"""

import re

from maskwright.core.errors import ConfigError

from .encoders import has_download, library_name
from .protocols import OWN

TORCHVISION = "BSD-3-Clause"
"""Torchvision's licence; timm states the same for the weights that it took from there."""

PUBLISHED = {
    "resnet": TORCHVISION,
    "resnext50_32x4d": TORCHVISION,
    "resnext101_32x8d": TORCHVISION,
    "vgg": TORCHVISION,
    "densenet": TORCHVISION,
    "mobilenet_v2": TORCHVISION,
    "efficientnet-": "Apache-2.0",
    "timm-": "Apache-2.0",
    "mit_": "NVIDIA, non-commercial only",
    "mobileone_": "Apple's own (mobileone-license)",
}
"""Licence by the beginning of the encoder's name in segmentation-models-pytorch.

Sources: for efficientnet-, Google's model card on the Hugging Face Hub; for timm- and
mobileone_, what timm states for the same weights; for mit_, the README of NVlabs/SegFormer. For
the others (dpn, senet, inception, xception) no source was found.
"""

READABLE = {"dinov3-license": "DINOv3 License: Meta's own, gated, not open source"}
"""Readable text for licence names of timm that are not known outside."""

UNKNOWN = "unknown; ask its publisher"
NOT_STATED = "not stated with the files"
NO_WEIGHTS = "none to download"


def weights_licence(encoder: str) -> str:
    """The licence of the weights of `encoder`, `UNKNOWN` or `NO_WEIGHTS`."""
    if encoder == OWN:
        return NO_WEIGHTS
    library = library_name(encoder)
    if not has_download(library):
        return NO_WEIGHTS
    if not library.startswith("tu-"):
        licences = (text for start, text in PUBLISHED.items() if library.startswith(start))
        return next(licences, UNKNOWN)
    import timm

    config = timm.get_pretrained_cfg(library.removeprefix("tu-"))
    stated = config and config.license
    return UNKNOWN if stated in {None, "unknown"} else READABLE.get(str(stated), str(stated))


PERMISSIVE = ("mit", "apache", "bsd", "isc", "cc0", "cc-by-4", "unlicense", "zlib")
"""How the names of licences begin that ask for no more than a notice."""


def is_permissive(licence: str) -> bool:
    """Whether a licence, by its name, allows any use."""
    return licence.lower().removeprefix("the ").startswith(PERMISSIVE)


def read_licence(readme: str) -> str | None:
    """The licence in the YAML head of a model's README, as the hub's model cards have it."""
    head = re.match(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", readme, re.DOTALL)
    if head is None:
        return None
    found = dict(re.findall(r"^(license(?:_name)?):[ \t]*['\"]?([^'\"\n]+)", head[1], re.M))
    licence = str(found.get("license", "")).strip()
    if licence == "other":
        licence = str(found.get("license_name", "other (see its page)")).strip()
    return licence or None


def state_licence(readme: str, publisher: str | None, *, is_hub: bool) -> str:
    """The licence by the model's README, else its publisher's, else that none is stated."""
    return read_licence(readme) or publisher or (UNKNOWN if is_hub else NOT_STATED)


def require_accepted(what: str, licence: str, *, accepted: bool) -> None:
    """Require consent to a licence that is not permissive.

    Files that the user has without a word on their licence are the user's own affair.

    Raises:
        ConfigError: There is none.
    """
    if not (accepted or licence == NOT_STATED or is_permissive(licence)):
        raise ConfigError(
            f"{what}: licence: {licence}. It is not known to allow every use; read it, then "
            f"accept it with --accept-licence (in Python: accept_licence=True)"
        )
