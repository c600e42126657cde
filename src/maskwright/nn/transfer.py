"""Transfer: the weights of one network as the start of another, whose classes may differ.

The tensors of a head have an axis along which the classes lie. Such axes are found by building
the architecture for K and for K + 1 classes, without numbers: only they grow.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.labels import LabelSpec

from .build import load_arch, new_model
from .encoders import widen_kernel
from .pretrained.layout import COUNTERS

ClassPairs = tuple[tuple[int, int], ...]
"""Indices of one class in the new and in the old network."""


@dataclass(frozen=True, slots=True)
class ClassAxis:
    """An axis with `group` entries for each class, and for a class beside them if `has_extra`.

    The extra class, no object or background, stands first or last.
    """

    axis: int
    group: int
    has_extra: bool
    extra_first: bool

    def size(self, num_classes: int) -> int:
        """Entries for K classes."""
        return self.group * (num_classes + self.has_extra)

    def positions(self, classes: Sequence[int], num_classes: int) -> list[int]:
        """Entries of `classes` out of K, in their order, then those of the extra class."""
        shift = int(self.has_extra and self.extra_first)
        groups = [index + shift for index in classes]
        if self.has_extra:
            groups.append(0 if self.extra_first else num_classes)
        return [group * self.group + offset for group in groups for offset in range(self.group)]


Rows = tuple[tuple[int, list[int], list[int]], ...]
"""For each axis of classes of a tensor: the axis, entries of the new and of the old tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What a new network takes from an old one.

    `whole` are the tensors that are copied, `rows` those of which only the entries of common
    classes are. `fresh` are left as they are initialised: `heads`, whose classes are all new,
    and `missing`, which the old network does not have. `unused` are tensors of the old network
    without a place in the new one.
    """

    pairs: ClassPairs
    tensors: Mapping[str, Tensor]
    whole: tuple[str, ...]
    rows: Mapping[str, Rows]
    heads: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def fresh(self) -> tuple[str, ...]:
        """All tensors that are left as they are initialised."""
        return (*self.heads, *self.missing)

    @torch.no_grad()
    def fill(self, network: nn.Module) -> None:
        """Write the tensors into `network`, which is built for the new classes."""
        own = network.state_dict()
        for name in self.whole:
            own[name].copy_(self.tensors[name])
        for name, rows in self.rows.items():
            new, old = (_index(own[name].ndim, rows, side) for side in (1, 2))
            own[name][new] = self.tensors[name][old]


def plan_transfer(
    tensors: Mapping[str, Tensor],
    old_num_classes: int,
    pairs: ClassPairs,
    arch: ArchSpec,
    in_channels: int,
    num_classes: int,
    *,
    revision: int | None = None,
    source: str,
    fix: str = "train the architecture that the tensors are of",
) -> Transfer:
    """Decide what a new network of `arch` takes from the `tensors` of an old one.

    Args:
        tensors: State dict of the old network.
        old_num_classes: Number of its classes.
        pairs: The classes that both have, see `match_classes`.
        arch: Of the new network.
        in_channels: Of the new network.
        num_classes: Of the new network.
        revision: Of the new network, see `build.new_model`.
        source: Of the old network, for the message.
        fix: What the message advises.

    Raises:
        ConfigError: A tensor that depends on no class has another shape in the new network.
    """
    shapes, axes = list_shapes(arch, in_channels, num_classes, revision), {}
    tensors = _adapt_input(tensors, shapes, in_channels)
    same = tuple((index, index) for index in range(num_classes))
    if old_num_classes != num_classes or pairs != same:
        axes = find_class_axes(arch, in_channels, num_classes, revision)
    whole, heads, missing, wrong = [], [], [], []
    rows: dict[str, Rows] = {}
    counts = (num_classes, old_num_classes)
    for name, shape in shapes.items():
        if name not in tensors:
            if not name.endswith(COUNTERS):
                missing.append(name)
        elif not _fits(shape, tensors[name].shape, axes.get(name, ()), old_num_classes):
            wrong.append(name)
        elif name not in axes:
            whole.append(name)
        elif pairs:
            rows[name] = tuple(_match_entries(axis, pairs, counts) for axis in axes[name])
        else:
            heads.append(name)
    if wrong:
        raise _wrong_shape(wrong, tensors, shapes, source, fix)
    return Transfer(
        pairs=pairs,
        tensors=tensors,
        whole=tuple(whole),
        rows=rows,
        heads=tuple(heads),
        missing=tuple(missing),
        unused=tuple(n for n in tensors if n not in shapes and not n.endswith(COUNTERS)),
    )


def match_classes(old: LabelSpec, new: LabelSpec, *, is_named: bool) -> ClassPairs:
    """The classes that `old` and `new` have in common, by name.

    Case, spaces, dashes and underscores do not count. Where the old network names its classes
    itself (`is_named`), every common name counts. Names that were guessed from the number of
    classes count where they include all new ones. Where there is no guess ("class 0"), classes
    are the same by their index if there are as many.
    """
    index_of: dict[str, int] = {}
    for index, name in enumerate(old.names):
        index_of.setdefault(_simplify(name), index)
    pairs = tuple(
        (index, index_of[key])
        for index, key in enumerate(map(_simplify, new.names))
        if key in index_of
    )
    if is_named or len(pairs) == len(new):
        return pairs
    is_numbered = all(re.fullmatch(r"class \d+", name) for name in old.names)
    if is_numbered and len(old) == len(new):
        return tuple((index, index) for index in range(len(new)))
    return ()


def find_class_axes(
    arch: ArchSpec, in_channels: int, num_classes: int, revision: int | None = None
) -> dict[str, tuple[ClassAxis, ...]]:
    """The axes of classes of each tensor that has any, by its name in the state dict."""
    extra_first = load_arch(arch.name).EXTRA_CLASS_FIRST
    smaller = list_shapes(arch, in_channels, num_classes, revision)
    larger = list_shapes(arch, in_channels, num_classes + 1, revision)
    found = {}
    for name, shape in smaller.items():
        grown = [
            (axis, b - a) for axis, (a, b) in enumerate(zip(shape, larger[name], strict=True))
        ]
        axes = tuple(
            ClassAxis(axis, group, shape[axis] > group * num_classes, extra_first)
            for axis, group in grown
            if group
        )
        if axes:
            found[name] = axes
    return found


def list_shapes(
    arch: ArchSpec, in_channels: int, num_classes: int, revision: int | None = None
) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a network, which is built without numbers where it can be."""
    try:
        with torch.device("meta"):
            network = new_model(arch, in_channels, num_classes, revision=revision)
    except (RuntimeError, ConfigError):  # code that computes with tensors on the way
        network = new_model(arch, in_channels, num_classes, revision=revision)
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _adapt_input(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]], in_channels: int
) -> dict[str, Tensor]:
    """Convert the kernels that read RGB to images of `in_channels`."""
    adapted = dict(tensors)
    for name, value in tensors.items():
        rgb = [*shapes.get(name, ())]
        if len(rgb) == 4 and rgb[1] == in_channels != 3:
            rgb[1] = 3
            if rgb == list(value.shape):
                adapted[name] = widen_kernel(value, in_channels)
    return adapted


