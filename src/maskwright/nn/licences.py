"""Licences of the weights that `encoder_weights: imagenet` downloads.

As their publishers state them; that of the images they were trained on is another matter
(ImageNet's are for research, and both torchvision and timm say that it may bind the weights).
Read the licence itself before you sell what stands on it.
"""

from .encoders import has_download, library_name

TORCHVISION = "BSD-3-Clause"
"""Torchvision's own; timm states the same of the weights that it took from there."""

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
"""By the beginning of a name of segmentation-models-pytorch.

Of efficientnet- it is Google's, whose checkpoints these are (their card on the Hugging Face
Hub); of timm- and mobileone_ what timm states of the same weights; of mit_ the README of
NVlabs/SegFormer. Of the others (dpn, senet, inception, xception) no source was found.
"""

IN_WORDS = {"dinov3-license": "DINOv3 License: Meta's own, gated, not open source"}
"""Licences whose name in timm says too little."""

UNKNOWN = "unknown; ask its publisher"
NO_WEIGHTS = "none to download"
OWN = "own"


def weights_licence(encoder: str) -> str:
    """The licence of the weights of `encoder`, or why there is none."""
    if encoder == OWN:
        return NO_WEIGHTS
    library = library_name(encoder)
    if not has_download(library):
        return NO_WEIGHTS
    if not library.startswith("tu-"):
        found = (text for start, text in PUBLISHED.items() if library.startswith(start))
        return next(found, UNKNOWN)
    import timm

    config = timm.get_pretrained_cfg(encoder)
    stated = config and config.license
    return UNKNOWN if stated in {None, "unknown"} else IN_WORDS.get(str(stated), str(stated))
