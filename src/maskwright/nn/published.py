"""Published models: checkpoints of others as networks here, and the start of a training."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version

from torch import Tensor, nn

from maskwright.core.card import ModelCard
from maskwright.core.errors import ConfigError, shorten
from maskwright.core.labels import LabelSpec
from maskwright.core.typed import MALFORMED

from .any_size import AnySize
from .build import build_model, choose_revision
from .licences import require_accepted, state_licence
from .pretrained.files import ForeignCheckpoint, read_checkpoint
from .pretrained.layout import COUNTERS, Described, find_layout, take_tensors

NameClasses = Callable[[int], LabelSpec]
"""The classes of a known dataset by their number, else numbered ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published model as a network here.

    `unused` are tensors of the checkpoint that the network has no place for. `notes` tell the
    user what was opened, its licence, and what was left out. `has_names`: the checkpoint itself
    names its classes.
    """

    card: ModelCard
    network: AnySize
    layout: str
    licence: str
    unused: tuple[str, ...]
    has_names: bool

    @property
    def model_id(self) -> str:
        """Sixteen hex digits of the hash of the card, which has the hashes of the files."""
        text = json.dumps(self.card.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def stop_at_head(self) -> tuple[ModelCard, AnySize]:
        """The card and the network with logits at the stride of the head."""
        card = replace(self.card, logits=self.network.head_grid)
        return card, AnySize(self.network.network, card.logits).eval()

    @property
    def source(self) -> str:
        """The name or path that the user gave."""
        return str(self.card.provenance["published"]["source"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the user: what was opened, its licence, and tensors left out."""
        arch = self.card.arch
        opened = (
            f"{self.source}: {arch.name} on {arch.encoder}, {len(self.card.labels)} classes, "
            f"read as {self.layout}; licence: {self.licence}"
        )
        lines = [opened]
        if self.unused:
            lines.append(f"{self.source}: not used: {list_names(self.unused)}")
        return tuple(lines)


def read_published(
    source: str, name_classes: NameClasses, *, accept_licence: bool = False
) -> Published:
    """Open `hub:OWNER/NAME[@REVISION]`, or the folder or file of a published checkpoint.

    Args:
        source: The name or path.
        name_classes: Names classes where the checkpoint does not.
        accept_licence: The user accepts its licence, permissive or not.

    Raises:
        ConfigError: It cannot be read (see `read_checkpoint`), is in no layout known here, is
            of a variant that no architecture here is, or its licence has to be accepted.
    """
    name, layout, checkpoint = find_layout(read_checkpoint(source))
    licence = state_licence(checkpoint.readme, layout.LICENCE, is_hub=checkpoint.is_hub)
    require_accepted(source, licence, accepted=accept_licence)
    try:
        described = layout.describe(checkpoint)
        tensors = layout.prepare(checkpoint.tensors)
    except MALFORMED as error:
        raise ConfigError(
            f"{source}: has names of {name}, but is not one ({shorten(repr(error), 120)}); "
            f"download it again"
        ) from error
    labels = _make_labels(described, name_classes)
    card = ModelCard(
        labels=labels,
        input=described.input,
        arch=choose_revision(described.arch, described.revision),
    )
    network = build_model(card)
    state, unused = take_tensors(network.network.state_dict(), tensors, layout.NAMES)
    fill_network(network.network, state, source=source, layout=name)
    return Published(
        card=replace(card, provenance=_make_provenance(checkpoint, name, licence)),
        network=network,
        layout=name,
        licence=licence,
        unused=tuple(sorted(key for key in unused if not key.endswith(COUNTERS))),
        has_names=described.class_names is not None,
    )


def fill_network(
    network: nn.Module, state: Mapping[str, Tensor], *, source: str, layout: str
) -> None:
    """Fill every tensor of `network`.

    Raises:
        ConfigError: A tensor is missing or has another shape.
    """
    own = network.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(COUNTERS)]
    wrong = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or wrong:
        raise ConfigError(
            f"{source}: read as {layout}, but {_describe_misfit(own, state, missing, wrong)}; "
            f"it is of another variant of the network, or not complete"
        )
    network.load_state_dict(state, strict=False)


def list_names(names: tuple[str, ...], most: int = 5) -> str:
    """The number of tensors and the first few names."""
    more = f", ... ({len(names) - most} more)" if len(names) > most else ""
    return f"{len(names)} tensors: {', '.join(names[:most])}{more}"


def _describe_misfit(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], missing: list[str], wrong: list[str]
) -> str:
    if missing:
        return f"{len(missing)} of {len(own)} tensors are missing (first: {missing[0]})"
    first = wrong[0]
    return (
        f"{len(wrong)} tensors have another shape (first: {first} is "
        f"{tuple(state[first].shape)}, expected {tuple(own[first].shape)})"
    )


def _make_labels(described: Described, name_classes: NameClasses) -> LabelSpec:
    if described.class_names is None:
        return name_classes(described.num_classes)
    seen: dict[str, int] = {}
    names = []
    for name in described.class_names:  # two classes may have one name in published lists
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    known = name_classes(described.num_classes)
    if known.names == tuple(names):
        return known
    return LabelSpec.from_names(tuple(names))


def _make_provenance(
    checkpoint: ForeignCheckpoint, layout: str, licence: str
) -> dict[str, object]:
    published = {**checkpoint.describe(licence), "layout": layout}
    versions = {name: version(name) for name in ("maskwright", "torch")}
    return {"published": published, "versions": versions}
