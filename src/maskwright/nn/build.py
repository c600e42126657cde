"""From a ModelCard to a network and back to numbers."""

from pathlib import Path
from typing import Any

from torch import nn

from maskwright.core import parts
from maskwright.core.card import ModelCard
from maskwright.core.codefile import CodeFile
from maskwright.core.errors import BundleError, ConfigError

from .any_size import AnySize
from .blocks.norm import replace_by_group_norm
from .blocks.recompute import recompute_blocks
from .encoders import library_name, load_weights, widen_input
from .own_model import admitted

ARCHS = "maskwright.nn.archs"
OWN = "own"
"""The encoder of an architecture that is a whole network of its own."""


def new_model(
    arch: dict[str, Any],
    in_channels: int,
    num_classes: int,
    *,
    weights: str = "none",
    checkpointing: bool = False,
) -> AnySize:
    """A network to train.

    Args:
        arch: `name` (a part of `nn.archs`), `encoder`, `config`, and `norm` ("batch", "group").
        in_channels: Channels of the images.
        num_classes: K.
        weights: Encoder weights: "imagenet", a file, or "none".
        checkpointing: In training, compute activations again in the backward pass.

    Raises:
        ConfigError: An unknown name or a config key that the architecture does not have.
    """
    encoder = arch["encoder"]
    _require_encoder(arch["name"], encoder, weights)
    network = _built(arch, in_channels, num_classes)
    if encoder != OWN:
        load_weights(network.encoder, encoder, weights)
        widen_input(network.encoder, in_channels)
    network = _normalised(network, arch)
    if checkpointing:
        recompute_blocks(network)
    return AnySize(network)


def _built(arch: dict[str, Any], in_channels: int, num_classes: int) -> Any:
    """The part's network; on an encoder, which is made for 3 channels, or of its own."""
    part, encoder = _part(arch["name"]), arch["encoder"]
    where = f"model.config of {arch['name']}"
    config = parts.configure(part, arch.get("config", {}), where=where)
    try:
        if encoder == OWN:
            return part.build(config, OWN, in_channels, num_classes)
        return part.build(config, library_name(encoder), 3, num_classes)
    except (ValueError, NotImplementedError, KeyError, IndexError) as error:
        raise ConfigError(
            f"model.arch {arch['name']!r} cannot stand on encoder {encoder!r}: "
            f"{error}; choose another encoder or architecture"
        ) from error


def _normalised(network: nn.Module, arch: dict[str, Any]) -> nn.Module:
    """With the normalisation of `arch`; "batch", or what a network has, where it says none."""
    norm = arch.get("norm", "batch")
    if norm not in {"batch", "group"}:
        raise ConfigError(f"model.norm {norm!r} is no kind of graph; it is batch or group")
    return replace_by_group_norm(network) if norm == "group" else network


def encoders_of(name: str) -> tuple[str, ...] | None:
    """The only encoders that an architecture stands on, its default first; None for any."""
    found: tuple[str, ...] | None = getattr(_part(name), "ENCODERS", None)
    return found


def _part(name: str) -> Any:
    """A file of `nn.archs`, or a user's own that training has admitted."""
    code = CodeFile.parse(name)
    return parts.load(ARCHS, name) if code is None else admitted(code)


def _require_encoder(name: str, encoder: str, weights: str) -> None:
    known = encoders_of(name)
    if (encoder == OWN) if known is None else (encoder not in known):
        fitting = "mobilenet_v2" if known is None else known[0]
        raise ConfigError(
            f"model.arch {name!r} cannot stand on encoder {encoder!r}: it stands on "
            f"{'any encoder' if known is None else ', '.join(known)}; use "
            f"--set model.encoder={fitting}"
        )
    if encoder == OWN and weights != "none":
        raise ConfigError(
            f"model.arch {name!r} is a network of its own, encoder weights {weights!r} are not "
            f"for it; use --set model.encoder_weights=none"
        )


def build_model(card: ModelCard) -> AnySize:
    """The graph that `card` describes, randomly initialised, in eval mode."""
    return new_model(card.arch, card.input.channels, len(card.labels)).eval()


def load_model(card: ModelCard, weights: Path) -> AnySize:
    """`build_model` filled from a safetensors file.

    Raises:
        BundleError: The file does not hold exactly this network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    model = build_model(card)
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise BundleError(
            f"{weights}: not the weights of this {card.arch['name']} "
            f"({str(error).splitlines()[0]}); train or export it again"
        ) from error
    return model