def _fits(
    shape: Sequence[int], old: Sequence[int], axes: Iterable[ClassAxis], old_num_classes: int
) -> bool:
    expected = list(shape)
    for axis in axes:
        expected[axis.axis] = axis.size(old_num_classes)
    return expected == list(old)


def _wrong_shape(
    wrong: Sequence[str],
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, Sequence[int]],
    source: str,
    fix: str,
) -> ConfigError:
    first = wrong[0]
    return ConfigError(
        f"{source}: {len(wrong)} tensors have another shape than in the network to train "
        f"(first: {first} is {tuple(tensors[first].shape)}, expected {shapes[first]}); {fix}"
    )


def _match_entries(
    axis: ClassAxis, pairs: ClassPairs, num_classes: tuple[int, int]
) -> tuple[int, list[int], list[int]]:
    new, old = (
        axis.positions([pair[side] for pair in pairs], num_classes[side]) for side in (0, 1)
    )
    return axis.axis, new, old


def _index(ndim: int, rows: Rows, side: int) -> tuple[slice | Tensor, ...]:
    """An index of the entries of all axes together; with two axes, of every pair of entries."""
    index: list[slice | Tensor] = [slice(None)] * ndim
    for position, row in enumerate(rows):
        shape = [1] * len(rows)
        shape[position] = -1
        index[row[0]] = torch.tensor(row[side]).view(shape)  # (n,) -> (n, 1) of two axes
    return tuple(index)


def _simplify(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()
