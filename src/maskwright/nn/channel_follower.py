"""Follow the channels of a network from operation to operation, while it runs once.

A convolution makes channels, a sum joins those of its operands, a concatenation puts them side
by side. Channels that go through an operation which is not known here are fixed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from .widths import IN, LAYERS, MIXING, OUT, Side, count_channels, is_depthwise

Ids = NDArray[np.int64]

_KEEPING = {
    *("upsample_bilinear2d", "upsample_nearest2d", "max_pool2d_with_indices", "avg_pool2d"),
    *("_adaptive_avg_pool2d", "constant_pad_nd", "replication_pad2d", "reflection_pad2d"),
    *("clone", "_to_copy", "detach", "alias", "contiguous", "expand"),
}
"""Operations that leave each channel what it is, at its axis."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The ids of channels at an axis of a tensor, which is held as Python uses ids again."""

    tensor: Tensor
    axis: int
    ids: Ids


class ChannelFollower(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows ids of channels from operation to operation; ids that are joined are one.

    `ops` are the multiplications in eval mode by the path of the layer, those outside of layers
    under "".
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._layers = {p: m for p, m in network.named_modules() if isinstance(m, LAYERS)}
        self._owners: dict[int, str] = {}
        for path, layer in self._layers.items():
            for value in (layer.weight, getattr(layer, "running_mean", None)):
                if value is not None:
                    self._owners[id(value)] = path
        self._aliases: dict[int, str] = {}
        self._kept: list[Tensor] = []
        self._known: dict[int, _Known] = {}
        self._parents: list[int] = []
        self._fixed: set[int] = set()
        self._sides: dict[Side, Ids] = {}
        self.ops: dict[str, int] = defaultdict(int)
        self._made: set[int] = set()
        self._is_training = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self._kept += [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        rule = _RULES.get(name)
        done = False
        with suppress(IndexError, KeyError):  # a form of the operation that the rule has not
            done = rule is not None and rule(self, args, result)
        if not done and _is_pointwise(func):
            done = self._follow_pointwise(args, result)
        if not done:
            self.fix([*tree_leaves(args), *tree_leaves(kwargs)])
        if not self._is_training and func.overloadpacket in flop_registry:
            count = flop_registry[func.overloadpacket]
            self.ops[self._find_layer(args)] += count(*args, out_val=result) // 2
        return result

    def start(self, network: nn.Module, *, training: bool) -> None:
        """Set the mode of the network, in which nothing is drawn at random."""
        self._is_training = training
        network.train(training)
        for module in network.modules():
            if "Drop" in type(module).__name__:
                module.eval()

    def _find_layer(self, values: Iterable[Any]) -> str:
        """The path of the layer whose weight is one of the values, "" for none."""
        for value in values:
            path = self._owners.get(id(value)) or self._aliases.get(id(value))
            if path is not None:
                return path
        return ""

    def fix(self, values: Iterable[Any]) -> None:
        """Fix the channels of tensors, and those of layers whose weights they are."""
        for value in values:
            if id(value) in self._known:
                self._fix_ids(self._known[id(value)].ids)
            if path := self._find_layer([value]):
                for side in (OUT, IN):
                    self._fix_ids(self._get_side(path, side))

    def list_places(self) -> list[dict[Side, list[int]]]:
        """The positions of each channel that is not fixed, by the sides of layers."""
        fixed = {self._find(index) for index in self._fixed}
        places: dict[int, dict[Side, list[int]]] = defaultdict(lambda: defaultdict(list))
        for side, ids in self._sides.items():
            for position, index in enumerate(ids.tolist()):
                if (root := self._find(index)) not in fixed:
                    places[root][side].append(position)
        return [dict(found) for found in places.values()]

    # Ids -----------------------------------------------------------------------------------

    def _make_ids(self, count: int) -> Ids:
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count)

    def _find(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def _join(self, one: Ids, other: Ids) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            self._parents[self._find(a)] = self._find(b)

    def _fix_ids(self, ids: Ids) -> None:
        self._fixed.update(ids.tolist())

    def _get_side(self, path: str, side: str) -> Ids:
        layer = self._layers[path]
        one_axis = not isinstance(layer, nn.Linear) and (
            is_depthwise(layer) or not isinstance(layer, MIXING)
        )
        key = (path, OUT if one_axis else side)
        if key not in self._sides:
            self._sides[key] = self._make_ids(count_channels(layer)[side == IN])
        return self._sides[key]

    def _tell(self, tensor: Any, axis: int, ids: Ids) -> bool:
        """Remember the ids of a tensor."""
        if len(ids) != tensor.shape[axis]:
            return False
        self._known[id(tensor)] = _Known(tensor, axis, ids)
        return True

    def _ask(self, tensor: Any, axis: int) -> Ids:
        """The ids of a tensor at an axis; fixed ones where they are not known."""
        known = self._known.get(id(tensor))
        if known is not None and known.axis == axis:
            return known.ids
        self.fix([tensor])
        ids = self._make_ids(tensor.shape[axis])
        self._fix_ids(ids)
        return ids

    # Layers --------------------------------------------------------------------------------

    def _follow_convolution(self, args: Sequence[Any], result: Tensor) -> bool:
        x_BCHW, weight, groups = args[0], args[1], args[8]
        path = self._owners.get(id(weight))
        if path is None or x_BCHW.ndim != 4:
            return False
        given, inputs = self._ask(x_BCHW, 1), self._get_side(path, IN)
        self._join(inputs, given)
        outputs = self._get_side(path, OUT)
        if groups > 1 and not is_depthwise(self._layers[path]):
            self._fix_ids(given)
            self._fix_ids(outputs)
        return self._tell(result, 1, outputs)

    def _follow_product(self, args: Sequence[Any], result: Tensor) -> bool:
        """`mm` and `addmm` of rows and the transposed weight of a linear layer."""
        x_NC, weight_CK = args[-2:]
        path = self._aliases.get(id(weight_CK))
        if path is None:
            return False
        self._join(self._get_side(path, IN), self._ask(x_NC, 1))
        return self._tell(result, 1, self._get_side(path, OUT))

    def _follow_norm(self, args: Sequence[Any], result: Any) -> bool:
        owners = (self._owners.get(id(value)) for value in args[1:5])
        path = next((path for path in owners if path is not None), None)
        if path is None:
            return False
        ids = self._get_side(path, OUT)
        self._join(ids, self._ask(args[0], 1))
        return self._tell(result[0], 1, ids)

    def _follow_prelu(self, args: Sequence[Any], result: Tensor) -> bool:
        path = self._find_layer(args[1:])
        if path not in self._layers or count_channels(self._layers[path])[0] == 1:
            return self._follow_pointwise(args, result)
        self._join(self._get_side(path, OUT), self._ask(args[0], 1))
        return self._tell(result, 1, self._get_side(path, OUT))

    # Operations without weights ------------------------------------------------------------

    def _follow_pointwise(self, args: Sequence[Any], result: Any) -> bool:
        outputs = [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        tensors = [value for value in tree_leaves(args) if isinstance(value, Tensor)]
        known = [self._known[id(value)] for value in tensors if id(value) in self._known]
        if not known or any(id(value) in self._owners for value in tensors):
            return not known and not any(id(value) in self._owners for value in tensors)
        from_right = {one.tensor.ndim - one.axis for one in known}
        if len(from_right) > 1:
            return False
        place = from_right.pop()
        wide = [one for one in tensors if one.ndim >= place and one.shape[-place] > 1]
        if not wide:
            wide = [known[0].tensor]
        every = [self._ask(one, one.ndim - place) for one in wide]
        narrow = [one for one in known if all(one.tensor is not value for value in wide)]
        for one in narrow:  # a single channel that is spread over several
            self._fix_ids(one.ids)
        for ids in every[1:]:
            self._join(ids, every[0])
        return all(self._tell(one, one.ndim - place, every[0]) for one in outputs)

    def _keep(self, args: Sequence[Any], result: Any) -> bool:
        known = self._known.get(id(args[0]))
        outputs = [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        if known is None or not outputs:
            return known is None
        shift = outputs[0].ndim - known.tensor.ndim
        return all(self._tell(one, known.axis + shift, known.ids) for one in outputs)

    def _follow_view(self, args: Sequence[Any], result: Tensor) -> bool:
        known = self._known.get(id(args[0]))
        if known is None:
            if path := self._find_layer(args[:1]):
                self._aliases[id(result)] = path
            return True
        old, new = known.tensor.shape, result.shape
        before = prod(old[: known.axis])
        for axis, size in enumerate(new):
            if size == old[known.axis] and prod(new[:axis]) == before:
                return self._tell(result, axis, known.ids)
        return False

    def _follow_permute(self, args: Sequence[Any], result: Tensor) -> bool:
        known = self._known.get(id(args[0]))
        if known is None:
            return True
        order = [axis % known.tensor.ndim for axis in args[1]]
        return self._tell(result, order.index(known.axis), known.ids)

    def _follow_transpose(self, args: Sequence[Any], result: Tensor) -> bool:
        if len(args) == 1:  # aten.t
            path = self._owners.get(id(args[0]))
            if path is not None:
                self._aliases[id(result)] = path
                return True
        one, other = (axis % args[0].ndim for axis in (args[1:] or (0, 1)))
        order = list(range(args[0].ndim))
        order[one], order[other] = other, one
        return self._follow_permute((args[0], order), result)

    def _follow_cat(self, args: Sequence[Any], result: Tensor) -> bool:
        tensors = args[0]
        known = [self._known[id(one)] for one in tensors if id(one) in self._known]
        if not known:
            return True
        axis = known[0].axis
        every = [self._ask(one, axis) for one in tensors]
        if (args[1] if len(args) > 1 else 0) % result.ndim == axis:
            return self._tell(result, axis, np.concatenate(every))
        for ids in every[1:]:
            self._join(ids, every[0])
        return self._tell(result, axis, every[0])

    def _follow_slice(self, args: Sequence[Any], result: Tensor) -> bool:
        known = self._known.get(id(args[0]))
        if known is None:
            return True
        given: list[Any] = [0, None, None, 1]
        given[: len(args) - 1] = args[1:]
        dim, start, end, step = given
        same_axis = dim % known.tensor.ndim == known.axis
        ids = known.ids[slice(start, end, step)] if same_axis else known.ids
        return self._tell(result, known.axis, ids)

    def _follow_split(self, args: Sequence[Any], result: Sequence[Tensor]) -> bool:
        known = self._known.get(id(args[0]))
        if known is None:
            return True
        dim = (args[2] if len(args) > 2 else 0) % known.tensor.ndim
        ends = np.cumsum([one.shape[known.axis] for one in result])[:-1]
        pieces = np.split(known.ids, ends) if dim == known.axis else [known.ids] * len(result)
        return all(
            self._tell(one, known.axis, ids) for one, ids in zip(result, pieces, strict=True)
        )

    def _make_new(self, _args: Sequence[Any], result: Tensor) -> bool:
        """A tensor of zeros, or without values, which channels are written into."""
        self._made.add(id(result))
        return True

    def _follow_scatter(self, args: Sequence[Any], result: Tensor) -> bool:
        """`scatter(zeros, dim, index, source)` along another axis, as unpooling does it."""
        target, dim, index, source = args
        known = self._known.get(id(source))
        if known is None or id(target) not in self._made or dim == known.axis:
            return False
        self._join(known.ids, self._ask(index, known.axis))
        return self._tell(result, known.axis, known.ids)

    def _follow_reduction(self, args: Sequence[Any], result: Tensor) -> bool:
        known = self._known.get(id(args[0]))
        if known is None:
            return True
        given = args[1] if isinstance(args[1], Sequence) else [args[1]]
        dims = {dim % known.tensor.ndim for dim in given}
        if known.axis in dims or not dims:
            return False
        keeps = result.ndim == known.tensor.ndim
        lost = 0 if keeps else sum(dim < known.axis for dim in dims)
        return self._tell(result, known.axis - lost, known.ids)


def _is_pointwise(func: Any) -> bool:
    """Whether an operation, or that of which it is the form in place, is one by value."""
    name = func.overloadpacket.__name__
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    overloads = [] if packet is None else [getattr(packet, one) for one in packet.overloads()]
    tagged = any(torch.Tag.pointwise in one.tags for one in (func, *overloads))
    return tagged or name.removesuffix("_") in {"hardswish", "native_dropout", "copy"}


_Rule = Callable[[ChannelFollower, Sequence[Any], Any], bool]
_RULES: dict[str, _Rule] = dict.fromkeys(_KEEPING, ChannelFollower._keep) | {
    "convolution": ChannelFollower._follow_convolution,
    "mm": ChannelFollower._follow_product,
    "addmm": ChannelFollower._follow_product,
    "_prelu_kernel": ChannelFollower._follow_prelu,
    "native_batch_norm": ChannelFollower._follow_norm,
    "_native_batch_norm_legit": ChannelFollower._follow_norm,
    "_native_batch_norm_legit_no_training": ChannelFollower._follow_norm,
    "view": ChannelFollower._follow_view,
    "_unsafe_view": ChannelFollower._follow_view,
    "permute": ChannelFollower._follow_permute,
    "transpose": ChannelFollower._follow_transpose,
    "t": ChannelFollower._follow_transpose,
    **dict.fromkeys(
        ("new_zeros", "zeros_like", "new_empty", "empty_like"), ChannelFollower._make_new
    ),
    "scatter": ChannelFollower._follow_scatter,
    "cat": ChannelFollower._follow_cat,
    "slice": ChannelFollower._follow_slice,
    "split": ChannelFollower._follow_split,
    "split_with_sizes": ChannelFollower._follow_split,
    "mean": ChannelFollower._follow_reduction,
    "sum": ChannelFollower._follow_reduction,
    "amax": ChannelFollower._follow_reduction,
    "squeeze": ChannelFollower._follow_view,
    "unsqueeze": ChannelFollower._follow_view,
}
"""By the name of the operation in ATen; each says whether it could follow."""
