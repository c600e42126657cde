"""Licences of the weights that `encoder_weights: imagenet` downloads.

As their publishers state them; that of the images they were trained on is another matter
(ImageNet's are for research). Read the licence itself before you sell what stands on it.
"""

TORCHVISION = "BSD-3-Clause"
PUBLISHED = {
    "resnet": TORCHVISION,
    "resnext50_32x4d": TORCHVISION,
    "vgg": TORCHVISION,
    "densenet": TORCHVISION,
    "mobilenet_v2": TORCHVISION,
    "efficientnet-": "Apache-2.0",
    "timm-": "Apache-2.0",
    "mit_": "NVIDIA, non-commercial only",
    "resnext101_": "CC-BY-NC-4.0, non-commercial only",
}
"""By the beginning of a name of segmentation-models-pytorch; others do not state one."""

UNKNOWN = "not stated; ask its publisher"
NO_WEIGHTS = "none to download"
OWN = "own"


def weights_licence(encoder: str) -> str:
    """The licence of the weights of `encoder`, or why there is none."""
    from .encoders import library_name

    if encoder == OWN:
        return NO_WEIGHTS
    library = library_name(encoder)
    if not library.startswith("tu-"):
        found = (text for start, text in PUBLISHED.items() if library.startswith(start))
        return next(found, UNKNOWN)
    import timm

    config = timm.get_pretrained_cfg(encoder)
    if config is None or not config.has_weights:
        return NO_WEIGHTS
    return str(config.license or UNKNOWN)
