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

PREFIXES = ("encoder.", "module.", "backbone.", "model.")
"""Put before encoder keys by checkpoints of whole models; stripped when loading."""

PLAIN_TRANSFORMERS = ("tu-vit_", "tu-deit3_")
"""Of one stride throughout: no encoders of segmentation-models-pytorch, but of timm alone."""


def quiet_smp() -> ModuleType:
    """segmentation_models_pytorch, imported without its dependencies' deprecation notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import segmentation_models_pytorch as smp

    return cast("ModuleType", smp)


def library_name(encoder: str) -> str:
    """The name by which segmentation-models-pytorch knows `encoder`.

    Raises:
        UnknownNameError: Neither it nor timm has such an encoder.
    """
    import timm

    known = tuple(quiet_smp().encoders.encoders)
    if encoder in known:
        return encoder
    if encoder in timm.list_models():
        return f"tu-{encoder}"
    raise UnknownNameError("encoder", encoder, (*known, "or any model of timm.list_models()"))


def load_weights(encoder: nn.Module, name: str, weights: str) -> None:
    """Fill `encoder` (made for 3 channels) from `weights`: "imagenet", a file, or "none".

    An encoder whose shapes differ from the published ones (patches of another size) brings
    them to its own by a method `adapted(state) -> state`.

    Raises:
        ConfigError: The download failed, or the file does not hold this encoder.
    """
    if weights == "none":
        return
    state = _download(name) if weights == "imagenet" else _read(Path(weights))
    adapted = getattr(encoder, "adapted", None)
    _fill(encoder, adapted(state) if adapted else state, f"{weights} for encoder {name}")


def require_weights(name: str, weights: str) -> None:
    """Fail now, before any data is read, if `load_weights` would fail for want of them."""
    if weights == "imagenet":
        _download(name)
    elif weights != "none" and not Path(weights).is_file():
        raise ConfigError(
            f"encoder weights {weights!r}: no such file; give 'imagenet', a .pth or "
            f".safetensors file, or 'none'"
        )


def fits_file(name: str, weights: str) -> bool:
    """Whether the file `weights` holds every tensor of the encoder called `name`."""
    own = quiet_smp().encoders.get_encoder(library_name(name), weights=None).state_dict()
    named = {_strip(key, own): value for key, value in _read(Path(weights)).items()}
    return all(k in named and v.shape == named[k].shape for k, v in own.items() if v.ndim)


def widen_input(encoder: nn.Module, in_channels: int) -> None:
    """Make the first convolution of a 3-channel encoder take `in_channels`.

    One channel takes the sum over RGB; further channels repeat RGB, all scaled by
    3 / in_channels, so that the response to a grey image stays what it was.
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


def has_download(library: str) -> bool:
    """Whether there are ImageNet weights of the encoder `library` (a `library_name`)."""
    if library.startswith("tu-"):
        import timm

        config = timm.get_pretrained_cfg(library.removeprefix("tu-"))
        return config is not None and bool(config.has_weights)
    return "imagenet" in quiet_smp().encoders.encoders[library]["pretrained_settings"]


def _download(name: str) -> dict[str, Tensor]:
    """ImageNet weights from the library's own download, or its cache."""
    library = library_name(name)
    if not has_download(library):
        raise ConfigError(
            f"there are no ImageNet weights of encoder {name!r} to download; choose another "
            f"encoder, give a file with --set model.encoder_weights=PATH, or train from random "
            f"weights with --set model.encoder_weights=none"
        )
    if not _cached(library) and not _hub_answers():
        raise _unavailable(name)
    try:
        encoder = _pretrained(library)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise _unavailable(name) from error
    return dict(encoder.state_dict())


def _pretrained(library: str) -> nn.Module:
    if library.startswith(PLAIN_TRANSFORMERS):
        import timm

        return timm.create_model(library.removeprefix("tu-"), pretrained=True)
    encoder = quiet_smp().encoders.get_encoder(
        library, weights=True if library.startswith("tu-") else "imagenet"
    )
    return cast("nn.Module", encoder)


def _cached(library: str) -> bool:
    """Whether an earlier download of the weights lies in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    if library.startswith("tu-"):
        import timm

        config = timm.get_pretrained_cfg(library.removeprefix("tu-"))
        repository, revision = getattr(config, "hf_hub_id", None), None
    else:
        settings = quiet_smp().encoders.encoders[library]["pretrained_settings"]["imagenet"]
        repository, revision = settings["repo_id"], settings["revision"]
    return repository is not None and isinstance(
        try_to_load_from_cache(repository, "model.safetensors", revision=revision), str
    )


def _hub_answers() -> bool:
    """One short request: the library's own retries would keep the user waiting for a minute."""
    from huggingface_hub.constants import ENDPOINT

    try:
        with urlopen(Request(ENDPOINT, method="HEAD"), timeout=5):  # noqa: S310  fixed https
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def _unavailable(name: str) -> ConfigError:
    return ConfigError(
        f"ImageNet weights of encoder {name!r} cannot be had: they are downloaded once, and "
        f"that failed (no network?). Either give a file you have with "
        f"--set model.encoder_weights=PATH, or train from random weights with "
        f"--set model.encoder_weights=none"
    )


def _read(path: Path) -> dict[str, Tensor]:
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


def _fill(encoder: nn.Module, state: dict[str, Any], source: str) -> None:
    """Copy every tensor of the encoder out of `state`; keys of a classifier head are left."""
    own = encoder.state_dict()
    named = {_strip(key, own): value for key, value in state.items()}
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


def _strip(key: str, own: dict[str, Tensor]) -> str:
    while key not in own and (found := next((p for p in PREFIXES if key.startswith(p)), None)):
        key = key.removeprefix(found)
    return key if key in own else next((p + key for p in PREFIXES if p + key in own), key)
