"""Build networks by name, and load their weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from maskwright.core import parts
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.codefile import CodeFile
from maskwright.core.errors import BundleError, ConfigError, first_line

from .any_size import AnySize
from .blocks.dilation import fix_padding
from .blocks.norm import replace_by_group_norm
from .blocks.recompute import recompute_blocks
from .encoder_weights import load_weights
from .encoders import library_name, widen_input
from .own_model import get_admitted
from .protocols import ARCHS, OWN, Arch
from .widths import narrow_layers


def new_model(
    arch: ArchSpec,
    in_channels: int,
    num_classes: int,
    *,
    weights: str = "none",
    checkpointing: bool = False,
    revision: int | None = None,
) -> AnySize:
    """A network to train.

    Args:
        arch: All but the revision is used.
        in_channels: Channels of the images.
        num_classes: K.
        weights: Of the encoder, see `encoder_weights.load_weights`.
        checkpointing: In training, recompute activations in the backward pass.
        revision: Of the architecture; None for its newest.

    Raises:
        BundleError: The architecture does not keep this revision.
        ConfigError: An unknown name or a config key that the architecture does not have.
    """
    require_encoder(arch.name, arch.encoder, weights)
    arch = choose_revision(arch, revision)
    network = _build_network(arch, in_channels, num_classes, weights=weights)
    if checkpointing:
        recompute_blocks(network)
    return AnySize(network)


def choose_revision(arch: ArchSpec, revision: int | None) -> ArchSpec:
    """The same architecture at a revision; None for its newest."""
    return newest(arch) if revision is None else replace(arch, revision=revision)


def newest(arch: ArchSpec) -> ArchSpec:
    """The same architecture at its newest revision."""
    return replace(arch, revision=load_arch(arch.name).REVISION)


def _build_network(
    arch: ArchSpec, in_channels: int, num_classes: int, *, weights: str = "none"
) -> nn.Module:
    network = _build_part(arch, in_channels, num_classes)
    if arch.encoder != OWN:
        load_weights(network.encoder, arch.encoder, weights)
        widen_input(network.encoder, in_channels)
        fix_padding(network.encoder)
    network = _set_norm(network, arch.norm)
    narrow_layers(network, arch.widths)
    return network


def _build_part(arch: ArchSpec, in_channels: int, num_classes: int) -> Any:
    """The network of the part, with an encoder for 3 channels if it has one."""
    part = load_arch(arch.name)
    config = parts.configure(part, arch.config, where=f"model.config of {arch.name}")
    build = part.build if arch.revision == part.REVISION else _older_build(part, arch)
    try:
        if arch.encoder == OWN:
            return build(config, OWN, in_channels, num_classes)
        return build(config, library_name(arch.encoder), 3, num_classes)
    except (ValueError, NotImplementedError, KeyError, IndexError) as error:
        raise ConfigError(
            f"model.arch {arch.name!r} does not support encoder {arch.encoder!r}: "
            f"{error}; choose another encoder or architecture"
        ) from error


def _older_build(part: Arch, arch: ArchSpec) -> Callable[[Any, str, int, int], nn.Module]:
    if arch.revision in part.OLDER:
        return part.OLDER[arch.revision]
    fix = "update maskwright"
    if arch.revision < part.REVISION:
        fix = "use the bundle of the run, whose graph needs no architecture, or train again"
    raise BundleError(
        f"the weights are of revision {arch.revision} of {arch.name}, this maskwright builds "
        f"revision {part.REVISION}; {fix}"
    )


def _set_norm(network: nn.Module, norm: str) -> nn.Module:
    if norm not in {"batch", "group"}:
        raise ConfigError(f"model.norm {norm!r} is not known; use batch or group")
    return replace_by_group_norm(network) if norm == "group" else network


def load_arch(name: str) -> Arch:
    """The architecture `name`: a file of `nn.archs`, or a user's file that training admitted.

    Raises:
        UnknownNameError: No such architecture.
        ConfigError: A user's file that was not admitted in this process.
    """
    code = CodeFile.parse(name)
    return parts.load(ARCHS, name, like=Arch) if code is None else get_admitted(code).arch


def require_encoder(name: str, encoder: str, weights: str) -> None:
    """Require that the architecture `name` supports the encoder, and weights for it.

    Raises:
        ConfigError: It does not; the message names the encoders that it supports.
    """
    known = load_arch(name).ENCODERS
    if (encoder == OWN) if known is None else (encoder not in known):
        fitting = "mobilenet_v2" if known is None else known[0]
        raise ConfigError(
            f"model.arch {name!r} does not support encoder {encoder!r}: it supports "
            f"{'any encoder' if known is None else ', '.join(known)}; use "
            f"--set model.encoder={fitting}"
        )
    if encoder == OWN and weights != "none":
        raise ConfigError(
            f"model.arch {name!r} has no separate encoder to load encoder weights "
            f"{weights!r} into; use --set model.encoder_weights=none, and model.init to start "
            f"from all of a network"
        )


def build_model(card: ModelCard) -> AnySize:
    """The network that `card` describes, with random weights, in eval mode.

    Raises:
        BundleError: The card names a revision that the architecture cannot build any more.
    """
    arch = card.arch
    require_encoder(arch.name, arch.encoder, "none")
    network = _build_network(arch, card.input.channels, len(card.labels))
    return AnySize(network, card.logits).eval()


def load_model(card: ModelCard, weights: Path) -> AnySize:
    """The network that `card` describes, with the weights of a safetensors file.

    Raises:
        BundleError: The file holds other tensors than this network has, or weights of a
            revision that the architecture cannot build any more.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    model = build_model(card)
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise BundleError(
            f"{weights}: not the weights of this {card.arch.name} "
            f"({first_line(error)}); train or export it again"
        ) from error
    return model
