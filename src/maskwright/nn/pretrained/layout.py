"""Layout: the names of tensors in one publisher's checkpoints, and what network they are of."""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from maskwright.core import parts
from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import InputSpec, SizeRule

from .files import ForeignCheckpoint

LAYOUTS = "maskwright.nn.pretrained.layouts"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

PREFIXES = ("", "module.", "model.", "model.module.", "module.model.", "network.", "net.")
"""What training code puts before all names: the attributes that hold the network."""

COUNTERS = "num_batches_tracked"
"""Buffers of batch normalisation that old checkpoints lack; nothing reads them."""

Names = Mapping[str, str | Callable[[re.Match[str]], str]]
"""Regular expressions and their replacements, applied in this order to a name of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The network that a checkpoint is of, and its input.

    `class_names` are None where the checkpoint does not have them, `revision` of the
    architecture is None for its newest.
    """

    arch: ArchSpec
    num_classes: int
    input: InputSpec
    class_names: tuple[str, ...] | None = None
    revision: int | None = None


class Layout(Protocol):
    """A file of `nn.pretrained.layouts`."""

    PUBLISHER: str
    """Who writes such checkpoints, for messages."""

    KEYS: tuple[str, ...]
    """Names of tensors that every such checkpoint has, and together no other."""

    NAMES: Names
    """What turns the names of our network's tensors into the checkpoint's."""

    LICENCE: str | None = None
    """Of the published weights, where the files beside a checkpoint do not state it."""

    @abstractmethod
    def describe(self, checkpoint: ForeignCheckpoint) -> Described:
        """The network, from the shapes of tensors and the configuration.

        Raises:
            ConfigError: It is a variant that no architecture here is.
        """

    def prepare(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors, those packed or taken apart that our network has in another form."""
        return tensors


def find_layout(checkpoint: ForeignCheckpoint) -> tuple[str, Layout, ForeignCheckpoint]:
    """The layout of a checkpoint: its name, itself, and the checkpoint without prefixes.

    Raises:
        ConfigError: No layout has all its names in the checkpoint; the nearest is named.
    """
    nearest: tuple[float, str] = (0.0, "")
    for name in parts.names(LAYOUTS):
        layout = parts.load(LAYOUTS, name, like=Layout)
        for prefix in PREFIXES:
            found = sum(prefix + key in checkpoint.tensors for key in layout.KEYS)
            if found == len(layout.KEYS):
                return name, layout, strip_prefix(checkpoint, prefix)
            nearest = max(nearest, (found / len(layout.KEYS), name))
    share, name = nearest
    near = f"nearest is {name}, of whose names it has {share:.0%}; " if share else ""
    first = ", ".join(list(checkpoint.tensors)[:3])
    raise ConfigError(
        f"{checkpoint.source}: {len(checkpoint.tensors)} tensors ({first}, ...) in no layout "
        f"known here; {near}known: {', '.join(parts.names(LAYOUTS))}"
    )


def strip_prefix(checkpoint: ForeignCheckpoint, prefix: str) -> ForeignCheckpoint:
    """The checkpoint without `prefix`; tensors whose names lack it are left as they are."""
    if not prefix:
        return checkpoint
    tensors = {key.removeprefix(prefix): value for key, value in checkpoint.tensors.items()}
    return replace(checkpoint, tensors=tensors)


def take_tensors(
    own: Iterable[str], tensors: Mapping[str, Tensor], names: Names
) -> tuple[dict[str, Tensor], set[str]]:
    """Find the checkpoint's tensor for each name of `own`; also return the names not used."""
    theirs = {key: translate(key, names) for key in own}
    taken = {key: tensors[name] for key, name in theirs.items() if name in tensors}
    return taken, set(tensors) - set(theirs.values())


def translate(name: str, names: Names) -> str:
    """Apply all of `names` to a name, in their order."""
    for pattern, replacement in names.items():
        name = re.sub(pattern, replacement, name)
    return name


def pack(tensors: Mapping[str, Tensor], parts: Sequence[str], name: str) -> dict[str, Tensor]:
    """Concatenate tensors whose names differ in one of `parts`, under `name` in its place."""
    first, *others = parts
    packed: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if first in key:
            rest = [tensors[key.replace(first, other)] for other in others]
            packed[key.replace(first, name)] = torch.cat([value, *rest])
        elif not any(other in key for other in others):
            packed[key] = value
    return packed


def split_projections(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take torch's packed `in_proj_weight` and `in_proj_bias` apart: queries, keys, values."""
    split: dict[str, Tensor] = {}
    for key, value in tensors.items():
        stem, is_packed, kind = key.partition("in_proj_")
        if is_packed:
            for name, part in zip("qkv", value.chunk(3), strict=True):
                split[f"{stem}{name}_proj.{kind}"] = part
        else:
            split[key] = value
    return split


def make_input(
    checkpoint: ForeignCheckpoint,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    size_rule: SizeRule | None = None,
) -> InputSpec:
    """The input by the checkpoint's preprocessor configuration, else as given; RGB."""
    settings = checkpoint.preprocessor
    if settings.get("do_normalize", True):
        mean = settings.get("image_mean", mean)
        std = settings.get("image_std", std)
    else:
        mean, std = (0.0,) * 3, (1.0,) * 3
    if settings:
        size_rule = _read_size_rule(settings)
    return InputSpec(
        channels=3,
        mean=tuple(float(v) for v in mean),
        std=tuple(float(v) for v in std),
        convert_channels=True,
        size_rule=size_rule,
    )


def _read_size_rule(settings: Mapping[str, object]) -> SizeRule | None:
    """The rule of an image processor of transformers; a lone number is a square."""
    size = settings.get("size")
    if not settings.get("do_resize", True) or size is None:
        return None
    multiple = settings.get("ensure_multiple_of") or 1
    if isinstance(size, int):
        size = {"height": size, "width": size}
    if not isinstance(size, Mapping) or not isinstance(multiple, int):
        raise ConfigError(f"size {size!r} of the preprocessor configuration is not known here")
    if "shortest_edge" in size:
        return SizeRule(
            shortest_px=size["shortest_edge"],
            longest_px=size.get("longest_edge"),
            multiple=multiple,
        )
    return SizeRule(
        fixed_HW=(size["height"], size["width"]),
        keep_aspect=bool(settings.get("keep_aspect_ratio", False)),
        multiple=multiple,
    )


def read_class_names(config: Mapping[str, object], num_classes: int) -> tuple[str, ...] | None:
    """`id2label` of transformers as names by class index; None for placeholders or gaps."""
    labels = config.get("id2label")
    if not isinstance(labels, Mapping):
        return None
    names = tuple(str(labels.get(str(index), "")) for index in range(num_classes))
    if not all(names) or names == tuple(f"LABEL_{index}" for index in range(num_classes)):
        return None
    return names


def count_blocks(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the largest number that the group of `pattern` has in a name; else 0."""
    numbers = [int(m[1]) for key in tensors if (m := re.match(pattern, key))]
    return max(numbers, default=-1) + 1
