"""The whole network that a training starts from: `model.init` of the recipe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maskwright.core import parts
from maskwright.core.card import ModelCard
from maskwright.core.codefile import CodeFile
from maskwright.core.errors import ConfigError, shorten
from maskwright.core.hubname import HubName
from maskwright.core.intensity import Kind
from maskwright.core.labels import LabelSpec
from maskwright.inference.published import open_published
from maskwright.nn.build import load_arch, newest
from maskwright.nn.published import list_names
from maskwright.nn.trained import Trained, find_trained
from maskwright.nn.transfer import Transfer, match_classes, plan_transfer
from maskwright.pages.text import format_count

from .model_options import NEWEST, ModelOptions
from .recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialNetwork:
    """A whole network that a training starts from.

    `tensors` are its state dict. `has_names`: it names its classes itself. `provenance` is an
    entry for the card of the run; `notes` are lines for the user, its licence among them.
    """

    source: str
    card: ModelCard
    tensors: Mapping[str, Tensor]
    has_names: bool
    provenance: Mapping[str, Any]
    notes: tuple[str, ...]

    @property
    def reason(self) -> str:
        """What the recipe says of it: its licence, and the hash of its first file."""
        name, facts = next(iter(self.provenance["files"].items()))
        licence = self.provenance.get("licence")
        stated = f"licence: {licence}; " if licence else ""
        return f"given; {stated}{name} has SHA-256 {facts['sha256'][:12]}"

    def takes(self, kind: Kind, channels: int) -> bool:
        """Whether its input is of this kind and has as many channels, so that it is kept."""
        return (self.card.input.kind, self.card.input.channels) == (kind, channels)

    def follow(self, given: ModelOptions) -> Mapping[str, Any]:
        """The values of `model` in a recipe that starts from this network.

        Args:
            given: The values that the user set; all others follow from the network.

        Raises:
            ConfigError: A given value contradicts the network, or a setting does not exist.
        """
        arch = self.card.arch
        found: dict[str, object] = {"arch": self._name_arch(given), "encoder": arch.encoder}
        found |= {"norm": arch.norm, "widths": dict(arch.widths)}
        known = given.model_fields_set
        for key, value in found.items():
            chosen = given.graph.norm if key == "norm" else getattr(given, key)
            if key in known and chosen != value:
                raise ConfigError(
                    f"model.{key} is {_show(chosen)}, and {self.source} has {_show(value)}; "
                    f"leave out model.{key}, or start from its encoder alone with "
                    f"--set model.encoder_weights={self.source}"
                )
        if "norm" in known:
            found["norm"] = given.norm
        is_newest = arch.code is not None or arch.revision == newest(arch).revision
        found["revision"] = NEWEST if is_newest else arch.revision
        config = {**arch.config, **given.config}
        part = load_arch(str(found["arch"]))
        parts.configure(part, config, where=f"model.config of {found['arch']}")
        return {**found, "config": config}

    def _name_arch(self, given: ModelOptions) -> str:
        """The architecture's name; for a user's own network, the file that the user names."""
        code = self.card.arch.code
        if code is None:
            return self.card.arch.name
        if "arch" not in given.model_fields_set or CodeFile.parse(given.arch) is None:
            raise ConfigError(
                f"{self.source}: its network is the code of {code.file.name}, which it does "
                f"not hold; name the file with --arch PATH/{code.file.name}:{code.function}"
            )
        return given.arch

    def plan_transfer(self, recipe: Recipe, labels: LabelSpec) -> Transfer:
        """Decide what the network of `recipe` for the classes `labels` takes from this one.

        Raises:
            ConfigError: The networks differ in more than their classes.
        """
        own, channels = self.card.input.channels, recipe.input.channels
        if own not in {3, channels}:
            raise ConfigError(
                f"{self.source}: takes {format_count(own, 'channel')}, the images have "
                f"{channels}; only a network for 3 channels is adapted to others"
            )
        config = self.card.arch.config
        changed = [
            f"model.config.{key} is {value!r}, it has {config.get(key)!r}"
            for key, value in recipe.model.config.items()
            if value != _as_json(config.get(key))
        ]
        return plan_transfer(
            self.tensors,
            len(self.card.labels),
            match_classes(self.card.labels, labels, is_named=self.has_names),
            recipe.model.graph,
            channels,
            len(labels),
            revision=recipe.model.revision or None,
            source=self.source,
            fix=f"leave out what differs ({'; '.join(changed) or 'no setting does'})",
        )

    def describe(self, transfer: Transfer, labels: LabelSpec) -> Iterator[str]:
        """Lines for the user: which classes are taken over, and which tensors are not."""
        old, pairs = self.card.labels.names, transfer.pairs
        kept = [labels.names[new] for new, _ in pairs]
        added = [name for name in labels.names if name not in kept]
        if not pairs:
            text = "no class is taken over, the scores of all start from random weights"
        elif added:
            text = f"classes taken over: {', '.join(kept)}; new: {', '.join(added)}"
        else:
            text = f"all {format_count(len(kept), 'class')} are taken over"
        renamed = [
            f"{labels.names[a]} is {old[b]}" for a, b in pairs if labels.names[a] != old[b]
        ]
        yield f"{self.source}: {text}" + (f" ({', '.join(renamed)})" if renamed else "")
        for names, what in (
            (transfer.heads, "new classes"),
            (transfer.missing, "not in it"),
        ):
            if names:
                yield f"{self.source}: {what}, from random weights: {_list(names)}"
        if transfer.unused:
            yield f"{self.source}: not used: {_list(transfer.unused)}"

    def make_provenance(self, transfer: Transfer, labels: LabelSpec) -> dict[str, object]:
        """The entry of a card: the source, the classes taken over, the tensors that are not."""
        return {
            **self.provenance,
            "kept_classes": [labels.names[new] for new, _ in transfer.pairs],
            "fresh_tensors": _strip(transfer.fresh),
            "unused_tensors": _strip(transfer.unused),
        }


def open_initial(source: str, *, accept_licence: bool) -> InitialNetwork:
    """Open a Bundle, a run, or a published checkpoint (`hub:OWNER/NAME[@REVISION]` or a path).

    Raises:
        ConfigError: It cannot be read, or its licence has to be accepted.
        BundleError: The Bundle is damaged.
    """
    trained = None if HubName.parse(source) is not None else find_trained(source)
    if trained is not None:
        return _from_trained(source, trained)
    published = open_published(source, accept_licence=accept_licence)
    return InitialNetwork(
        source=source,
        card=published.card,
        tensors=published.network.state_dict(),
        has_names=published.has_names,
        provenance=published.card.provenance["published"],
        notes=published.notes,
    )


def _from_trained(source: str, trained: Trained) -> InitialNetwork:
    card = trained.card
    licence = f"; licence of its first weights: {trained.licence}" if trained.licence else ""
    classes = format_count(len(card.labels), "class")
    note = f"{source}: {card.arch.name} on {card.arch.encoder}, {classes}{licence}"
    return InitialNetwork(
        source=source,
        card=card,
        tensors=trained.read(),
        has_names=True,
        provenance={"source": source, **trained.make_provenance()},
        notes=(note,),
    )


def _show(value: object) -> str:
    return shorten(repr(value))


def _as_json(value: object) -> object:
    """A setting as a recipe gives it back: a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value


def _list(names: tuple[str, ...]) -> str:
    return list_names(tuple(_strip(names)))


def _strip(names: tuple[str, ...]) -> list[str]:
    """Names in the state dict of `AnySize` as those of its network."""
    return [name.removeprefix("network.") for name in names]
