"""Weights of encoders: from the library's download, a file, the hub or another network."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from maskwright.core.errors import ConfigError
from maskwright.core.hubname import HubName
from maskwright.core.typed import MALFORMED

from .encoders import download_weights, import_smp, library_name
from .licences import require_accepted, state_licence
from .pretrained.files import ForeignCheckpoint, read_checkpoint
from .pretrained.layout import COUNTERS, Layout, find_layout, take_tensors
from .protocols import OWN, AdaptableEncoder
from .trained import Trained, find_trained

PREFIXES = ("encoder.", "module.", "backbone.", "model.")
"""Prefixes of encoder keys in checkpoints of whole models; `load_weights` strips them."""

TRAINED_PREFIX = "network.encoder."
"""Of the encoder's tensors in networks that maskwright trained."""


Statistics = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCheckpoint:
    """A checkpoint with the weights of an encoder: alone, or in a whole network.

    `encoder` is the name that it states, None where it states none. `statistics` are the mean
    and the standard deviation of the RGB values in [0, 1] that it was trained with. `layout` is
    that of a published network. `is_trained` says that maskwright trained it: then the tensors
    have the names and shapes of the encoder here. `provenance` is an entry for a card.
    """

    source: str
    tensors: Mapping[str, Tensor]
    encoder: str | None
    licence: str | None
    provenance: Mapping[str, Any]
    statistics: Statistics | None = None
    layout: Layout | None = None
    is_trained: bool = False

    @classmethod
    def open(cls, source: str) -> Self:
        """Open a Bundle, a run, `hub:OWNER/NAME[@REVISION]`, a folder or a file.

        Raises:
            ConfigError: It is not there, cannot be read, or has no encoder apart.
        """
        trained = None if HubName.parse(source) is not None else find_trained(source)
        if trained is not None:
            return cls._from_trained(source, trained)
        return cls._from_published(read_checkpoint(source))

    @classmethod
    def _from_trained(cls, source: str, trained: Trained) -> Self:
        arch, spec = trained.card.arch, trained.card.input
        tensors = {
            name.removeprefix(TRAINED_PREFIX): value
            for name, value in trained.read().items()
            if name.startswith(TRAINED_PREFIX)
        }
        if arch.encoder == OWN or not tensors:
            raise _explain_whole(source, arch.name)
        return cls(
            source=source,
            tensors=tensors,
            encoder=arch.encoder,
            licence=trained.licence,
            provenance={"source": source, **trained.make_provenance()},
            statistics=(spec.mean, spec.std) if spec.channels == 3 else None,
            is_trained=True,
        )

    @classmethod
    def _from_published(cls, checkpoint: ForeignCheckpoint) -> Self:
        name, layout = "", None
        with suppress(ConfigError):  # else an encoder, with or without a classifier
            name, layout, checkpoint = find_layout(checkpoint)
        encoder, statistics = _read_facts(checkpoint, layout)
        if encoder == OWN:
            raise _explain_whole(checkpoint.source, name)
        tensors = checkpoint.tensors
        if layout is not None:
            tensors = layout.prepare(tensors)
        publisher = None if layout is None else layout.LICENCE
        licence = state_licence(checkpoint.readme, publisher, is_hub=checkpoint.is_hub)
        return cls(
            source=checkpoint.source,
            tensors=tensors,
            encoder=encoder,
            licence=licence,
            provenance=checkpoint.describe(licence),
            statistics=statistics,
            layout=layout,
        )

    @property
    def note(self) -> str:
        """A line for the user: what was opened, and its licence."""
        named = f", encoder {self.encoder}" if self.encoder else ""
        licence = f"; licence: {self.licence}" if self.licence else ""
        return f"{self.source}: weights of an encoder{named}{licence}"

    def require_encoder(self, name: str) -> None:
        """Require that it does not state another encoder than `name`.

        Raises:
            ConfigError: It does.
        """
        if self.encoder is not None and library_name(self.encoder) != library_name(name):
            raise ConfigError(
                f"encoder weights {self.source}: they are of {self.encoder}, and model.encoder "
                f"is {name}; use --set model.encoder={self.encoder}"
            )

    def select(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors with the names of `own`, an encoder's state dict."""
        if self.layout is not None:
            taken, _ = take_tensors(
                [f"encoder.{key}" for key in own], self.tensors, self.layout.NAMES
            )
            return {key.removeprefix("encoder."): value for key, value in taken.items()}
        return {_match_key(key, own): value for key, value in self.tensors.items()}

    def fits(self, name: str) -> bool:
        """Whether it has all tensors of the encoder `name`, in its shapes."""
        encoder = import_smp().encoders.get_encoder(library_name(name), weights=None)
        own = encoder.state_dict()
        named = self.select(own)
        return all(k in named and v.shape == named[k].shape for k, v in own.items() if v.ndim)


def load_weights(encoder: nn.Module, name: str, weights: str) -> None:
    """Fill `encoder` (made for 3 channels) from `weights`.

    An `AdaptableEncoder` (with patches of another size, say) first converts published tensors
    to its own shapes.

    Args:
        encoder: The encoder, of random weights.
        name: Its name.
        weights: "imagenet", what `EncoderCheckpoint.open` takes, or "none".

    Raises:
        ConfigError: The download failed, or the checkpoint does not hold this encoder.
    """
    if weights == "none":
        return
    own = encoder.state_dict()
    if weights == "imagenet":
        found = EncoderCheckpoint(
            source=weights,
            tensors=download_weights(name),
            encoder=None,
            licence=None,
            provenance={},
        )
    else:
        found = EncoderCheckpoint.open(weights)
        found.require_encoder(name)
    named: Mapping[str, Tensor]
    if isinstance(encoder, AdaptableEncoder) and found.layout is None and not found.is_trained:
        named = encoder.adapt_weights(dict(found.tensors))
        named = {_match_key(key, own): value for key, value in named.items()}
    else:
        named = found.select(own)
    _copy_weights(encoder, named, f"{weights} for encoder {name}")


def require_weights(
    name: str, weights: str, *, accept_licence: bool = False
) -> EncoderCheckpoint | None:
    """Check, before any data is read, that `load_weights` will find the weights.

    Returns:
        The checkpoint; None for "imagenet" and "none".

    Raises:
        ConfigError: The download failed, the checkpoint cannot be read, is of another encoder,
            or its licence has to be accepted.
    """
    if weights == "imagenet":
        download_weights(name)
    if weights in {"imagenet", "none"}:
        return None
    found = open_weights(weights, accept_licence=accept_licence)
    found.require_encoder(name)
    return found


def open_weights(weights: str, *, accept_licence: bool = False) -> EncoderCheckpoint:
    """Open a checkpoint of an encoder to use it.

    Raises:
        ConfigError: It is not there or cannot be read, or its licence has to be accepted.
    """
    if HubName.parse(weights) is None and not Path(weights).exists():
        raise ConfigError(
            f"encoder weights {weights!r}: no such file; give 'imagenet', a .pth or "
            f".safetensors file, a bundle or a run, hub:OWNER/NAME, or 'none'"
        )
    found = EncoderCheckpoint.open(weights)
    if found.licence is not None and not found.is_trained:
        require_accepted(weights, found.licence, accepted=accept_licence)
    return found


def _read_facts(
    checkpoint: ForeignCheckpoint, layout: Layout | None
) -> tuple[str | None, Statistics | None]:
    """Name and statistics of the encoder by the layout, or by config.json of timm or smp."""
    if layout is not None:
        with suppress(ConfigError, *MALFORMED):  # another head, or none
            described = layout.describe(checkpoint)
            return described.arch.encoder, (described.input.mean, described.input.std)
    config = checkpoint.config
    trained = config.get("pretrained_cfg")
    if isinstance(trained, Mapping):
        with suppress(*MALFORMED):
            mean, std = (tuple(map(float, trained[key])) for key in ("mean", "std"))
            return str(config["architecture"]), (mean, std)
    name = config.get("encoder_name")
    return name if isinstance(name, str) else None, None


def _explain_whole(source: str, name: str) -> ConfigError:
    return ConfigError(
        f"encoder weights {source}: {name} is a whole network without a separate encoder; "
        f"start from all of it with --set model.init={source}"
    )


def _copy_weights(encoder: nn.Module, named: Mapping[str, Tensor], source: str) -> None:
    """Copy all tensors of the encoder from `named`, which may have others (a classifier's)."""
    own = encoder.state_dict()
    missing = [k for k in own if k not in named and not k.endswith(COUNTERS)]
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
    with torch.no_grad():  # encoders of the library load state dicts in ways of their own
        for key, value in own.items():
            if key in named:
                value.copy_(named[key])


def _match_key(key: str, own: Mapping[str, Tensor]) -> str:
    """The key of `own` that `key` is, by other prefixes or timm's names; itself if none is."""
    return next((name for name in _list_spellings(key) if name in own), key)


def _list_spellings(key: str) -> Iterator[str]:
    """`key` as it is, without each of its prefixes, and with one; stages also as `stages_0`.

    timm joins the number of a stage to its name where it takes features from a network.
    """
    names = [key]
    while prefix := next((p for p in PREFIXES if key.startswith(p)), None):
        key = key.removeprefix(prefix)
        names.append(key)
    names += [prefix + key for prefix in PREFIXES]
    yield from names
    yield from (re.sub(r"([a-z]+)\.(\d+)\.", r"\1_\2.", name, count=1) for name in names)
